"""A real browser, controlled through a pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe", "about:blank"),
)
LONGEST_SECONDS = 120.0


class Browser:
    """A browser tab and the events it has sent."""

    def __init__(self, reading: IO[bytes], writing: IO[bytes]) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    _session = None

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events before it are kept."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writing.write(json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._last:
                assert "error" not in found, found
                return found["result"]
            self.events.append(found)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = self._reading.read(65536)
            assert part, "the browser ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def show(self, address: str) -> None:
        """Navigate to a URL."""
        self.call("Page.navigate", url=address)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value."""
        until = time.monotonic() + LONGEST_SECONDS
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < until, (expression, self.evaluate("document.body.innerText"))
            time.sleep(0.1)
        return found

    def of(self, method: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""
        return [each["params"] for each in self.events if each.get("method") == method]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser with a new profile; stop it at exit."""
    assert PROGRAM
    profile = Path(tempfile.mkdtemp(prefix="scout-browser-"))
    for_it, ours = os.pipe(), os.pipe()
    ends = (for_it[0], ours[1])
    # The browser reads 3 and writes 4.
    script = f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}'
    command = [PROGRAM, f"--user-data-dir={profile}", *OPTIONS]
    process = subprocess.Popen(
        ["/bin/bash", "-c", script, "browser", *command],
        env={"PATH": os.environ["PATH"], "HOME": str(profile)},
        pass_fds=ends,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for end in ends:
        os.close(end)
    try:
        with (
            os.fdopen(ours[0], "rb", buffering=0) as reading,
            os.fdopen(for_it[1], "wb", buffering=0) as writing,
        ):
            yield Browser(reading, writing)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(profile, ignore_errors=True)
