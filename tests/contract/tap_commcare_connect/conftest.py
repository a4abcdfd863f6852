"""A Connect look-alike, and the tap as a process of its own."""

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

TAP = Path(sys.executable).parent / "tap-commcare-connect"
SMALL = {"cases": 0, "forms": 0}
OF_STREAM = {
    "users": "user_data",
    "visits": "user_visits",
    "completed_works": "completed_works",
    "payments": "payment",
    "invoices": "invoice",
    "assessments": "assessment",
    "completed_modules": "completed_module",
    "task_types": "task_types",
    "assigned_tasks": "assigned_tasks",
    "work_area_groups": "work_area_groups",
    "work_areas": "work_areas",
    "audit_reports": "audit_reports",
    "audit_report_entries": "audit_report_entries",
}
"""The sandbox's kinds of rows by the tap's streams."""


@dataclass
class TapRun:
    """What a run of the tap printed, and how it ended."""

    code: int
    log: str
    messages: list[dict[str, Any]] = field(repr=False)

    def of(self, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
        """Return the messages of a kind."""
        return [m for m in self.messages if m["type"] == kind and stream in {None, m.get("stream")}]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream, repeated ones too."""
        return [message["record"] for message in self.of("RECORD", stream)]

    def keys(self, stream: str) -> list[tuple]:
        """Return the keys of a stream's records, in order."""
        names = self.of("SCHEMA", stream)[0]["key_properties"]
        return [tuple(record[name] for name in names) for record in self.records(stream)]

    def activated(self) -> set[str]:
        """Return the streams whose version was activated."""
        return {message["stream"] for message in self.of("ACTIVATE_VERSION")}

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

    def command(self, state, catalog, args, config) -> list[str]:
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

    def __call__(self, *args: str, state=None, catalog=None, **config: Any) -> TapRun:
        """Run to the end."""
        command = self.command(state, catalog, args, config)
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        is_text = any(arg.startswith(("--discover", "--about", "--version")) for arg in args)
        messages = [] if is_text else parse(done.stdout)
        log = done.stderr.decode() + (done.stdout.decode() if is_text else "")
        return TapRun(done.returncode, log, messages)

    def start(self, state=None, catalog=None, **config: Any) -> subprocess.Popen[bytes]:
        """Start, and leave it running."""
        command = self.command(state, catalog, (), config)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def stopped_after(
        self, lines: int, signum: signal.Signals, state=None, catalog=None, **config: Any
    ) -> TapRun:
        """Send a signal once so many lines were printed, and return what was printed."""
        with self.start(state, catalog, **config) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            printed = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signum)
            # Not communicate: it would skip what readline has read ahead.
            rest, log = process.stdout.read(), process.stderr.read()
        return TapRun(process.returncode, log.decode(), parse(b"".join(printed) + rest))


def login_of(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings of the plainest login."""
    return {
        "base_url": sandbox.connect.url,
        "access_token": sandbox.connect.logins()["access_token"],
        "max_retry_seconds": 3,
        "page_size": 7,
    }


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A server that tests only read; they may plant faults, which are taken away after each."""
    with Sandbox(**SMALL, connect_opportunities=6, connect_visits=300) as sandbox:
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
    return TapCommand(tmp_path, login_of(sandbox))


@pytest.fixture
def tap_on(tmp_path: Path) -> Callable[[Sandbox], TapCommand]:
    """The tap on a server that a test changes, and therefore starts itself."""
    return lambda server: TapCommand(tmp_path, login_of(server))


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


@pytest.fixture(scope="session")
def expected() -> Callable[..., list[dict[str, Any]]]:
    """Return the rows of a stream as records should be, without a key that the tap makes."""

    def rows(server: Sandbox, stream: str) -> list[dict[str, Any]]:
        return [as_record(item) for item in server.connect.content(OF_STREAM[stream])]

    return rows


AMOUNTS = {"amount", "amount_usd", "saved_payment_accrued_usd", "saved_org_payment_accrued_usd"}


def as_record(item: dict[str, Any]) -> dict[str, Any]:
    """Return what the tap should make of a row."""
    row = item["row"]
    record = {name: None if value == "" else value for name, value in row.items()}
    for name in AMOUNTS & row.keys():
        if isinstance(row[name], str):
            record[name] = float(row[name])
    return record | {"opportunity_id": item["opportunity"]}


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a record without some columns."""
    return {name: value for name, value in record.items() if name not in names}


def in_order(records: list[dict[str, Any]]) -> list[str]:
    """Return records in an order that does not depend on how they came."""
    return sorted(json.dumps(record, sort_keys=True) for record in records)
