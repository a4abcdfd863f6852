"""Compares datasets with the sandbox's data of their domain or opportunity."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg2
from commcare_sandbox import Sandbox
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from benchmarks import commcare_soak

OTHERS = "SELECT DISTINCT {column}::text FROM {table}"
CONNECT = {"visits": "user_visits", "payments": "payment"}
FILLED_IN = "opportunity_id"  # by the tap, where the server leaves it out


class Domain:
    """One domain of the sandbox, with the interface of a Sandbox."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self._sandbox, self.name = sandbox, name

    def content(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return every record that the API shows."""
        return self._sandbox.content(kind, self.name)

    def edit_case(self) -> str:
        """Edit any case."""
        return self._sandbox.edit_case(domain=self.name)

    def submit_form(self) -> str:
        """Submit a form."""
        return self._sandbox.submit_form(domain=self.name)

    def archive_form(self) -> str:
        """Archive any form."""
        return self._sandbox.archive_form(domain=self.name)

    def reindex(self) -> None:
        """Give every record a new indexed_on."""
        self._sandbox.reindex(domain=self.name)

    def differences(self, url: str, schema: str) -> Counter[str]:
        """Count missing, surplus and different rows, and rows of another domain."""
        total: Counter[str] = Counter()
        for stream in commcare_soak.TEXTS:
            total.update(commcare_soak.differences(self, url, schema, stream))
            total["foreign"] += len(_values(url, schema, stream, "domain") - {self.name})
        return total


class Opportunity:
    """One opportunity of the sandbox's Connect."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self._connect, self.number = sandbox.connect, number

    def insert(self) -> None:
        """Insert a visit and a payment."""
        self._connect.insert("user_visits", self.number)
        self._connect.insert("payment", self.number)

    def differences(self, url: str, schema: str) -> Counter[str]:
        """Count missing, surplus and different rows, and rows of another opportunity."""
        total: Counter[str] = Counter()
        for stream, kind in CONNECT.items():
            shown = [each["row"] for each in self._connect.content(kind) if self._is_ours(each)]
            rows = _rows(url, schema, stream)
            names = shown[0].keys() & rows[0].keys() - {FILLED_IN} if shown and rows else set()
            wanted = Counter(_plain(row, names) for row in shown)
            found = Counter(_plain(row, names) for row in rows)
            total["rows"] += len(shown)
            total["missing"] += (wanted - found).total()
            total["extra"] += (found - wanted).total()
            total["foreign"] += sum(row[FILLED_IN] != self.number for row in rows)
        return total

    def _is_ours(self, item: dict[str, Any]) -> bool:
        return bool(item["opportunity"] == self.number)


def _plain(row: dict[str, Any], names: set[str]) -> str:
    """Return the columns of a row in a canonical form."""
    return json.dumps({name: _spelled(row[name]) for name in sorted(names)}, sort_keys=True)


def _spelled(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return value
    for read in (float, lambda text: commcare_soak.timestamp(text).timestamp()):
        try:
            return read(value)
        except ValueError:
            continue
    return value or None


def _rows(url: str, schema: str, table: str) -> list[dict[str, Any]]:
    with (
        closing(psycopg2.connect(url)) as connection,
        connection.cursor(cursor_factory=RealDictCursor) as cursor,
    ):
        cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table)))
        return [dict(row) for row in cursor]


def _values(url: str, schema: str, table: str, column: str) -> set[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        names = {"table": sql.Identifier(schema, table), "column": sql.Identifier(column)}
        cursor.execute(sql.SQL(OTHERS).format(**names))
        return {value for (value,) in cursor.fetchall()}
