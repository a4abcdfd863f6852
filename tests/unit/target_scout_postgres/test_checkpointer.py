"""When rows are handed over, when they are committed, and when STATE is printed."""

from __future__ import annotations

import pytest
from support.target_loading import REQUIRED, Loading
from target_scout_postgres import settings
from target_scout_postgres.loading.buffers import StreamBuffer
from target_scout_postgres.loading.checkpoint_policy import (
    IDLE_SECONDS,
    MAX_REJECTS,
    NO_LIMIT,
    CheckpointPolicy,
    Progress,
)
from target_scout_postgres.loading.load_log import LoadStatus, RejectedRecord


def policy(**options) -> CheckpointPolicy:
    return CheckpointPolicy(settings.validate(REQUIRED | options))


@pytest.mark.parametrize(
    ("options", "rows", "size", "is_full", "room"),
    [
        ({"batch_size_rows": 10}, 9, 0, False, 1),
        ({"batch_size_rows": 10}, 10, 0, True, 1),
        ({"batch_size_rows": 0}, 10**9, 0, False, NO_LIMIT),
        ({"batch_size_bytes": 100}, 1, 99, False, 99_999),
        ({"batch_size_bytes": 100}, 1, 100, True, 99_999),
    ],
)
def test_a_batch_is_limited_by_rows_and_bytes(options, rows, size, is_full, room):
    buffer = StreamBuffer(keeps_lines=False)
    buffer.buffered_rows, buffer.buffered_bytes = rows, size

    assert policy(**options).is_full(buffer) is is_full
    assert policy(**options).room(buffer) == room


def test_all_buffers_have_one_budget_and_are_flushed_to_half_of_it():
    limits = policy(batch_size_bytes=100)

    assert (limits.exceeds_budget(299), limits.exceeds_budget(300)) == (False, True)
    assert (limits.is_relieved(150), limits.is_relieved(149)) == (False, True)


@pytest.mark.parametrize(
    ("seconds", "written", "has_activations", "expected"),
    [
        (0.0, 0, False, False),
        (2.9, 0, False, False),
        (3.0, 0, False, True),
        (0.0, 25_599, False, False),
        (0.0, 25_600, False, True),
        (0.0, 0, True, True),
    ],
)
def test_when_a_state_calls_for_a_checkpoint(seconds, written, has_activations, expected):
    limits = policy(batch_size_bytes=100, batch_wait_limit_seconds=3)

    assert limits.is_due_after_state(seconds, written, has_activations=has_activations) is expected


@pytest.mark.parametrize(
    ("progress", "is_idle", "expected"),
    [
        (Progress(0, has_written=False, has_buffered=True, has_state=True), False, False),
        (Progress(3, has_written=False, has_buffered=True, has_state=False), False, True),
        (Progress(3, has_written=False, has_buffered=False, has_state=True), False, True),
        (Progress(3, has_written=False, has_buffered=False, has_state=False), False, False),
        # no transaction may stay open while there is no input
        (Progress(0, has_written=True, has_buffered=False, has_state=False), True, True),
        (Progress(0, has_written=False, has_buffered=True, has_state=True), True, False),
        (Progress(IDLE_SECONDS, has_written=False, has_buffered=False, has_state=True), True, True),
        (
            Progress(IDLE_SECONDS, has_written=False, has_buffered=True, has_state=False),
            True,
            False,
        ),
    ],
)
def test_when_a_checkpoint_is_due(progress, is_idle, expected):
    assert policy(batch_wait_limit_seconds=3).is_due(progress, is_idle=is_idle) is expected


@pytest.mark.parametrize(
    ("load_method", "is_end", "expected"),
    [
        ("upsert", False, True),
        ("append-only", False, True),
        ("overwrite", False, False),
        ("overwrite", True, True),
    ],
)
def test_overwrite_prints_state_only_at_the_end(load_method, is_end, expected):
    assert policy(load_method=load_method).may_print_state(is_end=is_end) is expected


def test_state_is_printed_after_the_commit_of_the_rows_that_precede_it():
    loading = Loading()
    people = loading.open("people", "id")
    loading.receive(people, 2)
    loading.wait(60)
    loading.checkpointer.take_state(b'{"n":1}')

    assert loading.events == [("write", "people", 2, False), "commit", ("STATE", '{"n":1}')]


def test_a_commit_that_fails_prints_no_state():
    loading = Loading()

    def fail(checkpoint):
        raise ValueError("disk full")

    loading.loader.checkpoint = fail
    loading.wait(60)
    loading.checkpointer.take_state(b"{}")

    with pytest.raises(ValueError, match="disk full"):
        loading.checkpointer.end(LoadStatus.COMPLETED)
    assert loading.loader.events == []


def test_only_the_last_state_of_a_checkpoint_is_printed():
    loading = Loading()
    loading.checkpointer.take_state(b"1")
    loading.checkpointer.take_state(b"2")
    loading.checkpointer.checkpoint()
    loading.checkpointer.checkpoint()

    assert loading.events == ["commit", ("STATE", "2"), "commit"]


