"""Kill the Connect tap and the target while data changes, then compare every table.

Run it with `make bench ARGS="connect_soak --cycles 100"`. Thirty opportunities, every stream.
The record keys of rows without an id must stay the same over all cycles.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import requests
from commcare_sandbox import Sandbox
from psycopg2 import sql
from psycopg2.extras import RealDictCursor
from tap_commcare_connect.tap import TapCommCareConnect

from benchmarks.commcare_soak import PROGRAMS, SIGNALS, Pipe, database

TAP = "tap-commcare-connect"
KINDS = {stream.name: stream.path for stream in TapCommCareConnect.stream_types if stream.path}
"""The sandbox's row kinds by stream: it calls them by the paths of their lists."""

NEVER_CHANGED = {
    "completed_works": ("username", "entity_id", "payment_unit_id", "date_created"),
    "payments": ("username", "created_at", "amount", "organization", "invoice_id"),
    "assessments": ("username", "app", "date"),
    "completed_modules": ("username", "module", "date"),
}
"""What identifies a row without an id; such tables have a column record_key."""

Edit = Callable[[random.Random], Any]
EDITS: dict[str, tuple[str, Edit]] = {
    "user_data": ("payment_accrued", lambda chance: chance.randrange(10**15)),
    "user_visits": ("justification", lambda chance: f"edited\t'{chance.random()}' \\ 🙂"),
    "completed_works": ("saved_payment_accrued_usd", lambda c: f"{c.randrange(10**12)}.10"),
    "payment": ("payment_operator", lambda chance: f"operator {chance.random()}"),
    "invoice": ("amount", lambda chance: f"{chance.randrange(10**14)}.05"),
    "assessment": ("score", lambda chance: chance.randrange(1000)),
    "completed_module": ("duration", lambda chance: f"1 00:00:{chance.randrange(60):02d}.000001"),
    "task_types": ("name", lambda chance: f"Retrain {chance.random()}"),
    "assigned_tasks": ("status", lambda chance: chance.choice(("assigned", "completed"))),
    "work_area_groups": ("name", lambda chance: f"Cluster {chance.random()}"),
    "work_areas": ("case_properties", lambda chance: {"lga": "Kanò", "n": chance.random()}),
    "audit_reports": ("date_modified", lambda c: f"2026-09-01T00:00:{c.randrange(60):02d}.5Z"),
    "audit_report_entries": ("reviewed", lambda chance: chance.random() < 0.5),
}
"""An editable column of each kind, and the values written to it."""

ROOM_FOR_LATE_IDS = 100
UNIQUE = {"user_data": "username", "invoice": "invoice_number"}
"""Columns that production keeps unique per opportunity."""


def disturb(sandbox: Sandbox, chance: random.Random, opportunities: int) -> None:
    """Insert, edit and delete rows of some kinds; some rows are committed late."""
    for kind in chance.sample(list(EDITS), 4):
        rows = list(sandbox.connect.content(kind))
        edited, deleted = chance.sample(rows, 2)
        column, make = EDITS[kind]
        place = edited["opportunity"], edited["row_id"]
        sandbox.connect.edit(kind, *place, **{column: make(chance)})
        sandbox.connect.delete(kind, deleted["opportunity"], deleted["row_id"])
        # A row with a lower id than an existing one belongs to a transaction that committed late.
        late = edited["row_id"] if edited["row_id"] > ROOM_FOR_LATE_IDS else None
        for before in (None, late):
            name = UNIQUE.get(kind)
            own = {name: f"new-{chance.getrandbits(64):x}"} if name else None
            where = edited["opportunity"] if before else chance.randrange(1, opportunities + 1)
            sandbox.connect.insert(kind, where, own, before=before)


def ask(sandbox: Sandbox, path: str) -> Any:
    """Return a document of the API."""
    headers = {
        "Authorization": f"Bearer {sandbox.connect.logins()['access_token']}",
        "Accept": "application/json; version=2.0",
    }
    return requests.get(f"{sandbox.connect.url}/export/{path}", headers=headers, timeout=60).json()


