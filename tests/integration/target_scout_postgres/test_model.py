"""Random streams against a slow, simple model: the tables must be equal.

SCOUT_TEST_EXAMPLES sets how many are tried.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql

EXAMPLES = int(os.environ.get("SCOUT_TEST_EXAMPLES", "30"))
COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.one_of(
    st.sampled_from(
        ["a", "A", "b", "select", "n" * 63, "n" * 64, "n" * 70, "é" * 40, "ctid", 'q"']
    ),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=70
    ),
)
WHOLE = st.integers(-(2**66), 2**66)
NUMBER = st.decimals(
    allow_nan=False, allow_infinity=False, places=5, min_value=-9999, max_value=9e9
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1000, 1000), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
MOMENT = st.datetimes()
KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "text": ({"type": ["string", "null"]}, TEXT),
    "whole": ({"type": ["integer", "null"]}, WHOLE),
    "number": ({"type": ["number", "null"]}, NUMBER),
    "flag": ({"type": ["boolean", "null"]}, st.booleans()),
    "moment": ({"type": ["string", "null"], "format": "date-time"}, MOMENT),
    "day": ({"type": ["string", "null"], "format": "date"}, st.dates()),
    "json": ({}, JSON),
    "widening": ({"type": ["integer", "null"]}, WHOLE),  # a number from an item WIDEN on
}


OPTIONS = st.fixed_dictionaries(
    {
        "batch_size_rows": st.integers(1, 5),
        "batch_size_bytes": st.sampled_from([1, 300, 4_000_000]),
        "batch_wait_limit_seconds": st.sampled_from([0, 5]),
        "hard_delete": st.booleans(),
        "add_record_metadata": st.booleans(),
    }
)
WRITTEN = st.booleans()


class Load(NamedTuple):
    """What is loaded, and how."""

    properties: dict[str, str]
    is_keyed: bool
    runs: list[list[Any]]
    method: str
    options: dict[str, Any]
    is_announced: bool  # a refresh prints ACTIVATE_VERSION before its records too
    is_ascii: bool

    def schema(self, *, is_wide: bool = False) -> dict[str, Any]:
        properties = {name: KINDS[kind][0] for name, kind in self.properties.items()}
        for name, kind in self.properties.items():
            if is_wide and kind == "widening":
                properties[name] = {"type": ["number", "null"]}
        return {
            "type": "SCHEMA",
            "stream": "t",
            "schema": {"properties": {"key": {"type": "string"}} | properties},
            "key_properties": ["key"] if self.is_keyed else [],
        }

    def messages(self, number: int) -> tuple[list[Any], int]:
        """The messages of a run, and how many STATE messages are among them."""
        extra = {"version": number} if self.method == "refresh" else {}
        activate = [{"type": "ACTIVATE_VERSION", "stream": "t", **extra}] if extra else []
        found = [self.schema(), *(activate if self.is_announced else [])]
        states = 0
        for item in [*self.runs[number - 1], *activate, *(["STATE"] if extra else [])]:
            if item == "STATE":
                states += 1
                found.append({"type": "STATE", "value": {"n": states}})
            elif item in ("SCHEMA", "WIDEN"):
                found.append(self.schema(is_wide=item == "WIDEN"))
            elif item in activate:
                found.append(item)
            else:
                found.append({"type": "RECORD", "stream": "t", "record": item, **extra})
        return found, states


@st.composite
def loads(draw: Any) -> Any:
    """A stream: its properties, whether it has a key, its runs of records with STATEs between."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    properties = {name: draw(st.sampled_from(sorted(KINDS))) for name in names if name != "key"}
    is_keyed = draw(st.booleans())
    record = st.fixed_dictionaries(
        {"key": st.sampled_from(["x", "y", "z", "k\t\\"])},
        optional={name: st.one_of(st.none(), KINDS[kind][1]) for name, kind in properties.items()},
    )
    few = st.sampled_from(["SCHEMA", "WIDEN"])
    item = st.one_of(record, record, record, few, *draw(st.sampled_from([[], [st.just("STATE")]])))
    runs = draw(st.lists(st.lists(item, max_size=12), min_size=1, max_size=3))
    method = draw(st.sampled_from(["upsert", "upsert", "append-only", "overwrite", "refresh"]))
    options = draw(OPTIONS) | {"load_method": "upsert" if method == "refresh" else method}
    return Load(properties, is_keyed, runs, method, options, draw(st.booleans()), draw(WRITTEN))


