"""Decisions and transitions of a stream's versions, as a table."""

from __future__ import annotations

import pytest
from target_scout_postgres.loading.version_tracker import (
    MAX_SEEN,
    Destination,
    OnActivateVersion,
    VersionTracker,
)
from target_scout_postgres.postgres.schema_snapshot import StreamVersions


def after(*steps: tuple, stored: StreamVersions | None = None) -> VersionTracker:
    """Return a tracker after some transitions, each a method with its arguments."""
    tracker = VersionTracker()
    if stored is not None:
        tracker.resume(stored)
    for name, *arguments in steps:
        getattr(tracker, name)(*arguments)
    return tracker


ANNOUNCED_AND_STAGED = [("announce", 2), ("stage", 2), ("expect", 2), ("note_rows",)]
STAGED = [("stage", 2), ("expect", 2), ("note_rows",)]
ACTIVE_1 = StreamVersions(active=1)


@pytest.mark.parametrize(
    ("steps", "stored", "version", "has_rows", "expected"),
    [
        ([], None, 1, False, OnActivateVersion.ANNOUNCE),
        ([], ACTIVE_1, 1, False, OnActivateVersion.ALREADY_ACTIVE),
        ([], ACTIVE_1, 2, False, OnActivateVersion.ANNOUNCE),
        (STAGED, ACTIVE_1, 2, True, OnActivateVersion.ACTIVATE),
        (ANNOUNCED_AND_STAGED, ACTIVE_1, 2, True, OnActivateVersion.ACTIVATE),
        # announced again without a record in between
        ([("announce", 2), ("stage", 2)], ACTIVE_1, 2, False, OnActivateVersion.ACTIVATE),
        ([*STAGED, ("await_activation", 2)], None, 2, True, OnActivateVersion.ALREADY_ACTIVE),
        # an earlier run staged it, and its ACTIVATE_VERSION comes last
        ([], StreamVersions(1, 2), 2, False, OnActivateVersion.ACTIVATE),
        # an earlier run staged it after its announcement: this one only announces it again
        ([], StreamVersions(1, 2, is_announced=True), 2, False, OnActivateVersion.ANNOUNCE),
        # seen before the active one
        ([], StreamVersions(5, seen=[3]), 3, False, OnActivateVersion.OUTDATED),
        # lower, but never seen: some taps start over
        ([], StreamVersions(5), 3, False, OnActivateVersion.ANNOUNCE),
        # lower than the one that this run stages
        ([("stage", 5)], None, 3, True, OnActivateVersion.OUTDATED),
        # lower than one that only an earlier run staged
        ([], StreamVersions(1, 5), 3, False, OnActivateVersion.ANNOUNCE),
        # records without version have come, into the live table or a replacement
        ([("expect", None)], None, 1, True, OnActivateVersion.WITHOUT_RECORDS),
        ([("stage_replacement",)], None, 1, True, OnActivateVersion.WITHOUT_RECORDS),
        ([("stage_replacement",)], None, 1, False, OnActivateVersion.ANNOUNCE),
    ],
)
def test_what_an_activate_version_means(steps, stored, version, has_rows, expected):
    assert after(*steps, stored=stored).on_activate_version(version, has_rows=has_rows) is expected


@pytest.mark.parametrize(
    ("steps", "stored", "version", "expected"),
    [
        ([], None, None, Destination.LIVE),
        ([], None, 1, Destination.STAGE),
        ([], ACTIVE_1, 1, Destination.LIVE),
        ([], ACTIVE_1, 2, Destination.STAGE),
        ([("stage", 2)], ACTIVE_1, 2, Destination.UNCHANGED),
        ([("stage", 2)], ACTIVE_1, 3, Destination.STAGE),
        ([("stage", 2)], ACTIVE_1, 1, Destination.LIVE),
        # announced, and left out of the records
        ([("announce", 2), ("stage", 2)], ACTIVE_1, None, Destination.UNCHANGED),
        # staged by an earlier run, and the live table since
        ([("stage", 2), ("write_live", 1)], ACTIVE_1, 2, Destination.STAGE),
        ([("await_first_record",)], StreamVersions(None, 2), None, Destination.REPLACEMENT),
        ([("await_first_record",)], StreamVersions(None, 2), 2, Destination.STAGE),
    ],
)
def test_where_the_records_of_a_version_go(steps, stored, version, expected):
    assert after(*steps, stored=stored).destination(version) is expected


@pytest.mark.parametrize(
    ("steps", "stored", "expected"),
    [
        ([("stage", 2)], ACTIVE_1, {"loading": 2, "is_staged": True, "has_begun": True}),
        ([("stage", 2), ("stage", 3)], ACTIVE_1, {"loading": 3, "seen": [2]}),
        ([("stage", 2), ("stage", 2)], ACTIVE_1, {"loading": 2, "seen": []}),
        ([("announce", 2), ("stage", 2)], None, {"announced": 2}),
        ([("announce", 2), ("stage", 3)], None, {"announced": None}),
        ([("stage_replacement",), ("stage", 2)], None, {"replaces_table": False}),
        (
            [*ANNOUNCED_AND_STAGED, ("await_activation", 2), ("promote", 2)],
            ACTIVE_1,
            {
                "active": 2,
                "loading": None,
                "announced": None,
                "pending": None,
                "is_staged": False,
                "seen": [1],
            },
        ),
        ([("promote", 1)], ACTIVE_1, {"active": 1, "seen": []}),
        ([*STAGED, ("write_live", 2)], ACTIVE_1, {"active": 2, "loading": None, "seen": [1]}),
        # back to the active version: what was staged stays
        ([*STAGED, ("write_live", 1)], ACTIVE_1, {"loading": 2, "is_staged": False}),
        ([("write_live", None)], ACTIVE_1, {"active": 1, "is_staged": False}),
        ([("stage_replacement",), ("keep_table",)], None, {"is_staged": False}),
        ([("stage", 2), ("keep_table",)], None, {"is_staged": True}),
        ([("abandon_version",)], StreamVersions(None, 2), {"loading": None, "loaded": set()}),
        (STAGED, None, {"loaded": {2}}),
        ([("stage_replacement",), ("note_rows",)], None, {"loaded": set()}),
    ],
)
def test_transitions(steps, stored, expected):
    tracker = after(*steps, stored=stored)

    assert {name: getattr(tracker, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("steps", "has_key", "expected"),
    [
        ([], True, False),  # sent again, it changes nothing
        ([], False, True),
        ([("stage", 2)], False, True),
        ([("stage", 2)], True, False),
        ([("stage_replacement",)], False, False),  # the next run drops it
    ],
)
def test_which_rows_wait_for_their_state(steps, has_key, expected):
    assert after(*steps).waits(has_key=has_key) is expected


def test_only_a_new_version_that_is_lower_than_the_active_one_counts_anew():
    tracker = after(stored=StreamVersions(5))

    assert tracker.counts_anew(3)
    assert not tracker.counts_anew(7)
    tracker.stage(3)
    assert not tracker.counts_anew(3)


def test_the_load_log_shows_the_staged_version_or_else_the_active_one():
    assert after(stored=StreamVersions(1, 2)).current == 2
    assert after(stored=ACTIVE_1).current == 1
    assert after().current is None


def test_the_oldest_seen_versions_are_forgotten():
    tracker = after(*[("stage", version) for version in range(MAX_SEEN + 10)])

    assert len(tracker.seen) == MAX_SEEN
    assert tracker.seen[-1] == MAX_SEEN + 8
