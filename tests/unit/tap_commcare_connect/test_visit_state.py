"""The bookmark of visits, and the progress of a read of all opportunities."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_commcare_connect.incremental.bookmarks import ReadProgress, stored_ids
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
        {"full_read": {"version": 5, "position": {}, "ends": {"one": [1, 2, 3]}}},
        {"full_read": {"version": 5, "position": {}, "ends": {"1": []}}},
        {"full_read": {"version": 5, "position": {}, "ends": {"1": [1]}}},
        {"full_read": {"version": 5, "position": {}, "ends": {"1": [1, 2, 3, 4]}}},
        {"full_read": {"version": 5, "position": {}, "ends": {"1": ["a", 2, 3]}}},
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat()) | st.text(
    max_size=12
)
PLAUSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "opportunities": st.dictionaries(
            st.sampled_from(["1", "2", "x", "-1"]),
            st.dictionaries(st.sampled_from(["id", "visits", "review", "é"]), st.integers(-1, 9)),
        ),
        "full_read": st.fixed_dictionaries(
            {
                "version": st.integers(-1, 10**13),
                "position": st.fixed_dictionaries({"began_at": TIMES | st.just(BEGAN)}),
                "ends": st.dictionaries(
                    st.sampled_from(["1", "2", "x", "007"]),
                    st.lists(st.none() | st.integers(-1, 9), max_size=4),
                ),
            }
        )
        | JSON,
        "full_read_at": TIMES,
        "full_read_failed_at": TIMES,
        "first_read_at": TIMES,
        "failed": st.lists(st.integers()) | JSON,
        "scope": JSON,
        "last_version": st.integers() | JSON,
    },
)


@given(entry=PLAUSIBLE | st.dictionaries(st.text(max_size=5), JSON))
def test_no_state_whatever_wrote_it_stops_a_read(entry):
    state = VisitState(entry, NOW)
    resumable = state.resumable_full_read([], NOW)
    state.is_full_read_due(NOW, 7, [])
    version = state.next_version(NOW)
    state.begin_first_read(NOW, [])
    state.record_page(1, 5)
    state.record_failed(state.failed)
    progress = ReadProgress(BEGAN) if resumable is None else resumable[1]
    state.save_full_read(version, progress, state.ends())
    state.complete_full_read(progress, version, [])

    again = VisitState(json.loads(json.dumps(state.entry)), NOW)
    assert again.entry["last_version"] == version
    assert again.next_version(NOW) > version


@pytest.mark.parametrize("name", ["full_read_at", "full_read_failed_at", "first_read_at"])
@pytest.mark.parametrize("spelled", ["2026-11-20t12:00:00z", "2026-11-20 12:00:00+00:00", BEGAN])
def test_a_time_in_the_state_may_have_any_spelling_of_rfc_3339(name, spelled):
    state = VisitState({name: spelled, "opportunities": {"1": {"id": 5}}}, NOW)

    assert not state.is_full_read_due(NOW, 7, [])
    assert state.is_full_read_due(LATER, 7, [])


STEPS = st.lists(st.tuples(st.integers(1, 3), st.none() | st.integers(1, 50)), max_size=30)


@given(steps=STEPS)
def test_progress_stored_after_any_page_resumes_as_it_stood(steps):
    known = progress()
    last: dict[int, int] = {}
    done: set[int] = set()
    for opportunity, last_id in steps:
        known.advance(opportunity, last_id)
        if last_id is None:
            done.add(opportunity)
            last.pop(opportunity, None)
        else:
            last[opportunity] = last_id
        stored = ReadProgress.stored(json.loads(json.dumps(known.entry())), [], NOW)

        assert stored == known
        assert set(stored.done) == done
        assert len(stored.done) == len(done)
        assert {number: stored.last_id(number) for number in last} == last
        assert stored.is_resumed == bool(done or last)


@given(ids=st.lists(st.integers(0, 99), min_size=1, max_size=20))
def test_a_bookmark_never_moves_back_whatever_the_order_of_ids(ids):
    state = VisitState({}, NOW)
    seen = []
    for each in ids:
        state.record_page(1, each)
        seen.append(state.last_id(1))

    assert seen == sorted(seen)
    assert seen[-1] == max(ids)


@pytest.mark.parametrize(
    ("age", "is_resumed"),
    [
        (timedelta(hours=-1), False),
        (timedelta(minutes=-59), True),
        (timedelta(0), True),
        (timedelta(days=3) - timedelta(microseconds=1), True),
        (timedelta(days=3), False),
    ],
    ids=["far ahead", "a clock that is ahead", "now", "just in time", "too old"],
)
def test_progress_is_resumed_within_its_days(age, is_resumed):
    known = progress(done=[1])

    assert (ReadProgress.stored(known.entry(), [], NOW + age) is not None) is is_resumed


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (None, []), ({}, []), ("12", []), ([], []), ([1, "2", 3.0, None, True, [4]], [1]),
        ([2**70, -1], [2**70, -1]),
    ],
)  # fmt: skip
def test_only_numbers_in_a_list_of_a_state_are_ids(value, ids):
    assert stored_ids(value) == ids
