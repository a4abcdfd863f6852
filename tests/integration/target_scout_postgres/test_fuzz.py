"""Corrupt input lines: never a hang, a traceback, or a row that was not sent.

SCOUT_TEST_FUZZ_LINES sets how many lines there are; some thousands by default.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql
from target_scout_postgres import settings as target_settings
from target_scout_postgres.errors import DataError
from target_scout_postgres.loading.engine import Engine
from target_scout_postgres.singer.sanitizer import sanitized

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
LINES = int(os.environ.get("SCOUT_TEST_FUZZ_LINES", "4000"))
LINES_OF_A_ROUND = min(LINES // 2, 10_000)
LONGEST_SECONDS = 30.0  # for one line; a hang takes longer
PROPERTIES = {
    "id": {"type": "string"},
    "text": {"type": ["string", "null"]},
    "whole": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "flag": {"type": ["boolean", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "day": {"type": ["string", "null"], "format": "date"},
    "uuid": {"type": ["string", "null"], "format": "uuid"},
    "data": {"type": ["object", "array", "null"]},
}
COMPARED = ("id", "text", "whole", "number", "flag", "data")
TOKENS = [
    *(b"null", b"true", b"false", b"0", b"-1", b'""', b"[]", b"{}", b"NaN", b"-Infinity", b"1e999"),
    *(b"9" * 40, b"9" * 5000, b"-" + b"9" * 19, b"1e-20000", b"1.50", b"0x10", b"01", b"+1", b"1."),
    *(rb'"\u0000"', rb'"\ud800"', rb'"\udc00\ud800"', rb'"\\u0000"', rb'"\uFFFF"', b'"\xff\xfe"'),
    *('"\u202e\u0301"'.encode(), '"\U0001f469\u200d\U0001f52c"'.encode(), b'"\xed\xa0\x80"'),
    *(b'"2024-02-30T25:61:00Z"', b'"99999-01-01"', b'"2024-01-01"', b'"-0001-01-01T00:00:00Z"'),
    *(b'"' + b"x" * 70_000 + b'"', b"[" * 400 + b"]" * 400, b"[" * 9000 + b"]" * 9000),
    *(b'{"a":' * 300 + b"1" + b"}" * 300, b'{"":{"\\u0000":1}}', b'"RECORD"', b'"SCHEMA"'),
]
PLACES = (b'":', b",", b"[", b"{")


def schema(stream: str, key: list[str]) -> bytes:
    return json.dumps(
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"type": "object", "properties": PROPERTIES},
            "key_properties": key,
        }
    ).encode()


def valid(chance: random.Random, n: int) -> bytes:
    """A line as a tap writes it."""
    kind = chance.random()
    stream = chance.choice(["keyed", "plain"])
    if kind < 0.005:
        return schema(stream, ["id"] if stream == "keyed" else [])
    if kind < 0.03:
        return json.dumps({"type": "STATE", "value": {"n": n}}).encode()
    if kind < 0.032:
        return json.dumps({"type": "ACTIVATE_VERSION", "stream": stream, "version": 1}).encode()
    record: dict[str, Any] = {
        "id": f"id-{n}",
        "text": f"text of {n} \N{SNOWMAN} \t",
        "whole": n * 7919,
        "number": n / 8,
        "flag": n % 2 == 0,
        "at": "2024-05-06T07:08:09.123456Z",
        "day": "2024-05-06",
        "uuid": f"00000000-0000-4000-8000-{n % 10**12:012}",
        "data": {"n": n, "list": [1, None, {"deep": "x\\y"}]},
    }
    message = {"type": "RECORD", "stream": stream, "record": record}
    return json.dumps(message, ensure_ascii=chance.random() < 0.5).encode()


def flipped(line: bytes, chance: random.Random) -> bytes:
    corrupt = bytearray(line)
    for _ in range(chance.randrange(1, 4)):
        corrupt[chance.randrange(len(corrupt))] = chance.randrange(256)
    return bytes(corrupt)


def cut(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line))
    return line[:at] if chance.random() < 0.5 else line[at:]


def without_a_part(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line))
    return line[:at] + line[at + chance.randrange(1, 40) :]


def with_a_part_twice(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line))
    end = at + chance.randrange(1, 60)
    return line[:end] + line[at:]


def with_another_value(line: bytes, chance: random.Random) -> bytes:
    """Put a value of another type, or an absurd one, where a value is."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(message, dict):
        return line
    part = message.get("record") or message.get("schema")
    if not isinstance(part, dict) or chance.random() < 0.2:
        part = message
    name = chance.choice(list(part) or ["id"])
    part[name] = "@@"
    return json.dumps(message).encode().replace(b'"@@"', chance.choice(TOKENS))


def with_a_name_twice(line: bytes, chance: random.Random) -> bytes:
    name = chance.choice([*PROPERTIES, "type", "stream", "record", "version"])
    return line.replace(
        b'"' + chance.choice([b"id", b"record", b"type", b"text"]) + b'":',
        b'"' + name.encode() + b'":' + chance.choice(TOKENS) + b', "id":',
        1,
    )


def with_a_token(line: bytes, chance: random.Random) -> bytes:
    at = line.find(chance.choice(PLACES), chance.randrange(len(line)))
    return line[: at + 1] + chance.choice(TOKENS) + line[at + 1 :]


