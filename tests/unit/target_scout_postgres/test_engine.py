"""What the engine makes of lines: rows, changes of tables, STATE, and errors that name the line."""

from __future__ import annotations

import json

import pytest
from support.target_loading import REQUIRED, RecordingLoader
from target_scout_postgres import settings
from target_scout_postgres.errors import (
    DataError,
    MissingKeyError,
    MissingSchemaError,
    SchemaError,
)
from target_scout_postgres.loading.engine import Engine
from target_scout_postgres.loading.load_log import LoadStatus

SECRET = "a-patients-name"


def schema(key=("id",), **properties: str) -> dict:
    types = {"id": "integer"} | properties
    return {
        "type": "SCHEMA",
        "stream": "people",
        "schema": {
            "properties": {name: {"type": [type_, "null"]} for name, type_ in types.items()}
        },
        "key_properties": list(key),
    }


def record(**values) -> dict:
    return {"type": "RECORD", "stream": "people", "record": values}


TOO_LARGE_VERSION = json.dumps(record(id=1) | {"version": 2**64})
UNKNOWN_KEY = json.dumps(schema(key=["other"]))
STATE = {"type": "STATE", "value": {"n": 1}}


class Run:
    """An engine above a recording loader."""

    def __init__(self, **options) -> None:
        self.loader = RecordingLoader()
        self.printed: list[bytes] = []
        validated = settings.validate(REQUIRED | options)
        self.engine = Engine(validated, self.printed.append, loader=self.loader)
        self.engine.start()

    def process(self, *lines) -> None:
        self.engine.process_lines(
            [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        )

    def finish(self) -> list:
        """End the run; return what was written, as (stream, rows, is staged)."""
        self.engine.finish()
        return [event[1:] for event in self.loader.events if event[0] == "write"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (f'{{"type":"RECORD","{SECRET}', DataError),
        (SECRET, DataError),
        (f'["{SECRET}"]', DataError),
        (f'{{"no":"{SECRET}"}}', DataError),
        (f'{{"type":"RECORD","stream":"people","record":{{"name":"{SECRET}","n":01}}}}', DataError),
        ('{"type":"RECORD","stream":"people"}', DataError),
        ('{"type":"RECORD","stream":"people","record":{"id":1},"version":"x"}', DataError),
        (TOO_LARGE_VERSION, DataError),
        ('{"type":"RECORD","stream":"ghosts","record":{"id":1}}', MissingSchemaError),
        ('{"type":"RECORD","stream":"people","record":{"name":"x"}}', MissingKeyError),
        ('{"type":"STATE"}', DataError),
        ('{"type":"SCHEMA","stream":"people"}', SchemaError),
        (UNKNOWN_KEY, SchemaError),
        ('{"type":"SCHEMA","stream":"p","schema":{"properties":[]}}', SchemaError),
        ('{"type":"ACTIVATE_VERSION","stream":"people"}', DataError),
        ("[" * 9_000, DataError),
    ],
)  # fmt: skip
def test_an_invalid_line_is_reported_with_its_number_and_without_values(line, error):
    run = Run()
    run.process(schema(name="string", n="integer"), record(id=1), STATE)

    with pytest.raises(error, match=r"[Ll]ine 4\b") as raised:
        run.process(line.encode())
    assert SECRET not in str(raised.value)


def test_what_precedes_an_invalid_line_is_committed_and_its_state_printed():
    run = Run()
    run.process(schema(), record(id=1), STATE)
    with pytest.raises(DataError):
        run.process(b"{")
    run.engine.stop(LoadStatus.FAILED)

    assert ("write", "people", 1, False) in run.loader.events
    assert run.printed == [b'{"n":1}\n'.replace(b":", b": ")]


def test_the_last_record_of_a_key_wins_and_rows_of_all_paths_are_of_one_batch():
    run = Run()
    run.process(schema(name="string"), *(record(id=n % 3, name="x") for n in range(9)), STATE)

    assert run.finish() == [("people", 3, False)]


def test_an_integer_beyond_64_bits_widens_its_column_and_keeps_its_record():
    run = Run()
    run.process(schema(n="integer"), record(id=1, n=1), record(id=2, n=2**70), STATE)

    assert [rows for _, rows, _ in run.finish()] == [1, 1]
    syncs = [event[2] for event in run.loader.events if event[0] == "sync"]
    assert [columns["n"] for columns in syncs] == ["bigint", "numeric"]


def test_a_deletion_mark_that_the_schema_lacks_gets_a_column():
    run = Run()
    run.process(schema(), record(id=1), record(id=1, _sdc_deleted_at="2026-01-01"), STATE)
    run.finish()

    syncs = [event[2] for event in run.loader.events if event[0] == "sync"]
    assert ["_sdc_deleted_at" in columns for columns in syncs] == [False, True]


def test_schemas_that_alternate_are_laid_out_once_each():
    run = Run()
    short, long = schema(), schema(name="string")
    run.process(short, record(id=1), long, record(id=2), short, record(id=3), long, record(id=4))
    run.finish()

    kinds = [event[0] for event in run.loader.events if event[0] in {"sync", "reuse"}]
    # the table has changed since the first schema was laid out, so it is laid out once more
    assert kinds == ["sync", "sync", "sync", "reuse"]


def test_a_repeated_schema_changes_nothing():
    run = Run()
    run.process(schema(), record(id=1), schema(), record(id=2), {**schema(), "extra": 1})

    assert [event[0] for event in run.loader.events if event != "start"] == ["sync"]


def test_rejected_records_are_counted_and_kept_with_their_lines():
    run = Run(on_invalid_record="reject")
    run.process(schema(), record(id=1), record(id="x"), record(name=1), STATE)

    assert run.finish() == [("people", 1, False)]
    rejects = [event for event in run.loader.events if event[0] == "reject"]
    assert rejects == [("reject", "people", 3), ("reject", "people", 4)]


def test_nul_characters_are_removed_except_from_state():
    run = Run()
    run.process(schema(name="string"), rb'{"type":"STATE","value":{"a":"\u0000"}}')
    run.process(rb'{"type":"RECORD","stream":"people","record":{"id":1,"name":"a\u0000b"}}')
    run.finish()

    assert run.printed == [b'{"a":"\\u0000"}\n']
    assert run.engine._sanitizer.removed_nuls == 1


def test_messages_of_unknown_type_and_empty_lines_are_ignored():
    run = Run()
    run.process(schema(), b"", b"  ", {"type": "LOG"}, record(id=1), STATE)

    assert run.finish() == [("people", 1, False)]


def test_an_activate_version_before_its_schema_is_ignored():
    run = Run()
    run.process({"type": "ACTIVATE_VERSION", "stream": "people", "version": 1}, schema())

    assert run.engine._streams["people"].versions.announced is None