def plain(value: Any) -> Any:
    """The value as it is represented in JSON."""
    if isinstance(value, dt.datetime):
        return value.isoformat() + "Z"
    return value.isoformat() if isinstance(value, dt.date) else value


def encoded(message: Any, *, is_ascii: bool) -> str:
    """A line; decimals keep their digits."""
    marks: dict[str, str] = {}

    def number(value: Any) -> Any:
        if isinstance(value, Decimal):
            mark = f"@@{len(marks)}@@"
            marks[f'"{mark}"'] = format(value, "f")
            return mark
        return plain(value)

    if message.get("type") == "RECORD":
        record = {name: number(value) for name, value in message["record"].items()}
        message = message | {"record": record}
    text = json.dumps(message, ensure_ascii=is_ascii)
    for mark, digits in marks.items():
        text = text.replace(mark, digits)
    return text


def without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [without_nul(part) for part in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(part) for name, part in value.items()}
    return value


class Model:
    """The expected rows of a table."""

    def __init__(self, *, is_keyed: bool, method: str) -> None:
        self.is_keyed = is_keyed and method != "append-only"
        self.replaces = method in ("overwrite", "refresh")
        self.rows: list[dict[str, Any]] = []

    def run(self, records: list[dict[str, Any]]) -> None:
        if self.replaces:
            self.rows = []
        self.rows += records
        if self.is_keyed:
            self.rows = list({row["key"]: row for row in self.rows}.values())


def comparable(row: dict[str, Any]) -> str:
    def one(value: Any) -> Any:
        if isinstance(value, Decimal):
            return ["number", format(value, "f")]
        if isinstance(value, int) and not isinstance(value, bool):
            return ["number", str(value)]
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=None).isoformat()
        if isinstance(value, list):  # JSON, whose names jsonb reorders
            return json.dumps(value, sort_keys=True)
        return plain(value)

    return repr(
        sorted((name, repr(one(value))) for name, value in row.items() if value is not None)
    )


def json_or(value: Any, kind: str) -> Any:
    return ["json", value] if kind == "json" and value is not None else value


@pytest.mark.timeout(max(900, 10 * EXAMPLES))
@given(loads())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 30,
    suppress_health_check=list(HealthCheck),
)
def test_tables_equal_the_model(postgres, connection, tmp_path_factory, load):
    schema_name = "data_model_test"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema_name} CASCADE; SET timezone = 'UTC'")
    config = tmp_path_factory.mktemp("model") / "config.json"
    options = {"database_url": postgres, "default_target_schema": schema_name, **load.options}
    config.write_text(json.dumps(options))
    model = Model(is_keyed=load.is_keyed, method=load.method)
    for number, items in enumerate(load.runs, start=1):
        messages, states = load.messages(number)
        text = "\n".join(encoded(message, is_ascii=load.is_ascii) for message in messages)
        done = subprocess.run(
            [*COMMAND, "--config", str(config)],
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        printed = [json.loads(line)["n"] for line in done.stdout.splitlines()]
        assert printed == sorted(printed)
        assert printed[-1:] == ([states] if states else [])
        model.run([item for item in items if isinstance(item, dict)])

    expected = [
        {
            name: json_or(without_nul(value), load.properties.get(name, "text"))
            for name, value in row.items()
        }
        for row in model.rows
    ]
    found = stored(connection, schema_name, load.properties)
    assert sorted(map(comparable, found)) == sorted(map(comparable, expected))


def stored(connection: Any, schema: str, properties: dict[str, str]) -> list[dict[str, Any]]:
    """The rows that are not marked as deleted, by the properties' own names, without metadata."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname::text, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f"{schema}.t"],
        )
        names = {column: comment or column for column, comment in cursor.fetchall()}
        cursor.execute(sql.SQL("SELECT * FROM {}.t").format(sql.Identifier(schema)))
        columns = [names[column.name] for column in cursor.description]
        result = []
        for row in cursor.fetchall():
            values: dict[str, Any] = {}
            for name, value in zip(columns, row, strict=True):
                if value is not None:
                    values[name] = json_or(value, properties.get(name, "text"))
            if "_sdc_deleted_at" not in values:
                result.append(
                    {name: value for name, value in values.items() if not name.startswith("_sdc_")}
                )
        return result