def shown(sandbox: Sandbox) -> dict[str, list[dict]]:
    """Return the rows of every stream as the API shows them."""
    rows: dict[str, list[dict]] = {
        stream: [
            item["row"] | {"opportunity_id": item["opportunity"]}
            for item in sandbox.connect.content(kind)
        ]
        for stream, kind in KINDS.items()
    }
    listed = ask(sandbox, "opp_org_program_list/")
    details = {o["id"]: ask(sandbox, f"opportunity/{o['id']}/") for o in listed["opportunities"]}
    rows["organizations"], rows["programs"] = listed["organizations"], listed["programs"]
    rows["opportunities"] = [o | details[o["id"]] for o in listed["opportunities"]]
    rows["learn_modules"] = [
        module | {"app": detail[app]["id"], "opportunity_id": detail["id"]}
        for detail in details.values()
        for app in ("learn_app", "deliver_app")
        for module in (detail[app] or {"learn_modules": []})["learn_modules"]
    ]
    rows["payment_units"] = [
        unit | {"opportunity_id": detail["id"]}
        for detail in details.values()
        for unit in detail["payment_units"]
    ]
    return rows


def converter(schema: dict) -> Callable[[Any], Any]:
    """Return the converter from API values to the values that Postgres returns."""
    kinds = {
        "date-time": lambda v: datetime.fromisoformat(v).astimezone(UTC),
        "date": date.fromisoformat,
        "number": lambda v: Decimal(str(v)),
    }
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    convert = kinds.get(schema.get("format", types[0]), lambda v: v)
    return lambda value: None if value in (None, "") else convert(value)


def comparable(row: dict) -> str:
    """Return a canonical text of a row, independent of column order."""
    return json.dumps(row, sort_keys=True, default=str, ensure_ascii=False)


def differences(rows: list[dict], schema: dict, table: list[dict]) -> dict[str, int]:
    """Count missing and surplus rows of a table, comparing all columns."""
    columns = {n: converter(s) for n, s in schema["properties"].items() if n != "record_key"}
    wanted = Counter(
        comparable({n: make(row.get(n)) for n, make in columns.items()}) for row in rows
    )
    found = Counter(comparable({n: row[n] for n in columns}) for row in table)
    keys = {row["record_key"] for row in table} if "record_key" in schema["properties"] else None
    return {
        "rows": wanted.total(),
        "columns": len(columns),
        "missing": (wanted - found).total(),
        "extra": (found - wanted).total(),
        "repeated_keys": 0 if keys is None else len(table) - len(keys),
    }


class Database:
    """Reads the loaded tables."""

    def __init__(self, url: str, schema: str) -> None:
        self.schema = schema
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True

    def rows(self, table: str) -> list[dict]:
        """Return all rows of a table; empty if it does not exist."""
        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute("SELECT to_regclass(%s) AS name", (f'"{self.schema}"."{table}"',))
            if cursor.fetchone()["name"] is None:
                return []
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(self.schema, table)))
            return [dict(row) for row in cursor]


class Keys:
    """Checks that record_key stays the same for the same row, whatever is edited."""

    def __init__(self) -> None:
        self._row_of: dict[str, str] = {}
        self._keys_of: dict[str, set[str]] = {}
        self._most: Counter[str] = Counter()
        self.changed = 0

    def look(self, stream: str, table: list[dict]) -> None:
        """Compare the keys of a table with all keys seen before."""
        names = ("opportunity_id", *NEVER_CHANGED[stream])
        here: Counter[str] = Counter()
        for row in table:
            identity = stream + comparable({name: row[name] for name in names})
            here[identity] += 1
            self._keys_of.setdefault(identity, set()).add(row["record_key"])
            self.changed += self._row_of.setdefault(row["record_key"], identity) != identity
        self._most |= here

    @property
    def unstable(self) -> int:
        """Number of rows with more keys than there were equal rows at any time."""
        return sum(len(keys) > self._most[row] for row, keys in self._keys_of.items())