def test_rows_without_key_stay_in_the_buffer_until_a_state_covers_them():
    loading = Loading()
    log = loading.open("log")
    loading.receive(log)
    loading.checkpointer.checkpoint()
    assert loading.events == ["commit"]

    loading.checkpointer.take_state(b"1")
    loading.receive(log, 2)
    loading.checkpointer.checkpoint()
    assert loading.events == [("write", "log", 1, False), "commit", ("STATE", "1")]
    assert log.buffer.buffered_rows == 2


def test_a_full_buffer_without_state_is_withheld_and_what_follows_waits_behind_it():
    loading = Loading(batch_size_rows=2)
    log = loading.open("log")
    loading.receive(log, 2)
    assert loading.events == [("withhold", "log", 2, 1)]

    loading.checkpointer.take_state(b"1")
    loading.receive(log, 2)
    assert loading.events == [("release", "log", 1), ("withhold", "log", 2, 2)]

    loading.checkpointer.take_state(b"2")
    loading.checkpointer.checkpoint()
    assert loading.events == [("release", "log", 2), "commit", ("STATE", "2")]


def test_the_end_of_the_input_covers_everything_and_its_failure_does_not():
    ended, failed = Loading(), Loading()
    for loading, status in ((ended, LoadStatus.COMPLETED), (failed, LoadStatus.FAILED)):
        loading.receive(loading.open("log"))
        loading.checkpointer.end(status)

    assert ended.loader.events == [("write", "log", 1, False), "commit", "drop withheld", "close"]
    assert failed.loader.events == ["commit", "drop withheld", "close"]


def test_the_largest_buffers_are_flushed_when_all_together_exceed_the_budget():
    loading = Loading(batch_size_bytes=1_000)
    sizes = {"small": 200, "middle": 700, "large": 900}
    streams = {name: loading.open(name, "id") for name in sizes}
    for name, size in sizes.items():
        loading.receive(streams[name], size=size)
    assert loading.events == []

    fourth = loading.open("fourth", "id")
    loading.receive(fourth, size=950)
    loading.receive(streams["small"], size=300)
    written = [event[1] for event in loading.events]
    assert written == ["fourth", "large"]


def test_a_due_checkpoint_waits_for_its_time_unless_there_is_no_input():
    loading = Loading(batch_wait_limit_seconds=5, batch_size_rows=1)
    people = loading.open("people", "id")
    loading.receive(people)
    loading.checkpointer.checkpoint_if_due(is_idle=False)
    assert "commit" not in loading.events

    loading.checkpointer.checkpoint_if_due(is_idle=True)
    assert loading.events == ["commit"]

    loading.checkpointer.checkpoint_if_due(is_idle=True)
    assert loading.events == []


def test_rejected_records_are_committed_with_the_state_that_covers_them():
    loading = Loading(on_invalid_record="reject")
    loading.checkpointer.reject(RejectedRecord("t", 1, "why", None))
    loading.checkpointer.checkpoint()
    assert loading.events == ["commit"]

    loading.checkpointer.take_state(b"1")
    loading.checkpointer.checkpoint()
    assert loading.events == ["commit", ("reject", "t", 1), ("STATE", "1")]


def test_too_many_rejected_records_are_committed_without_a_state():
    loading = Loading(on_invalid_record="reject")
    for number in range(MAX_REJECTS):
        loading.checkpointer.reject(RejectedRecord("t", number, "why", None))

    assert len(loading.events) == 1 + MAX_REJECTS


def test_a_version_with_key_is_activated_at_once_and_one_without_waits_for_its_state():
    loading = Loading()
    for name, key in (("keyed", ["id"]), ("plain", [])):
        stream = loading.open(name, *key)
        stream.versions.stage(7)
        loading.receive(stream)
        loading.checkpointer.activate(stream, 7)
    loading.checkpointer.checkpoint()
    assert ("activate", "keyed", 7) in loading.events
    plain = loading.checkpointer.streams["plain"]
    assert (plain.versions.pending, plain.versions.is_staged) == (7, True)

    loading.checkpointer.take_state(b"1")
    events = loading.events
    assert events.index(("activate", "plain", 7)) < events.index(("STATE", "1"))
    assert (plain.versions.active, plain.versions.is_staged) == (7, False)


def test_a_change_of_the_table_does_not_commit_appended_rows_without_their_state():
    loading = Loading()
    log = loading.open("log")
    loading.receive(log)
    loading.checkpointer.take_state(b"1")
    loading.checkpointer.flush(log)
    loading.checkpointer.begin_version(log, 3)

    assert loading.events == [
        ("write", "log", 1, False),
        "commit",
        ("STATE", "1"),
        ("begin", "log", 3),
    ]


def test_a_failure_of_the_writing_thread_is_raised_in_the_main_thread():
    loading = Loading()

    def fail(tables, batch):
        raise ValueError("no such table")

    loading.loader.write = fail
    people = loading.open("people", "id")
    loading.receive(people)
    loading.checkpointer.flush(people)

    with pytest.raises(ValueError, match="no such table"):
        loading.checkpointer.end(LoadStatus.COMPLETED)
