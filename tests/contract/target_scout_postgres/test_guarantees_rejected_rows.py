"""Rows that Postgres rejects are kept, counted and logged; any other error ends the run."""

from __future__ import annotations

import json

import pytest

SMALL = {"batch_size_rows": 1}
REJECT = {"on_invalid_record": "reject"}
CONSTRAINTS = {
    "check": "ALTER TABLE {s}.h ADD CONSTRAINT broken CHECK (n < 100)",
    "not null": "ALTER TABLE {s}.h ALTER v SET NOT NULL",
    "unique": "CREATE UNIQUE INDEX broken ON {s}.h (v)",
    "exclusion": "ALTER TABLE {s}.h ADD CONSTRAINT broken EXCLUDE USING btree (v WITH =)",
    "foreign key": "CREATE TABLE {s}.others (v text PRIMARY KEY); "
    "INSERT INTO {s}.others VALUES ('a'), ('b'); "
    "ALTER TABLE {s}.h ADD CONSTRAINT broken FOREIGN KEY (v) REFERENCES {s}.others",
    "division by zero": "ALTER TABLE {s}.h ADD COLUMN part numeric "
    "GENERATED ALWAYS AS (1 / (n - 200)) STORED",
    "index row too large": "CREATE INDEX broken ON {s}.h (v)",
}
BROKEN = {
    "check": {"n": 200, "v": "the only copy", "at": "2026-01-05T10:00:00Z", "more": [1]},
    "not null": {"n": 2, "v": None, "at": None},
    "unique": {"n": 200, "v": "b", "at": "2026-01-05 10:00:00 UTC"},
    "exclusion": {"n": 200, "v": "b"},
    "foreign key": {"n": 200, "v": "missing", "at": None, "more": {"a": None}},
    "division by zero": {"n": 200, "v": "x"},
    "index row too large": {"n": 200, "v": "".join(chr(0x4E00 + n * 7) for n in range(2900))},
}
WAYS = ["key", "withheld", "append-only", "version", "version without key"]


def stream_of(make, way):
    properties = {"n": "integer", "v": "string", "at": {"type": ["string", "null"]}, "more": {}}
    return make.schema("h", properties, ["n"] if way in ("key", "version", "append-only") else [])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_rows_that_only_postgres_rejects_are_kept_counted_and_logged(
    target, make, query, name, way
):
    stream = stream_of(make, way)
    version = 7 if "version" in way else None
    settings = REJECT | ({"load_method": way} if way == "append-only" else {})
    settings |= SMALL if way in ("withheld", "append-only") else {}
    target.load(stream, **settings)
    query(CONSTRAINTS[name])
    result = target.load(
        stream,
        make.record("h", {"n": 0, "v": "a"}, version),
        make.record("h", {"n": 1, "v": "b"}, version),
        make.record("h", BROKEN[name], version),
        *([make.activate("h", 7)] if version else []),
        make.state({"a": 1}),
        env={"SCOUT_RUN_ID": "it"},
        **settings,
    )

    assert result.states == [{"a": 1}]
    assert "WARNING" in result.log
    assert "1 record rejected" in result.log
    assert "h: 2 records" in result.log
    assert "only copy" not in result.log
    assert query("SELECT n, v FROM {s}.h ORDER BY n") == [(0, "a"), (1, "b")]
    assert query("SELECT rows, status FROM {s}._scout_loads WHERE run_id = 'it'") == [
        (2, "completed")
    ]
    ((stream_name, line, record),) = query("SELECT stream, line, record FROM {s}._scout_rejects")
    if version:  # from the rows of the stage, which an earlier run may have read
        line, record = 4, {key: part for key, part in record.items() if part is not None}
        assert record.items() <= BROKEN[name].items()
        assert record["n"] == BROKEN[name]["n"]
    else:
        assert record == BROKEN[name]
    assert (stream_name, line) == ("h", 4)


@pytest.mark.parametrize("way", WAYS)
def test_a_row_that_postgres_rejects_ends_the_run_with_65_and_names_the_constraint(
    target, make, query, way
):
    stream = stream_of(make, way)
    version = 7 if "version" in way else None
    settings = {"load_method": way} if way == "append-only" else {}
    settings |= SMALL if way in ("withheld", "append-only") else {}
    target.load(stream, make.record("h", {"n": 5, "v": "old"}), make.state(0), **settings)
    query(CONSTRAINTS["check"])
    result = target.run(
        stream,
        make.record("h", {"n": 1, "v": "a"}, version),
        make.record("h", BROKEN["check"], version),
        *([make.activate("h", 7)] if version else []),
        make.state({"a": 1}),
        **settings,
    )

    assert (result.code, result.states) == (65, [])
    assert "broken" in result.log
    assert "only copy" not in result.log
    assert query("SELECT n FROM {s}.h") == [(5,)]


