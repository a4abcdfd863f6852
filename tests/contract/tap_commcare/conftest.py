"""A sandbox server, and the tap as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from commcare_sandbox import Sandbox

TAP = Path(sys.executable).parent / "tap-commcare"


@dataclass
class TapRun:
    """What a run of the tap printed, and how it ended."""

    code: int
    log: str
    messages: list[dict[str, Any]] = field(repr=False)
    seconds: float = 0.0

    def of(self, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
        """Return the messages of a kind."""
        return [
            message
            for message in self.messages
            if message["type"] == kind and stream in {None, message.get("stream")}
        ]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream, repeated ones too."""
        return [message["record"] for message in self.of("RECORD", stream)]

    def ids(self, stream: str) -> list[str]:
        """Return the ids of a stream's records."""
        key = {"cases": "case_id", "forms": "form_id"}.get(stream, "id")
        return [record[key] for record in self.records(stream)]

    @property
    def state(self) -> dict[str, Any] | None:
        """Return the last state."""
        states = self.of("STATE")
        return states[-1]["value"] if states else None

    @property
    def last_line(self) -> str:
        """Return the last line of the log."""
        return self.log.splitlines()[-1]


def parse(text: bytes) -> list[dict[str, Any]]:
    """Return the whole lines of an output; a killed process may have left half a line."""
    return [json.loads(line) for line in text.split(b"\n")[:-1] if line]


@dataclass
class TapCommand:
    """Starts the tap with a config of its own."""

    folder: Path
    login: dict[str, Any]

    def command(
        self,
        state: dict[str, Any] | None,
        catalog: dict[str, Any] | None,
        args: tuple[str, ...],
        config: dict[str, Any],
    ) -> list[str]:
        """Write the files of a run, and return its command line."""
        known = {k: v for k, v in (self.login | config).items() if v is not None}
        command = [str(TAP), "--config", self._file("config", known), *args]
        if state is not None:
            command += ["--state", self._file("state", state)]
        if catalog is not None:
            command += ["--catalog", self._file("catalog", catalog)]
        return command

    def _file(self, name: str, value: dict[str, Any]) -> str:
        path = self.folder / f"{name}-{time.monotonic_ns()}.json"
        path.write_text(json.dumps(value))
        return str(path)

    def __call__(
        self,
        *args: str,
        state: dict[str, Any] | None = None,
        catalog: dict[str, Any] | None = None,
        **config: Any,
    ) -> TapRun:
        """Run to the end."""
        began = time.monotonic()
        command = self.command(state, catalog, args, config)
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        is_text = any(arg in {"--discover", "--about", "--version"} for arg in args)
        messages = [] if is_text else parse(done.stdout)
        log = done.stderr.decode() + (done.stdout.decode() if is_text else "")
        return TapRun(done.returncode, log, messages, time.monotonic() - began)

    def start(self, state: dict[str, Any] | None = None, **config: Any) -> subprocess.Popen[bytes]:
        """Start, and leave it running."""
        command = self.command(state, None, (), config)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def stopped_after(
        self,
        lines: int,
        signum: signal.Signals,
        state: dict[str, Any] | None = None,
        **config: Any,
    ) -> TapRun:
        """Send a signal once so many lines were printed, and return what was printed."""
        with self.start(state, **config) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            printed = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signum)
            printed.append(process.stdout.read())
            log = process.stderr.read().decode()
        return TapRun(process.returncode, log, parse(b"".join(printed)))


def login_of(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings of the plainest login."""
    return {
        "base_url": sandbox.url,
        "domain": sandbox.domain,
        "username": sandbox.username,
        "api_key": sandbox.api_key,
    }


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A server that tests only read; they may plant faults, which are taken away after each."""
    with Sandbox(cases=400, forms=200) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox) -> Iterator[Sandbox]:
    """The same server without any fault."""
    healthy = world.status()["switches"]
    yield world
    world.set(**healthy)


@pytest.fixture
def tap(sandbox: Sandbox, tmp_path: Path) -> TapCommand:
    """The tap, with small pages so that there are many."""
    return TapCommand(tmp_path, login_of(sandbox) | {"page_size": 50})


@pytest.fixture
def tap_on(tmp_path: Path) -> Callable[[Sandbox], TapCommand]:
    """The tap on a server that a test changes, and therefore starts itself."""
    return lambda server: TapCommand(tmp_path, login_of(server) | {"page_size": 50})


@pytest.fixture(scope="session")
def select() -> Callable[..., dict[str, Any]]:
    """Make a catalog in which only some streams are selected."""
    done = subprocess.run([str(TAP), "--discover"], capture_output=True, timeout=60, check=True)

    def make(*streams: str, **without: tuple[str, ...]) -> dict[str, Any]:
        catalog: dict[str, Any] = json.loads(done.stdout)
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                where = metadata["breadcrumb"]
                if not where:
                    metadata["metadata"]["selected"] = entry["tap_stream_id"] in streams
                elif where[-1] in without.get(entry["tap_stream_id"], ()):
                    metadata["metadata"]["selected"] = False
        return catalog

    return make
