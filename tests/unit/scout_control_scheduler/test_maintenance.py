"""What background jobs decide, as tables: dead workers, lost jobs, unused data."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta

import pytest
from scout_control.rules import expiry
from scout_control.rules.statuses import DatasetStatus
from scout_control.scheduler import maintenance

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("deaths", "status"),
    [(1, "queued"), (expiry.MAX_WORKER_DEATHS - 1, "queued"), (expiry.MAX_WORKER_DEATHS, "failed")],
)
def test_a_run_that_kills_worker_after_worker_fails_in_the_end(deaths, status):
    assert maintenance.status_after_death(deaths) == status


def test_waiting_runs_that_no_job_names_are_requeued_in_their_order():
    first, second, third = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()

    assert maintenance.without_job([first, second, third], {str(second)}) == [first, third]
    assert maintenance.without_job([], {str(second)}) == []


@pytest.mark.parametrize(
    ("status", "sync_error", "unused", "is_dropped"),
    [
        ("ready", None, DAY, True),
        ("ready", None, DAY - timedelta(seconds=1), False),
        ("error", "It broke.", DAY, True),
        ("pending", None, DAY, True),
        ("syncing", None, DAY, False),
        ("expired", None, 3 * DAY, False),
        ("expired", "Could not be dropped.", timedelta(), True),
    ],
)
def test_unused_data_is_dropped_and_what_could_not_be_is_tried_again(
    status, sync_error, unused, is_dropped
):
    status = DatasetStatus(status)

    assert maintenance.should_drop(status, sync_error, unused, 24.0) is is_dropped
    assert not maintenance.should_drop(DatasetStatus.READY, None, unused, math.inf)


def test_a_round_begins_nothing_new_after_its_time_or_when_it_is_told_to_stop(monkeypatch):
    now, is_stopping = 1000.0, False
    monkeypatch.setattr(maintenance.time, "monotonic", lambda: now)
    is_late = maintenance._time_limit(lambda: is_stopping)

    assert not is_late()
    now += expiry.MAINTENANCE_ROUND_LIMIT.total_seconds()
    assert not is_late()
    now += 1
    assert is_late()
    now, is_stopping = 1000.0, True
    assert is_late()


def test_why_data_cannot_be_dropped_is_logged_when_it_changes(caplog):
    one, other = uuid.uuid4(), uuid.uuid4()
    for dataset, why in [
        (one, "A view depends on it."),
        (one, "A view depends on it."),
        (other, "A view depends on it."),
        (one, "A session holds a lock."),
        (one, "A view depends on it."),
    ]:
        maintenance.log_when_new(dataset, why)

    assert [record.message for record in caplog.records] == [
        f"not_expired dataset={one}: A view depends on it.",
        f"not_expired dataset={other}: A view depends on it.",
        f"not_expired dataset={one}: A session holds a lock.",
        f"not_expired dataset={one}: A view depends on it.",
    ]