TROUBLE = {
    "disk full": "53100",
    "out of memory": "53200",
    "too many connections": "53300",
    "disk full as an internal error": "XX000",
    "corrupt data": "XX001",
    "corrupt index": "XX002",
    "lost storage": "58030",
    "missing file": "58P01",
    "cancelled statement": "57014",
    "lock not available": "55P03",
    "serialization failure": "40001",
    "deadlock": "40P01",
    "no permission": "42501",
}


# Each kind of trouble on two ways, two kinds on all ways.
TROUBLES = [(name, way) for name in TROUBLE for way in ("key", "version without key")]
TROUBLES += [(name, way) for name in ("disk full", "corrupt data") for way in WAYS[1:4]]


@pytest.mark.parametrize(("name", "way"), TROUBLES)
def test_an_error_of_the_server_ends_the_run_and_loses_nothing(target, make, query, name, way):
    """A trigger raises the server's error for one record."""
    stream = stream_of(make, way)
    version = 7 if "version" in way else None
    settings = REJECT | ({"load_method": way} if way == "append-only" else {})
    settings |= SMALL if way in ("withheld", "append-only") else {}
    target.load(stream, **settings)
    query(
        "CREATE FUNCTION {s}.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.n = 2 "
        f"THEN RAISE EXCEPTION 'it holds %', new.v USING ERRCODE = '{TROUBLE[name]}'; END IF; "
        "RETURN new; END $$;"
        "CREATE TRIGGER fail BEFORE INSERT ON {s}.h FOR EACH ROW EXECUTE FUNCTION {s}.fail()"
    )
    records = [make.record("h", {"n": n, "v": "secret"}, version) for n in range(5)]
    end = [make.activate("h", 7)] if version else []
    result = target.run(stream, *records, *end, make.state({"a": 1}), **settings)
    assert (result.code, result.states) == (1, [])
    assert "secret" not in result.log
    assert "rejected" not in result.log
    assert query("SELECT to_regclass(%s)", f"{target.schema}._scout_rejects") == [(None,)]

    query("DROP TRIGGER fail ON {s}.h")
    target.load(stream, *records, *end, make.state({"a": 1}), **settings)
    assert query("SELECT n FROM {s}.h ORDER BY n") == [(n,) for n in range(5)]


def test_many_rejected_rows_are_found_among_many_each_with_its_record(target, make, query):
    stream = stream_of(make, "key")
    target.load(stream)
    query("ALTER TABLE {s}.h ADD CONSTRAINT odd CHECK (n % 97 <> 5)")
    records = [make.record("h", {"n": n % 1000, "v": str(n)}) for n in range(3000)]
    target.load(stream, *records, make.state(1), **REJECT)

    bad = [n for n in range(1000) if n % 97 == 5]
    assert query("SELECT count(*) FROM {s}.h") == [(1000 - len(bad),)]
    found = query("SELECT line, record FROM {s}._scout_rejects ORDER BY line")
    assert found == [(2002 + n, {"n": n, "v": str(n + 2000)}) for n in bad]


def test_rows_that_violate_a_constraint_only_by_their_order_are_not_rejected(target, make, query):
    stream = stream_of(make, "key")
    target.load(stream, *[make.record("h", {"n": n, "v": f"v{n}"}) for n in (1, 2, 3)])
    query("CREATE UNIQUE INDEX broken ON {s}.h (v)")
    moved = [make.record("h", {"n": n, "v": f"v{n + 1}"}) for n in (1, 2, 3)]
    target.load(stream, *moved, make.record("h", {"n": 9, "v": "v4"}), make.state(1), **REJECT)

    assert query("SELECT n, v FROM {s}.h ORDER BY n") == [(1, "v2"), (2, "v3"), (3, "v4")]
    assert query("SELECT record ->> 'n' FROM {s}._scout_rejects") == [("9",)]


def test_a_rejected_row_of_a_version_leaves_the_row_of_its_key(target, make, query):
    stream = stream_of(make, "version")
    rows = [make.record("h", {"n": n, "v": "old"}, 1) for n in range(3)]
    target.load(stream, *rows, make.activate("h", 1))
    query("ALTER TABLE {s}.h ADD CONSTRAINT broken CHECK (v <> 'no')")
    news = [make.record("h", {"n": n, "v": v}, 2) for n, v in ((0, "new"), (1, "no"), (9, "new"))]
    result = target.load(stream, *news, make.activate("h", 2), make.state(1), **REJECT)

    assert "1 record rejected" in result.log
    found = query("SELECT n, v FROM {s}.h ORDER BY n")
    assert found == [(0, "new"), (1, "old"), (9, "new")]


def test_a_record_that_is_json_and_nothing_for_jsonb_is_kept_as_text(target, make, query):
    line = '{"type":"RECORD","stream":"h","record":{"n":"x","v":1e999999}}'
    stream = json.dumps(make.schema("h", {"n": "integer", "v": {}}, ["n"]))
    target.load(stream, line, **REJECT)

    assert query("SELECT record #>> '{{}}' FROM {s}._scout_rejects") == [
        ('{"n":"x","v":1e999999}',)
    ]
