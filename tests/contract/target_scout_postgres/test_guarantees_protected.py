"""What must not arrive is nowhere: not in tables, rejects, logs or states."""

from __future__ import annotations

import json

import pytest

CANARY = "canary-0a1b2c"
KEY = "0123456789abcdef"
PEOPLE = {
    "id": "integer", "phone": "string", "born": {"type": "string", "format": "date"}, "p": "object",
    "name": "string", "age": "integer",
}  # fmt: skip
RULES = {
    "exclude_columns": {"people": ["phone", "p.**.phone", "born"], "peple": ["x"]},
    "hash_columns": {"people": ["name", "p.name", "p.nothing"], "visits": ["person"]},
    "hash_key": KEY,
}


def person(number, **more):
    inside = {"phone": CANARY, "name": CANARY, "deep": [{"phone": CANARY, "ok": number}]}
    return {
        "id": number, "phone": CANARY, "born": CANARY, "name": CANARY, "age": number, "p": inside,
    } | more  # fmt: skip


@pytest.fixture
def everything(query, dataset_schema):
    """All that is in the dataset schema, as one text."""

    def read():
        found = query("SELECT tablename FROM pg_tables WHERE schemaname = %s", dataset_schema)
        names = [name for (name,) in found]
        return "\n".join(str(query(f'SELECT t::text FROM {{s}}."{name}" t')) for name in names)

    return read


@pytest.mark.parametrize("maps", [{}, {"people": {"copy": "name", "phone": "phone"}}])
def test_excluded_and_hashed_values_are_in_no_table_reject_or_log(
    target, make, query, everything, tmp_path, maps
):
    batch = tmp_path / "batch.jsonl"
    batch.write_text(json.dumps(person(2)) + "\n")
    encoding = {"format": "jsonl", "compression": "none"}
    messages = [
        make.schema("people", PEOPLE, ["id"], required=["phone"]),
        make.schema("visits", {"id": "integer", "person": "string"}, ["id"]),
        make.record("people", person(1)),
        make.record("people", person(3, age="not a number")),
        '{"type":"RECORD","stream":"people","record":["' + CANARY + '"]}',
        {"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": [str(batch)]},
        make.record("visits", {"id": 1, "person": CANARY}),
        make.state({"bookmarks": {"people": 1}}),
    ]
    if not maps:
        messages += [make.record("people", person("not a number"))]
    result = target.run(*messages, **RULES, stream_maps=maps or None, on_invalid_record="reject")
    rows = query("SELECT id, phone, born, p->'deep', name FROM {s}.people ORDER BY id")
    [(hashed,)] = query("SELECT person FROM {s}.visits")

    assert result.code == 0, result.log
    assert CANARY not in everything() + result.log + json.dumps(result.states)
    assert rows == [(1, None, None, [{"ok": 1}], hashed), (2, None, None, [{"ok": 2}], hashed)]
    assert query("SELECT count(*) FROM {s}._scout_rejects")[0][0] == (2 if maps else 3)
    assert query("SELECT DISTINCT p->>'name' FROM {s}.people") == [(hashed,)]
    assert result.log.count("nothing in the stream people matched p.nothing") == 1
    assert result.log.count("no stream peple came (did you mean people?)") == 1


def test_rules_that_cannot_hold_and_unknown_settings_are_named(target, make, query):
    schema = make.schema("people", PEOPLE, ["id"])
    wrong = target.run(schema, make.record("people", person(1)), exclude_columns={"people": ["ag"]})
    keyless = target.run(schema, hash_columns={"people": ["name"]})
    typo = target.load(
        schema,
        bach_size_rows=5,
        _meltano="x",
        validate_records=True,
        keyless_overrides={"peolpe": "append", "others": "append"},
    )

    assert (wrong.code, keyless.code) == (2, 2)
    assert "has no column ag (did you mean age?)" in wrong.log
    assert "TARGET_SCOUT_POSTGRES_HASH_KEY" in keyless.log
    assert (
        typo.log.count("settings are ignored: bach_size_rows (did you mean batch_size_rows?)") == 1
    )
    assert "validate_records" not in typo.log
    assert typo.log.count("keyless_overrides: no stream ") == 1
    assert "no stream peolpe came (did you mean people?)" in typo.log