def catalog() -> dict[str, dict]:
    """Return the schema of every stream."""
    found = subprocess.run([PROGRAMS / TAP, "--discover"], capture_output=True, check=True).stdout
    return {entry["tap_stream_id"]: entry["schema"] for entry in json.loads(found)["streams"]}


def settings_of(sandbox: Sandbox, full_refresh_days: float) -> dict:
    """Return the settings of the tap."""
    return {
        "base_url": sandbox.connect.url,
        "access_token": sandbox.connect.logins()["access_token"],
        "page_size": 40,
        "visit_full_refresh_days": full_refresh_days,
    }


class Soak:
    """Thirty opportunities that change while they are read, and the loaded tables."""

    def __init__(
        self, sandbox: Sandbox, pipe: Pipe, database: Database, seed: int, opportunities: int
    ) -> None:
        self.sandbox, self.pipe, self.database = sandbox, pipe, database
        self.chance = random.Random(seed)
        self.opportunities = opportunities
        self.keys = Keys()

    def cycle(self, number: int, signals: list[str]) -> None:
        """Change data, run, kill one of the two programs, check the keys."""
        disturb(self.sandbox, self.chance, self.opportunities)
        days = self.chance.choice((0, 7, 7))
        self.pipe.configure("tap", settings_of(self.sandbox, days))
        victim, name = self.chance.choice(("tap", "target")), self.chance.choice(signals)
        after = self.chance.uniform(0.4, 5.0)
        codes = self.pipe.run(victim, after, SIGNALS[name])
        for stream in NEVER_CHANGED:
            self.keys.look(stream, self.database.rows(stream))
        tell(f"{number:4} SIG{name} {victim:6} at {after:.2f} s, visits every {days} d: {codes}")

    def finish(self) -> bool:
        """Run to the end, read everything again; return whether every table is correct."""
        self.sandbox.set(latency_ms=0, connect_payment_units=True)
        self.pipe.configure("tap", settings_of(self.sandbox, 0))
        codes = [self.pipe.run(None, 0, 0) for _ in range(2)]
        tell(f"last run and full re-read, left alone: {codes}")
        expected, schemas = shown(self.sandbox), catalog()
        wrong = 0
        for stream, schema in schemas.items():
            found = differences(expected[stream], schema, self.database.rows(stream))
            wrong += found["missing"] + found["extra"] + found["repeated_keys"]
            tell(f"{stream:22} {json.dumps(found)}")
        keys = self.keys
        tell(f"record keys: {keys.changed} told another row than before, {keys.unstable} moved")
        return codes == [(0, 0)] * 2 and not wrong and not keys.changed and not keys.unstable


def tell(line: str) -> None:
    """Print a line and flush."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def soak(options: argparse.Namespace, database_url: str) -> bool:
    """Run the cycles, print a line for each; return whether everything is correct at the end."""
    schema = f"data_soak_{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="scout-soak-"))
    sizes = {"connect_opportunities": options.opportunities, "connect_visits": options.visits}
    try:
        with Sandbox(cases=0, forms=0, latency_ms=15, **sizes) as sandbox:
            pipe = Pipe(TAP, settings_of(sandbox, 7), database_url, schema, folder)
            database = Database(database_url, schema)
            run = Soak(sandbox, pipe, database, options.seed, options.opportunities)
            began = time.monotonic()
            for number in range(1, options.cycles + 1):
                run.cycle(number, options.signals.split(","))
            is_right = run.finish()
            tell(f"{'equal' if is_right else 'NOT EQUAL'} after {time.monotonic() - began:.0f} s")
            return is_right
    finally:
        tell((folder / "log").read_text()[-2000:] if (folder / "log").exists() else "")
        shutil.rmtree(folder)


def main() -> int:
    """Run from the command line; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cycles", type=int, default=20)
    options.add_argument("--opportunities", type=int, default=30)
    options.add_argument("--visits", type=int, default=3000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--signals", default="KILL", help="KILL, TERM, or KILL,TERM")
    options.add_argument("--database-url", help="default: an embedded Postgres")
    chosen = options.parse_args()
    with database(chosen.database_url) as url:
        return 0 if soak(chosen, url) else 1


if __name__ == "__main__":
    sys.exit(main())
