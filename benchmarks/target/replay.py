"""Replay files of Singer messages through two targets: `python -m benchmarks.target.replay FOLDER`.

Each *.singer file is loaded by this target and by MeltanoLabs' into a schema of its own. Shown are
exit code, tables with their rows, and the columns whose type or content differs. Their own test
messages are in github.com/MeltanoLabs/target-postgres, target_postgres/tests/data_files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from scout_control.installation import embedded_postgres

from benchmarks.target.peers import OURS, PEERS, Peer, Place

THEIRS = next(peer for peer in PEERS if peer.name == "meltanolabs")
MOST_CELLS = 400


class Tables:
    """What a load has made: columns with types and rows by table."""

    def __init__(self, url: str, schema: str) -> None:
        self.columns: dict[str, dict[str, str]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            cursor.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = %s ORDER BY ordinal_position",
                [schema],
            )
            for table, column, kind in cursor.fetchall():
                if not table.startswith("_scout_") and not column.startswith("_sdc_"):
                    self.columns.setdefault(table, {})[column] = kind
            for table in self.columns:
                place = sql.Identifier(schema, table)
                cursor.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(place))
                self.rows[table] = [json.loads(text) for (text,) in cursor.fetchall()]
        connection.close()

    def cells(self, table: str, column: str) -> list[str]:
        return sorted(json.dumps(row.get(column), sort_keys=True) for row in self.rows[table])

    def summary(self) -> str:
        return ", ".join(f"{name}: {len(rows)}" for name, rows in sorted(self.rows.items())) or "-"


def load(peer: Peer, url: str, schema: str, source: Path, home: Path) -> tuple[int, Tables, str]:
    place = Place(url, schema, Path(tempfile.mkdtemp(dir=home)))
    with source.open("rb") as lines:
        done = subprocess.run(
            peer.command(place), stdin=lines, capture_output=True, check=False, timeout=300
        )
    last = done.stderr.decode().strip().splitlines()
    return done.returncode, Tables(url, schema), last[-1] if last else ""


def differences(ours: Tables, theirs: Tables) -> list[str]:
    found = []
    for table in sorted(ours.columns.keys() & theirs.columns.keys()):
        mine, other = ours.columns[table], theirs.columns[table]
        for column in sorted(mine.keys() | other.keys()):
            if column not in mine or column not in other:
                found.append(f"{table}.{column} only in {'ours' if column in mine else 'theirs'}")
                continue
            if mine[column] != other[column]:
                found.append(f"{table}.{column} {mine[column]} / {other[column]}")
            if ours.cells(table, column) != theirs.cells(table, column):
                found.append(f"{table}.{column} has other values")
    return found


def main() -> None:
    """Print one row of a table for each file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--only", default="", help="part of the names to replay")
    chosen = options.parse_args()
    if not THEIRS.is_there():
        raise SystemExit("MeltanoLabs' target cannot be installed here.")
    home = Path(tempfile.mkdtemp(prefix="scout-replay-"))
    home.chmod(0o755)
    try:
        url = embedded_postgres.start(home / "server", durable=False, as_superuser=True)
        print("| file | ours: exit, rows | theirs: exit, rows | differs (ours / theirs) |")
        print("|---|---|---|---|")
        files = sorted(chosen.folder.glob("*.singer"))
        for n, source in enumerate(file for file in files if chosen.only in file.name):
            code, ours, _ = load(OURS, url, f"ours_{n}", source, home)
            other, theirs, last = load(THEIRS, url, f"theirs_{n}", source, home)
            unlike = "; ".join(differences(ours, theirs))[:MOST_CELLS] or "-"
            note = f" {last[:120]}" if other else ""
            print(
                f"| {source.stem} | {code}, {ours.summary()} | {other}, {theirs.summary()}{note} | "
                f"{unlike} |",
                flush=True,
            )
    finally:
        embedded_postgres.stop(home / "server")
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
