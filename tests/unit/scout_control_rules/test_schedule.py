"""When datasets run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules import schedule

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@given(st.text())
def test_a_dataset_is_due_within_its_interval_at_its_own_offset(dataset):
    due = schedule.next_sync_at(NOW, DAY, dataset)

    assert NOW + DAY * 0.9 <= due <= NOW + DAY
    assert due == schedule.next_sync_at(NOW, DAY, dataset)


def test_datasets_that_were_connected_together_drift_apart():
    moments = {schedule.next_sync_at(NOW, DAY, str(number)) for number in range(1000)}

    assert len(moments) == 1000


def test_failures_wait_longer_and_longer_and_never_longer_than_the_interval():
    waits = [schedule.retry_at(NOW, failures, DAY) - NOW for failures in range(1, 40)]

    assert waits[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert waits == sorted(waits)
    assert waits[-1] == DAY
    assert schedule.retry_at(NOW, 9, timedelta(hours=1)) - NOW == timedelta(hours=1)


def test_ten_thousand_due_datasets_start_staggered():
    offsets = schedule.start_offsets(10_000)

    assert len(offsets) == 10_000
    assert offsets.count(timedelta()) == schedule.MAX_IMMEDIATE_STARTS
    assert max(offsets) < schedule.ROUND
    assert max(offsets.count(offset) for offset in offsets[1000:2000]) == 1


def test_a_few_due_datasets_start_immediately():
    assert schedule.start_offsets(3) == [timedelta()] * 3
    assert schedule.start_offsets(0) == []
