"""Refresh a table repeatedly while others read it; show how long readers waited.

Run it with `make bench ARGS="target_swap --rows 10000000 --refreshes 1"`, or with fewer rows and
50 refreshes. One reader counts the whole table through a view and a granted role with a prepared
statement; another looks up single rows and measures its waits. Exits with 1 if a reader sees
rows of two versions together, a wrong count, or an error.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
from scout_control.installation import embedded_postgres

COMMAND = str(Path(sys.executable).parent / "target-scout-postgres")
LINES_AT_ONCE = 5_000
SCHEMA = {
    "type": "SCHEMA",
    "stream": "t",
    "schema": {
        "properties": {
            "id": {"type": "integer"},
            "version_of_row": {"type": "integer"},
            "name": {"type": ["string", "null"]},
        }
    },
    "key_properties": ["id"],
}


def messages(rows: int, version: int, changed: int) -> Iterator[bytes]:
    """Yield a complete table of a version; some rows hold the version number."""
    yield json.dumps(SCHEMA).encode() + b"\n"
    head = f'{{"type":"RECORD","stream":"t","version":{version},"record":{{"id":'
    for first in range(0, rows, LINES_AT_ONCE):
        numbers = range(first, min(first + LINES_AT_ONCE, rows))
        yield "".join(
            f'{head}{n},"version_of_row":{(n % changed == 0) * version},"name":"row {n}"}}}}\n'
            for n in numbers
        ).encode()
    for end in (
        {"type": "ACTIVATE_VERSION", "stream": "t", "version": version},
        {"type": "STATE", "value": {"version": version}},
    ):
        yield json.dumps(end).encode() + b"\n"


class Reader:
    """A session that repeats one query."""

    def __init__(self, url: str, prepare: list[str], ask: Callable[[Any], str | None]) -> None:
        self.longest = 0.0
        self.count = 0
        self.complaint: str | None = None
        self._is_over = threading.Event()
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            for statement in prepare:
                cursor.execute(statement)
        self._ask = ask
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with self._connection.cursor() as cursor:
            while not self._is_over.is_set() and not self.complaint:
                began = time.monotonic()
                try:
                    self.complaint = self._ask(cursor)
                except psycopg2.Error as error:
                    self.complaint = str(error)
                self.longest = max(self.longest, time.monotonic() - began)
                self.count += 1
                time.sleep(0.001)

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._connection.close()


def whole(rows: int, marked: int) -> Callable[[Any], str | None]:
    def ask(cursor: Any) -> str | None:
        cursor.execute("EXECUTE whole")
        count, versions, oldest, newest = cursor.fetchone()
        if (count, versions) != (rows, marked) or oldest != newest:
            return f"{count} rows, {versions} of versions {oldest} to {newest}"
        return None

    return ask


def single(rows: int) -> Callable[[Any], str | None]:
    asked = iter(range(10**12))

    def ask(cursor: Any) -> str | None:
        cursor.execute("EXECUTE single (%s)", [next(asked) * 7919 % rows])
        return None if cursor.rowcount == 1 else "a row was not there"

    return ask


def load(config: Path, rows: int, version: int, changed: int) -> float:
    began = time.monotonic()
    with subprocess.Popen(
        [COMMAND, "--config", str(config)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for lines in messages(rows, version, changed):
            process.stdin.write(lines)
        process.stdin.close()
        printed = process.stdout.read()
    if process.returncode or not printed:
        raise SystemExit(f"the refresh ended with {process.returncode}")
    return time.monotonic() - began


def execute(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def measure(url: str, config: Path, rows: int, refreshes: int, changed: int) -> bool:
    """Load, read, refresh; print what the readers saw and return whether it was correct."""
    print(f"first load of {rows:,} rows: {load(config, rows, 1, changed):.1f} s", flush=True)
    execute(
        url,
        "CREATE ROLE reader",
        "GRANT USAGE ON SCHEMA data_swap TO reader",
        "CREATE VIEW data_swap.seen AS SELECT * FROM data_swap.t",
        "GRANT SELECT ON data_swap.seen, data_swap.t TO reader",
    )
    counting = (
        "PREPARE whole AS SELECT count(*), count(*) FILTER (WHERE version_of_row > 0), "
        "min(version_of_row) FILTER (WHERE version_of_row > 0), max(version_of_row) "
        "FROM data_swap.seen"
    )
    looking = "PREPARE single (bigint) AS SELECT name FROM data_swap.t WHERE id = $1"
    marked = -(-rows // changed)
    readers = {
        "whole table": Reader(url, ["SET ROLE reader", counting], whole(rows, marked)),
        "single rows": Reader(url, ["SET ROLE reader", looking], single(rows)),
    }
    time.sleep(2)
    quiet = {name: reader.longest for name, reader in readers.items()}
    times = [load(config, rows, version, changed) for version in range(2, refreshes + 2)]
    for reader in readers.values():
        reader.end()
    print(f"{refreshes} refreshes: {min(times):.1f} to {max(times):.1f} s each")
    for name, reader in readers.items():
        print(
            f"reader of {name}: {reader.count:,} answers, longest {reader.longest * 1000:.0f} ms "
            f"(before the refreshes {quiet[name] * 1000:.0f} ms), "
            f"{reader.complaint or 'never an error, never mixed or empty'}"
        )
    return not any(reader.complaint for reader in readers.values())


def main() -> int:
    """Run from the command line; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--refreshes", type=int, default=50)
    options.add_argument("--changed", type=int, default=100, help="each how many-th row changes")
    chosen = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scout-swap-"))
    home.chmod(0o755)
    try:
        url = embedded_postgres.start(home / "data", as_superuser=True)
        config = home / "config.json"
        config.write_text(json.dumps({"database_url": url, "default_target_schema": "data_swap"}))
        return 0 if measure(url, config, chosen.rows, chosen.refreshes, chosen.changed) else 1
    finally:
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
