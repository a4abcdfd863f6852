"""The bookmark of visits, and the progress of a read of all opportunities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tap_commcare_connect.incremental.bookmarks import ReadProgress
from tap_commcare_connect.incremental.visit_state import VisitState

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=8)
BEGAN = "2026-11-20T12:00:00.000000Z"
FUTURE = "2999-01-01T00:00:00.000000Z"
FAR = 32_472_144_000_000  # the same time, in milliseconds


def progress(**more) -> ReadProgress:
    return ReadProgress(BEGAN, **more)


def test_progress_has_what_is_done_and_where_the_others_are():
    known = progress()
    known.advance(3, 10)
    known.advance(5, 12)
    known.advance(3, None)

    assert known.done == [3]
    assert (known.last_id(5), known.last_id(7)) == (12, None)
    assert ReadProgress.stored(known.entry(), [], NOW) == known


@pytest.mark.parametrize(
    ("entry", "scope", "now"),
    [
        (None, [], NOW),
        ({"at": "of another program"}, [], NOW),
        ({"began_at": "soon"}, [], NOW),
        ({"began_at": BEGAN, "done": 5, "open": []}, [], NOW),
        (progress().entry(), [[1], [], []], NOW),
        (progress().entry(), [], NOW + timedelta(days=4)),
    ],
)
def test_progress_under_other_filters_or_from_long_ago_is_not_resumed(entry, scope, now):
    assert ReadProgress.stored(entry, scope, now) is None


@pytest.mark.parametrize(
    "held",
    [
        {"opportunities": {"1": 5}},
        {"opportunities": {"1": {"id": "abc"}}},
        {"full_read": 5, "opportunities": {"1": {"id": 5}}},
        {"full_read_at": "soon", "opportunities": {"1": {"id": 5}}},
        {"failed": 5},
        {"full_read_at": FUTURE},
        {"full_read_failed_at": FUTURE},
        {"first_read_at": FUTURE},
        {"last_version": FAR},
        {"last_version": 2**63},
        {"full_read_at": "9999-12-31T23:59:59-14:00"},
        {"full_read": {"version": FAR, "position": {"began_at": FUTURE}, "ends": {}}},
        {"opportunities": {"3": {"id": -1}}},
        {"opportunities": {"3": {"id": 2**63}}},
    ],
)
def test_a_state_that_this_tap_cannot_have_written_is_ignored(held, caplog):
    state = VisitState(held, NOW)

    assert state.last_id(1) is None
    assert state.resumable_full_read([], NOW) is None
    assert not state.is_full_read_due(NOW, 7, [])
    assert "all visits are read again" in caplog.text


def test_an_opportunity_is_unchanged_once_it_was_read_to_its_end():
    state = VisitState({}, NOW)
    state.record_page(3, 50)
    in_the_middle = state.is_unchanged(3, 20)
    state.record_end(3, 20)

    assert not in_the_middle
    assert state.is_unchanged(3, 20)
    assert not state.is_unchanged(3, 21)
    assert not state.is_unchanged(3, None)
    assert not state.is_unchanged(4, 0)
    state.record_page(3, 40)
    assert (state.last_id(3), state.is_unchanged(3, 20)) == (50, False)


def test_the_first_read_counts_as_a_full_read_once_it_is_complete():
    state = VisitState({}, NOW)
    state.begin_first_read(NOW, [])
    state.record_page(1, 5)
    state = VisitState(state.entry, NOW)
    state.begin_first_read(NOW + timedelta(days=1), [])
    state.record_failed([])

    assert state.entry["full_read_at"] == BEGAN
    assert not state.is_full_read_due(NOW + timedelta(days=6), 7, [])
    assert state.is_full_read_due(LATER, 7, [])
    assert state.is_full_read_due(NOW, 7, ["images"])
    assert state.is_full_read_due(NOW, 0, [])


def test_a_first_read_that_is_never_complete_is_followed_by_a_full_read():
    state = VisitState({}, NOW)
    state.begin_first_read(NOW, [])
    state.record_page(1, 5)

    assert not state.is_full_read_due(NOW, 7, [])
    assert state.is_full_read_due(LATER, 7, [])


def full_read(state: VisitState, version: int) -> ReadProgress:
    known = progress(done=[1, 2])
    state.save_full_read(version, known, {"1": [70, 9], "2": [None, 0]})
    return known


def test_what_a_full_read_found_counts_from_its_completion_on():
    state = VisitState({}, NOW)
    state.record_page(1, 50)
    state.record_page(9, 60)
    known = full_read(state, 7)
    before = state.last_id(1)
    resumed = VisitState(state.entry, NOW)
    found = resumed.resumable_full_read([], NOW)
    resumed.complete_full_read(known, 7, [])

    assert before == 50
    assert found == (7, known)
    assert resumed.is_unchanged(1, 9)
    assert resumed.last_id(1) == 70
    assert resumed.is_unchanged(2, 0)
    # What is no longer seen was removed, and would have to be read again.
    assert resumed.last_id(9) is None
    assert resumed.entry["full_read_at"] == BEGAN
    assert "full_read" not in resumed.entry
    assert resumed.next_version(datetime(1970, 1, 1, tzinfo=UTC)) == 8


def test_an_abandoned_full_read_changes_no_bookmark_and_is_tried_again_after_a_day():
    state = VisitState({}, NOW)
    state.record_page(1, 50)
    state.record_end(1, 5)
    state.abandon_full_read(full_read(state, 7), 7)

    assert state.last_id(1) == 50
    assert state.is_unchanged(1, 5)
    assert not state.is_full_read_due(NOW + timedelta(hours=23), 7, [])
    assert state.is_full_read_due(NOW + timedelta(hours=25), 7, [])
    assert state.next_version(NOW) > 7
