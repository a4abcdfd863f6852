"""The sandbox of the demo: ``commcare-sandbox serve`` as a child process, and its control API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import psutil

from scout_control.errors import NotFoundError, ServerError
from scout_control.rules.environment import RUN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = "commcare-sandbox"
START_SECONDS = 60.0
ANSWER_SECONDS = 60.0
CONNECT_FIELDS = {"url": "url", "token": "access_token"}
_open = build_opener(ProxyHandler({})).open  # loopback: never through a proxy


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many records the sandbox serves."""

    cases: int
    forms: int
    visits: int


DEFAULT_SIZE = Size(cases=5000, forms=2000, visits=3000)


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A running sandbox: its addresses and credentials, and its control API."""

    url: str
    domain: str
    username: str
    api_key: str = field(repr=False)
    connect_url: str
    connect_token: str = field(repr=False)
    pid: int
    cases: int
    forms: int
    visits: int

    @property
    def size(self) -> Size:
        """Return how many records the sandbox serves."""
        return Size(cases=self.cases, forms=self.forms, visits=self.visits)

    def call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the control API; a body makes it a POST."""
        return json.loads(self._request(path, body) or b"null")

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        """Return the JSON objects of a response of the control API that has one per line."""
        return map(json.loads, self._request(path, None).splitlines())

    def _request(self, path: str, body: Mapping[str, Any] | None) -> bytes:
        request = Request(  # noqa: S310 - a loopback URL that the sandbox itself has printed
            f"{self.url}/_sandbox/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with _open(request, timeout=ANSWER_SECONDS) as response:
                return bytes(response.read())
        except (URLError, TimeoutError, ConnectionError, ValueError) as error:
            raise ServerError(
                f"The sandbox at {self.url} does not answer ({type(error).__name__}).",
                "See .scout/sandbox.log, then run again.",
            ) from None

    def failures(self) -> int:
        """Return how many requests the sandbox has answered with an error."""
        by_status = self.call("requests")["by_status"]
        return sum(count for status, count in by_status.items() if int(status) >= 400)

    def is_alive(self) -> bool:
        """Return whether the sandbox is still running."""
        return _process(self.pid) is not None

    def stop(self) -> None:
        """Stop the sandbox."""
        process = _process(self.pid)
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                process.kill()


def start(home: Path, size: Size) -> subprocess.Popen[bytes]:
    """Start a sandbox; ``ready`` waits until it serves."""
    program = Path(sys.executable).with_name(PROGRAM)
    if not program.exists():
        raise NotFoundError(
            f"{program} does not exist.",
            "The demo needs it: install commcare-sandbox, then run again.",
        )
    command = [str(program), "serve", "--port=0", f"--cases={size.cases}", f"--forms={size.forms}"]
    command.append(f"--connect-visits={size.visits}")
    environment = {name: os.environ[name] for name in RUN_VARIABLES if name in os.environ}
    with (home / "sandbox.out").open("wb") as output, (home / "sandbox.log").open("wb") as log:
        (home / "sandbox.out").chmod(0o600)
        (home / "sandbox.log").chmod(0o600)
        return subprocess.Popen(  # noqa: S603 - a fixed program
            command,
            env={**environment, "PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            start_new_session=True,
        )


def ready(home: Path, process: subprocess.Popen[bytes], size: Size) -> Sandbox:
    """Wait until a sandbox serves requests, and store its address for ``remembered``."""
    until = time.monotonic() + START_SECONDS
    while True:
        line = (home / "sandbox.out").read_text()
        if line.endswith("\n"):
            break
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise ServerError("The sandbox did not start.", f"See {home / 'sandbox.log'}.")
        time.sleep(0.02)
    printed = json.loads(line)
    known = {name: printed[name] for name in ("url", "domain", "username", "api_key")}
    connect = {f"connect_{name}": printed["connect"][key] for name, key in CONNECT_FIELDS.items()}
    found = {**known, **connect, "pid": process.pid, **asdict(size)}
    (home / "sandbox.out").write_text("")
    file = home / "sandbox.json"
    file.touch(0o600)
    file.write_text(json.dumps(found))
    return Sandbox(**found)


def remembered(home: Path) -> Sandbox | None:
    """Return the sandbox that an earlier demo left running."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        found = Sandbox(**json.loads((home / "sandbox.json").read_text()))
        if found.is_alive():
            return found
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a sandbox that was started here."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _process(pid: int) -> psutil.Process | None:
    """Return the process if it is a sandbox: process ids are reused."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(pid)
        is_ours = any(PROGRAM in word for word in process.cmdline())
        if is_ours and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None
