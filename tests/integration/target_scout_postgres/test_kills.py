"""Runs are killed at random moments: after the last run, the table matches the input.

SCOUT_TEST_KILLS sets how many kills there are of each kind; a few by default.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
KILLS = int(os.environ.get("SCOUT_TEST_KILLS", "6"))
PAGE = 40  # records between two STATE messages
TIMEOUT_SECONDS = 120


class Source:
    """A tap that resumes from a STATE: it prints pages of records, and a STATE after each."""

    def __init__(self, kind: str, pages: int, seed: int) -> None:
        rng = random.Random(seed)
        self.kind = kind
        self.key = [] if "keyless" in kind else ["id"]
        self.version = 7 if "refresh" in kind else None
        ids = [f"k{rng.randrange(pages * PAGE // 2)}" for _ in range(pages * PAGE)]
        self.records = [
            {"id": name, "n": n, "pad": "x" * rng.randrange(200)} for n, name in enumerate(ids)
        ]
        self.pages = pages

    def messages(self, page: int) -> list[Any]:
        """Everything from a page on."""
        properties = {"id": {"type": "string"}, "n": {"type": "integer"}, "pad": {"type": "string"}}
        found: list[Any] = [
            {
                "type": "SCHEMA",
                "stream": "t",
                "schema": {"properties": properties},
                "key_properties": self.key,
            }
        ]
        extra = {} if self.version is None else {"version": self.version}
        for number in range(page, self.pages):
            page_records = self.records[number * PAGE : (number + 1) * PAGE]
            found += [
                {"type": "RECORD", "stream": "t", "record": record, **extra}
                for record in page_records
            ]
            found.append({"type": "STATE", "value": {"page": number + 1}})
        if self.version is not None:
            found.append({"type": "ACTIVATE_VERSION", "stream": "t", "version": self.version})
            found.append({"type": "STATE", "value": {"page": self.pages}})
        return found

    def result(self, upto: int | None = None, since: int = 0) -> list[tuple[str, int]]:
        """The rows of a table after these pages."""
        records = self.records[since * PAGE : None if upto is None else upto * PAGE]
        if not self.key:
            return sorted((one["id"], one["n"]) for one in records)
        return sorted({one["id"]: (one["id"], one["n"]) for one in records}.values())


def attempt(command: list[str], text: bytes, rng: random.Random, how: int | None) -> Any:
    """Run the target on a part of the input, ended by a signal or not; return code and states."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        if how is None:
            out, log = process.communicate(text, timeout=120)
            assert process.returncode == 0, log.decode()
            return out
        over, own = threading.Event(), random.Random(rng.random())
        feeder = threading.Thread(target=feed, args=(process.stdin.fileno(), text, own, over))
        feeder.start()
        time.sleep(0.1 + rng.random() * 0.8)
        process.send_signal(how)
        out = process.stdout.read()
        log = process.stderr.read()
        process.wait(TIMEOUT_SECONDS)
        over.set()
        feeder.join()
        assert b"Traceback" not in log
        early = -how  # before the interpreter has reached the target's code
        assert process.returncode in {0, early, 143}
        return out


def feed(where: int, text: bytes, rng: random.Random, over: threading.Event) -> None:
    """Write with pauses, as a tap does, while it is read; then leave the pipe open."""
    at = 0
    with contextlib.suppress(BrokenPipeError):
        while at < len(text):
            at += os.write(where, text[at : at + rng.randrange(1, 40_000)])
            time.sleep(rng.random() * 0.01)
    over.wait()


