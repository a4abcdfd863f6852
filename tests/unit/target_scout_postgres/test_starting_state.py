"""Which bookmarks say that a stream was read, and which states a run may have started with."""

from __future__ import annotations

import json

import pytest
from support.target_loading import Loading
from target_scout_postgres.loading.starting_state import StartingState, streams_with_progress

PROGRESS = {
    "the SDK's": {"replication_key": "at", "replication_key_value": "2026-11-20T00:00:00Z"},
    "a property": {"updated_at": "2026-11-20T00:00:00Z"},
    "partitions": {"partitions": [{"context": {"domain": "a"}}, {"context": {}, "id": 17}]},
    "in the middle": {"version": 5, "position": {"offset": 100}},
    "a log position": {"log_file": "x.0001", "log_pos": 4, "version": 1},
    "a date-time alone": "2026-11-20",
}
NO_PROGRESS = {
    "nothing": {},
    "null": None,
    "a version": {"version": 7},
    "a start": {"starting_replication_value": "2020-01-01", "progress_markers": {"Note": "x"}},
    "of a full table": {"domain": "d", "last_version": 7},
    "a null value": {"replication_key": "at", "replication_key_value": None},
    "empty partitions": {"partitions": [{"context": {"domain": "a"}}]},
    "done": {"initial_full_table_complete": True},
}


@pytest.mark.parametrize("name", [*PROGRESS, *NO_PROGRESS])
def test_what_bookmarks_look_like(name):
    bookmark = (PROGRESS | NO_PROGRESS)[name]
    state = {"bookmarks": {"t": bookmark}, "currently_syncing": "other"}

    assert streams_with_progress(json.dumps(state).encode()) == (
        {"t"} if name in PROGRESS else set()
    )


def test_bookmarks_may_be_the_whole_state():
    state = {"cases": "2026-11-20", "forms": {"at": "2026-11-20"}}

    assert streams_with_progress(json.dumps(state).encode()) == {"cases", "forms"}


@pytest.mark.parametrize("text", ["", "[1]", '"x"', '{"bookmarks": 5}', '{"bookmarks": [{}]}', "{"])
def test_a_state_of_another_shape_claims_nothing(text):
    assert streams_with_progress(text.encode()) == set()


STATE = b'{"bookmarks": {"t": {"id": 7}}}'


def missing(*steps: str) -> bool:
    """Whether a stream is reported after some steps."""
    loading = Loading()
    state = StartingState(lambda _: True)
    stream = loading.open("t", "id")
    for step in steps:
        if step == "schema":
            state.add(stream, "t")
        elif step == "record":
            loading.receive(stream)
        else:
            state.observe(STATE if step == "state" else None)
    return bool(state.missing)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["state", "schema"], True),
        (["schema", "state"], True),
        (["schema", "record", "state"], False),  # made in this run
        (["schema", "empty", "state"], False),  # only the first one can be the starting state
        (["state"], False),
    ],
)
def test_only_a_first_state_before_the_first_record_was_given_to_the_tap(steps, expected):
    assert missing(*steps) is expected


def test_the_rows_of_an_unfinished_version_are_not_missing():
    loading = Loading()
    state = StartingState(lambda _: True)
    stream = loading.open("t", "id")
    stream.versions.stage(7)
    state.observe(STATE)
    state.add(stream, "t")

    assert state.missing == []