def in_another_form(line: bytes, chance: random.Random) -> bytes:
    """The same content in another notation, or with something that does not belong there."""
    return chance.choice(
        [
            b"\xef\xbb\xbf" + line,
            b"  \t" + line.replace(b'":', b'" :') + b" \r",
            line.replace(b'"RECORD"', rb'"RE\u0043ORD"'),
            line.replace(b'"type"', rb'"t\u0079pe"'),
            line.replace(b'"stream"', b'"version": 2, "stream"'),
            line.replace(b'"RECORD"', chance.choice([b'"record"', b'"BATCH"', b'""', b'"STATE"'])),
            line.replace(b'"plain"', chance.choice([b'"other"', b'""', b"null", b"3"])),
            line.replace(b"}", b"", 1) + b"}",
            line + line,
            b"[" + line + b"]",
            b"",
            b"\x00",
        ]
    )


MUTATIONS = (
    flipped,
    cut,
    without_a_part,
    with_a_part_twice,
    with_another_value,
    with_another_value,
    with_a_name_twice,
    with_a_token,
    in_another_form,
)


def corrupt(line: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 1, 2])):
        if line:
            line = chance.choice(MUTATIONS)(line, chance)
    return line.replace(b"\n", b" ")


def comparable(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | Decimal):
        digits = format(Decimal(value), "f")
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        return digits if digits.strip("-0") else "0"
    if isinstance(value, list):
        return f"[{','.join(map(comparable, value))}]"
    if isinstance(value, dict):
        parts = sorted(f"{name!r}:{comparable(part)}" for name, part in value.items())
        return f"{{{','.join(parts)}}}"
    return repr(value)


def sent_values(line: bytes) -> list[str]:
    """All values of the record that a line holds, decoded by another JSON library."""
    try:
        text = sanitized(line)[0].decode(errors="replace")
        message = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        record = message["record"]
        return [comparable(value) for value in record.values()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ArithmeticError):
        return []


def processed(engine: Engine, lines: list[bytes]) -> Counter[str]:
    """Process lines one by one; a rejected one does not stop the test."""
    counts = Counter[str]()
    for line in lines:
        began = time.monotonic()
        try:
            engine.process_lines([line])
            counts["taken"] += 1
        except DataError:
            counts["rejected"] += 1
        assert time.monotonic() - began < LONGEST_SECONDS, line[:200]
    return counts


def unsent_rows(connection: Any, schema_name: str, lines: list[bytes]) -> list[dict[str, Any]]:
    """Rows with a value, or a combination of values, that no single line has.

    Lines with the same key make one row: where a corrupt SCHEMA no longer names a property, its
    column keeps what an earlier line of that key has brought.
    """
    by_value: dict[str, set[int]] = defaultdict(set)
    for number, line in enumerate(lines):
        for value in sent_values(line):
            by_value[value].add(number)
    found = []
    for table in ("keyed", "plain"):
        with connection.cursor() as cursor:
            place = sql.Identifier(schema_name, table)
            cursor.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(place))
            rows = [json.loads(text, parse_float=Decimal, parse_int=Decimal) for (text,) in cursor]
        for row in rows:
            values = [comparable(row[name]) for name in COMPARED if row.get(name) is not None]
            lines_of = [by_value.get(value, set()) for value in values]
            if not values or set.intersection(*lines_of):
                continue
            of_key = by_value.get(comparable(row["id"]), set()) if table == "keyed" else set()
            if not all(of_key & of_value for of_value in lines_of):
                found.append(row)
    return found


@pytest.mark.parametrize("number", range(LINES // LINES_OF_A_ROUND))
def test_corrupt_lines_leave_only_rows_that_were_sent(postgres, connection, dataset_schema, number):
    chance = random.Random(number)
    options = {
        "database_url": postgres,
        "default_target_schema": dataset_schema,
        "on_invalid_record": "reject",
        "batch_size_rows": chance.choice([50, 1_000, 100_000]),
    }
    states: list[bytes] = []
    engine = Engine(target_settings.validate(options), states.append)
    engine.start()
    lines = [schema("keyed", ["id"]), schema("plain", [])]
    for n in range(LINES_OF_A_ROUND):
        line = valid(chance, n)
        lines.append(corrupt(line, chance) if chance.random() < 0.6 else line)
    try:
        counts = processed(engine, lines)
        engine.finish()
    except BaseException:
        engine.abandon()
        raise

    assert counts["taken"] > LINES_OF_A_ROUND // 4
    assert counts["rejected"] > LINES_OF_A_ROUND // 10
    assert unsent_rows(connection, dataset_schema, lines) == []
    assert all(isinstance(json.loads(state, parse_int=str), object) for state in states)


@pytest.mark.parametrize("number", range(max(4, LINES // 10_000)))
def test_a_corrupt_line_ends_a_run_or_is_loaded(postgres, dataset_schema, tmp_path, number):
    chance = random.Random(f"process {number}")
    config = tmp_path / "config.json"
    options = {"database_url": postgres, "default_target_schema": dataset_schema}
    config.write_text(json.dumps(options))
    lines = [schema("keyed", ["id"]), schema("plain", [])]
    lines += [valid(chance, n) for n in range(100)]
    lines += [corrupt(valid(chance, n), chance) for n in range(100, 150)]
    done = subprocess.run(
        [*COMMAND, "--config", str(config)],
        input=b"\n".join(lines),
        capture_output=True,
        check=False,
        timeout=120,
    )

    log = done.stderr.decode()
    assert done.returncode in {0, 65}, log
    assert "Traceback" not in log
    assert "Internal error" not in log
    assert "text of" not in log  # no record's value
    sent = {line for line in lines if b"STATE" in line}
    for state in done.stdout.splitlines():
        assert any(state in line for line in sent)