@pytest.mark.parametrize("kind", ["upsert", "keyless", "refresh", "refresh keyless"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_runs_end_in_exactly_the_input(
    postgres, connection, dataset_schema, tmp_path, kind, how
):
    rng = random.Random(f"{kind}{how}")
    source = Source(kind, pages=150, seed=rng.randrange(10**6))
    config = tmp_path / "config.json"
    settings = {
        "database_url": postgres,
        "default_target_schema": dataset_schema,
        "batch_size_rows": 7 if "keyless" in kind else 70,  # so that rows wait for their STATE
        "batch_wait_limit_seconds": 0.05,
    }
    config.write_text(json.dumps(settings))
    command = [*COMMAND, "--config", str(config)]
    page, before = 0, Counter[tuple[str, int]]()
    for _ in range(KILLS):
        out = attempt(command, encoded(source.messages(page)), rng, how)
        wait_for_the_server(connection)
        states = [json.loads(line)["page"] for line in out.splitlines()]
        assert states == sorted(states)
        began, page = page, states[-1] if states else page
        if source.version is None and source.key:
            check_promise(connection, dataset_schema, source, page)
        elif source.version is None:
            found = Counter(rows(connection, dataset_schema))
            check_pages(source, found - before, began, page, how)
            assert before <= found
            before = found
        if page == source.pages:
            page = 0 if source.key else page
    attempt(command, encoded(source.messages(page)), rng, None)

    found, expected = Counter(rows(connection, dataset_schema)), Counter(source.result())
    assert expected <= found
    check_repeated(source, found - expected, how)
    assert leftovers(connection, dataset_schema) == []


@pytest.mark.parametrize("kind", ["upsert", "keyless", "refresh", "refresh keyless"])
def test_a_kill_between_commit_and_state_repeats_that_checkpoint_and_only_without_a_key(
    postgres, connection, dataset_schema, tmp_path, kind
):
    """A reader that does not read STATE holds the run at that moment."""
    source = Source(kind, pages=4, seed=7)
    config = tmp_path / "config.json"
    settings = {
        "database_url": postgres,
        "default_target_schema": dataset_schema,
        "batch_wait_limit_seconds": 0,
    }
    config.write_text(json.dumps(settings))
    command = [*COMMAND, "--config", str(config)]
    printed, full = full_pipe()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=full) as process:
        process.stdin.write(encoded(source.messages(0)))
        process.stdin.flush()
        wait_for_records(connection, dataset_schema, PAGE)
        process.kill()
    wait_for_the_server(connection)
    os.close(full)
    with os.fdopen(printed, "rb") as out:
        assert b"page" not in out.read()
    if source.version is None:
        assert rows(connection, dataset_schema) == source.result(upto=1)

    attempt(command, encoded(source.messages(0)), random.Random(), None)

    repeated = Counter(rows(connection, dataset_schema)) - Counter(source.result())
    assert sorted(repeated.elements()) == ([] if source.key else source.result(upto=1))


def full_pipe() -> tuple[int, int]:
    """A full pipe: it blocks until it is read."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"\n")
    os.set_blocking(write, True)
    return read, write


def wait_for_records(connection: Any, schema: str, count: int) -> None:
    """Wait until a commit covers this many records."""
    asked = sql.SQL("SELECT sum(rows) FROM {}").format(sql.Identifier(schema, "_scout_loads"))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg2.errors.UndefinedTable), connection.cursor() as cursor:
            cursor.execute(asked)
            if (cursor.fetchone()[0] or 0) >= count:
                return
        time.sleep(0.02)
    raise AssertionError(f"{count} records were not committed in time")


def encoded(messages: list[Any]) -> bytes:
    return "".join(json.dumps(message) + "\n" for message in messages).encode()


def check_promise(connection: Any, schema: str, source: Source, page: int) -> None:
    """Every record before the last printed STATE is there, or a later one of its key."""
    present = dict(rows(connection, schema)) if page else {}
    for name, n in source.result(page):
        assert present[name] >= n


def check_pages(
    source: Source, added: Counter[tuple[str, int]], began: int, printed: int, how: int
) -> None:
    """A run adds whole pages from where it began: those of its last STATE, or of its last commit.

    The two differ only where SIGKILL came between them.
    """
    committed = began + added.total() // PAGE
    assert added == Counter(source.result(committed, since=began))
    assert committed == printed or (committed > printed and how == signal.SIGKILL)


def check_repeated(source: Source, repeated: Counter[tuple[str, int]], how: int) -> None:
    """Only whole pages without a key come more than once, and only after SIGKILL."""
    assert not repeated or (how == signal.SIGKILL and not source.key)
    for page in range(source.pages):
        assert len({repeated[row] for row in source.result(page + 1, since=page)}) == 1


def wait_for_the_server(connection: Any) -> None:
    """Wait until the server has ended the work of dead clients."""
    asked = "SELECT FROM pg_stat_activity WHERE application_name = 'target-scout-postgres'"
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(asked)
        while cursor.rowcount:
            assert time.monotonic() < deadline, "the server still serves a client that is dead"
            time.sleep(0.02)
            cursor.execute(asked)


def rows(connection: Any, schema: str) -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("SELECT id, n FROM {}.t").format(sql.Identifier(schema)))
        except psycopg2.errors.UndefinedTable:  # killed before there was a table
            return []
        return sorted(cursor.fetchall())


def leftovers(connection: Any, schema: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' "
            "AND relname LIKE '\\_scout\\_%%' "
            "AND relname NOT IN ('_scout_loads', '_scout_lock', '_scout_streams')",
            [schema],
        )
        return [name for (name,) in cursor.fetchall()]
