"""The target as a process, and queries on what it loaded."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from support import preloaded

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
SETTINGS = json.loads(os.environ.get("SCOUT_TEST_TARGET_SETTINGS", "{}"))  # of all targets
TIMEOUT_SECONDS = 120  # for what takes a second: a machine may be busy
SESSIONS = "SELECT FROM pg_stat_activity WHERE application_name = 'target-scout-postgres'"


def schema(stream: str, properties: dict[str, Any], key: list[str] | None = None, **more: Any):
    """A SCHEMA message; a property may be given as the name of its type."""
    full = {
        name: {"type": [part, "null"]} if isinstance(part, str) else part
        for name, part in properties.items()
    }
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": full, **more},
        "key_properties": key or [],
    }


def record(stream: str, values: dict[str, Any], version: int | None = None):
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else message | {"version": version}


def state(value: Any):
    return {"type": "STATE", "value": value}


def activate(stream: str, version: int):
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def lines(messages: Any) -> bytes:
    if isinstance(messages, bytes):
        return messages
    parts = [part if isinstance(part, str) else json.dumps(part) for part in messages]
    return "".join(part + "\n" for part in parts).encode("utf-8", "surrogatepass")


@dataclass
class Result:
    code: int
    states: list[Any]
    log: str


@dataclass
class Running:
    """A target whose input is still open."""

    process: subprocess.Popen[bytes]
    url: str
    out: bytes = b""

    def send(self, *messages: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(lines(messages))
        self.process.stdin.flush()

    def next_state(self, seconds: float = TIMEOUT_SECONDS) -> Any:
        """The next STATE that is printed."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self.out:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            assert ready, "no STATE was printed in time"
            chunk = os.read(self.process.stdout.fileno(), 65536)
            assert chunk, "the target ended without a STATE"
            self.out += chunk
        line, _, self.out = self.out.partition(b"\n")
        return json.loads(line)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> Result:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdin = None
        out, log = self.process.communicate(timeout=TIMEOUT_SECONDS)
        if self.process.returncode == -signal.SIGKILL:
            wait_for_the_server(self.url)
        states = [json.loads(line) for line in (self.out + out).splitlines()]
        return Result(self.process.returncode, states, log.decode())


def wait_until(is_true: Callable[[], bool], seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait for an effect of another process."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def wait_for_the_server(url: str) -> None:
    """Wait until the server has noticed that its clients are dead."""
    with contextlib.closing(psycopg2.connect(url)) as opened:
        opened.autocommit = True
        cursor = opened.cursor()

        def is_quiet() -> bool:
            cursor.execute(SESSIONS)
            return not cursor.rowcount

        wait_until(is_quiet)


class Target:
    """Runs the target into one dataset schema."""

    def __init__(self, url: str, schema_name: str, home: Path) -> None:
        self.url = url
        self.schema = schema_name
        self.home = home
        self.started: list[Running] = []

    def configure(self, **settings: Any) -> list[str]:
        given = {"database_url": self.url, "default_target_schema": self.schema, **SETTINGS}
        given |= settings
        path = self.home / f"config-{time.monotonic_ns()}.json"
        path.write_text(json.dumps({k: v for k, v in given.items() if v is not None}))
        return [*COMMAND, "--config", str(path)]

    def start(self, env: dict[str, str] | None = None, **settings: Any) -> Running:
        process = subprocess.Popen(
            self.configure(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        running = Running(process, self.url)
        self.started.append(running)
        return running

    def run(self, *messages: Any, env: dict[str, str] | None = None, **settings: Any) -> Result:
        """Load the messages; the first may be the whole input as bytes."""
        whole = messages[0] if messages and isinstance(messages[0], bytes) else lines(messages)
        done = preloaded.run_target(
            self.configure(**settings), whole, env, is_of_sdk="stream_maps" in settings
        )
        log = done.stderr.decode()
        assert "Traceback" not in log, log
        states = [json.loads(line) for line in done.stdout.splitlines()]
        return Result(done.returncode, states, log)

    def load(self, *messages: Any, **settings: Any) -> Result:
        """Load the messages, which must succeed."""
        result = self.run(*messages, **settings)
        assert result.code == 0, result.log
        return result


@pytest.fixture
def target(postgres: str, dataset_schema: str, tmp_path: Path) -> Iterator[Target]:
    """The target, bound to an empty dataset schema."""
    found = Target(postgres, dataset_schema, tmp_path)
    yield found
    was_killed = False
    for running in found.started:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
            was_killed = True
        for stream in (running.process.stdin, running.process.stdout, running.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
    if was_killed:
        wait_for_the_server(postgres)


@pytest.fixture
def query(connection: Any, dataset_schema: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Query the database; ``{s}`` stands for the dataset schema."""

    def ask(text: str, *values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(text).format(s=sql.Identifier(dataset_schema)), values or None)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture
def columns(query: Any, dataset_schema: str) -> Callable[[str], dict[str, str]]:
    """The columns of a table with their types."""

    def ask(table: str) -> dict[str, str]:
        return dict(
            query(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = %s AND table_name = %s",
                dataset_schema,
                table,
            )
        )

    return ask


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true."""
    return wait_until


@pytest.fixture
def make() -> Any:
    """The functions that create messages."""

    class Make:
        schema = staticmethod(schema)
        record = staticmethod(record)
        state = staticmethod(state)
        activate = staticmethod(activate)

    return Make
