"""Runs a tap as a process and reads its output."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import preloaded

PROGRAMS = Path(sys.executable).parent
PIPE_BYTES = 4096
TEXTS = ("--discover", "--about", "--version")
"""Options whose output is not Singer messages."""

Json = dict[str, Any]


@dataclass
class TapRun:
    """Output and exit code of a run."""

    code: int
    log: str
    messages: list[Json] = field(repr=False)
    seconds: float = 0.0

    def of(self, kind: str, stream: str | None = None) -> list[Json]:
        """Return the messages of a kind."""
        return [m for m in self.messages if m["type"] == kind and stream in {None, m.get("stream")}]

    def records(self, stream: str) -> list[Json]:
        """Return the records of a stream, repeated ones too."""
        return [message["record"] for message in self.of("RECORD", stream)]

    def keys(self, stream: str) -> list[tuple]:
        """Return the keys of a stream's records, in order."""
        names = self.of("SCHEMA", stream)[0]["key_properties"]
        return [tuple(record[name] for name in names) for record in self.records(stream)]

    def ids(self, stream: str) -> list[Any]:
        """Return the ids of a stream's records, in order."""
        key = {"cases": "case_id", "forms": "form_id"}.get(stream, "id")
        return [record[key] for record in self.records(stream)]

    def activated(self) -> set[str]:
        """Return the streams whose version was activated."""
        return {message["stream"] for message in self.of("ACTIVATE_VERSION")}

    @property
    def state(self) -> Json | None:
        """Return the last state."""
        states = self.of("STATE")
        return states[-1]["value"] if states else None

    @property
    def last_line(self) -> str:
        """Return the last line of the log."""
        return self.log.splitlines()[-1]


def parse(text: bytes) -> list[Json]:
    """Return the messages of an output; a killed process can leave an incomplete last line."""
    return [json.loads(line) for line in text.split(b"\n")[:-1] if line]


@dataclass
class TapCommand:
    """Starts a tap with its own config; settings of None are omitted."""

    program: str
    folder: Path
    login: Json

    def command(
        self, state: Json | None, catalog: Json | None, args: tuple[str, ...], config: Json
    ) -> list[str]:
        """Write the files of a run and return its command line."""
        known = {k: v for k, v in (self.login | config).items() if v is not None}
        command = [str(PROGRAMS / self.program), "--config", self._file("config", known), *args]
        if state is not None:
            command += ["--state", self._file("state", state)]
        if catalog is not None:
            command += ["--catalog", self._file("catalog", catalog)]
        return command

    def _file(self, name: str, value: Json) -> str:
        path = self.folder / f"{name}-{time.monotonic_ns()}.json"
        path.write_text(json.dumps(value))
        return str(path)

    def __call__(
        self, *args: str, state: Json | None = None, catalog: Json | None = None, **config: Any
    ) -> TapRun:
        """Run to completion."""
        began = time.monotonic()
        command = self.command(state, catalog, args, config)
        done = preloaded.run(command)
        is_text = any(arg.startswith(TEXTS) for arg in args)
        messages = [] if is_text else parse(done.stdout)
        log = done.stderr.decode() + (done.stdout.decode() if is_text else "")
        return TapRun(done.returncode, log, messages, time.monotonic() - began)

    def start(
        self,
        state: Json | None = None,
        catalog: Json | None = None,
        stdout: int = subprocess.PIPE,
        **config: Any,
    ) -> subprocess.Popen[bytes]:
        """Start without waiting for the end."""
        command = self.command(state, catalog, (), config)
        return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)

    def stopped_after(
        self,
        lines: int,
        signum: signal.Signals,
        state: Json | None = None,
        catalog: Json | None = None,
        **config: Any,
    ) -> TapRun:
        """Send a signal after a number of printed lines, and return the output.

        A small pipe limits what the tap can print before it receives the signal.
        """
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with self.start(state, catalog, stdout=write, **config) as process:
            os.close(write)
            process.stdout = os.fdopen(read, "rb")
            assert process.stderr is not None
            printed = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signum)
            # Not communicate: it would skip what readline has read ahead.
            rest, log = process.stdout.read(), process.stderr.read()
        return TapRun(process.returncode, log.decode(), parse(b"".join(printed) + rest))


def catalogs_of(program: str) -> Callable[..., Json]:
    """Return a function that makes a catalog with only some streams or columns selected."""
    command = [str(PROGRAMS / program), "--discover"]
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)

    def make(*streams: str, **without: tuple[str, ...]) -> Json:
        catalog: Json = json.loads(done.stdout)
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                where = metadata["breadcrumb"]
                if not where:
                    metadata["metadata"]["selected"] = entry["tap_stream_id"] in streams
                elif where[-1] in without.get(entry["tap_stream_id"], ()):
                    metadata["metadata"]["selected"] = False
        return catalog

    return make
