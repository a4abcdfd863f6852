"""A state of another schema or of a dropped table is reported; that of a first run never is."""

from __future__ import annotations

import pytest

SCHEMAS = {"cases": ["id"], "forms": ["id"]}
OLD = {"replication_key": "at", "replication_key_value": "2026-11-20T00:00:00Z"}
BOTH = {"bookmarks": dict.fromkeys(SCHEMAS, OLD)}


def run(make, state, *numbers, streams=SCHEMAS, first=True):
    """The output of a tap that was started with a state: that state, then new records."""
    messages = [make.state(state)] if first else []
    marks = dict((state or {}).get("bookmarks") or {}) if first else {}
    for stream in streams:
        messages += [make.schema(stream, {"id": "integer", "at": "string"}, ["id"])]
        messages += [make.record(stream, {"id": n, "at": "2026"}) for n in numbers]
        marks = marks | {stream: OLD}
        messages += [make.state({"bookmarks": marks})]
    return messages


def reported(result):
    """The streams that the warning names."""
    found = [line for line in result.log.splitlines() if "INCOMPLETE" in line]
    assert len(found) <= 1
    return found[0].partition("rows of them: ")[2].partition(".")[0] if found else ""


def test_a_state_of_another_schema_or_a_dropped_table_is_reported_with_what_to_do(
    target, make, query, dataset_schema
):
    result = target.load(*run(make, BOTH, 1))

    assert reported(result) == "cases, forms"
    assert f"the schema {dataset_schema}" in result.log
    assert "WARNING" in result.log
    assert "--full-refresh" in result.log
    assert "2026-11-20" not in result.log
    assert reported(target.load(*run(make, BOTH, 2))) == ""
    query("DROP TABLE {s}.cases")
    assert reported(target.load(*run(make, BOTH, streams=["forms"]))) == ""
    assert reported(target.load(*run(make, BOTH))) == "cases"
    query("TRUNCATE {s}.forms")
    assert reported(target.load(*run(make, BOTH, 3))) == "cases, forms"
    assert reported(target.run(*run(make, BOTH, 4), make.record("forms", {"id": "x"}))) == ""


def test_the_advice_works_and_the_run_after_it_is_quiet(target, make, query):
    target.load(*run(make, BOTH, 5))
    whole = target.load(*run(make, {}, *range(6), first=False))  # without a state
    after = target.load(*run(make, BOTH, 6))

    assert (reported(whole), reported(after)) == ("", "")
    assert query("SELECT count(*) FROM {s}.cases") == [(7,)]


FIRST = {
    "bookmarks after records": lambda make: run(make, None, 1, first=False),
    "bookmarks of empty streams, made one after the other": lambda make: [
        *run(make, {"currently_syncing": "cases"}),
        *run(make, None, first=False),
    ],
}


@pytest.mark.parametrize("name", FIRST)
def test_a_first_run_is_quiet(target, make, name):
    assert reported(target.load(*FIRST[name](make))) == ""


def test_an_unfinished_first_version_is_no_missing_table(target, make, query):
    stream = make.schema("cases", {"id": "integer"}, ["id"])
    mark = {"bookmarks": {"cases": {"version": 7, "position": 1}}}
    first = target.run(stream, make.record("cases", {"id": 1}, 7), make.state(mark), "{")
    assert (first.code, reported(first)) == (65, "")
    rest = [make.state(mark), stream, make.record("cases", {"id": 2}, 7)]
    second = target.load(*rest, make.activate("cases", 7), make.state(mark))

    assert reported(second) == ""
    assert query("SELECT id FROM {s}.cases ORDER BY id") == [(1,), (2,)]


def test_an_empty_stream_that_was_read_before_is_quiet(target, make):
    target.load(*run(make, {}))
    assert reported(target.load(*run(make, BOTH))) == ""


def test_a_mapped_stream_is_known_by_its_name_in_the_state(target, make, query):
    maps = {"stream_maps": {"cases": {"__alias__": "files", "id": "id"}}}
    assert reported(target.load(*run(make, BOTH, 1, streams=["cases"]), **maps)) == "files"
    assert reported(target.load(*run(make, BOTH, 2, streams=["cases"]), **maps)) == ""
    assert query("SELECT count(*) FROM {s}.files") == [(2,)]
