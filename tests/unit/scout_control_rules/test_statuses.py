"""The allowed status changes of runs and datasets."""

from __future__ import annotations

import pytest
from scout_control.rules import statuses
from scout_control.rules.statuses import DatasetStatus, RunStatus

from scout_control import errors


def test_an_ended_run_never_changes_its_status():
    ended = set(RunStatus) - set(statuses.LIVE)

    assert ended == {"completed", "partial", "failed", "cancelled"}
    assert [status for status in ended if statuses.NEXT_OF_RUN[status]] == []


def test_every_live_run_can_be_cancelled_and_can_fail():
    assert set(statuses.run_predecessors(RunStatus.CANCELLED)) == set(statuses.LIVE)
    assert set(statuses.run_predecessors(RunStatus.FAILED)) == set(statuses.LIVE)


def test_only_a_running_run_can_complete_or_pause():
    assert statuses.run_predecessors(RunStatus.COMPLETED) == (RunStatus.RUNNING,)
    assert statuses.run_predecessors(RunStatus.PAUSED) == (RunStatus.RUNNING,)


def test_a_run_goes_back_to_the_queue_only_from_a_worker():
    assert statuses.run_predecessors(RunStatus.QUEUED) == (RunStatus.RUNNING,)


def test_a_dataset_is_not_expired_while_it_is_synced():
    assert DatasetStatus.SYNCING not in statuses.dataset_predecessors(DatasetStatus.EXPIRED)
    assert set(statuses.dataset_predecessors(DatasetStatus.SYNCING)) == set(DatasetStatus)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errors.NotFoundError, "NOT_FOUND"),
        (errors.CredentialMissingError, "AUTH_TOKEN_MISSING"),
        (errors.CredentialRefusedError, "AUTH_TOKEN_EXPIRED"),
        (errors.SettingsError, "VALIDATION_ERROR"),
        (errors.RunFailedError, "INTERNAL_ERROR"),
        (errors.NetworkError, "NETWORK_ERROR"),
        (errors.ServerUnavailableError, "NETWORK_ERROR"),
        (errors.ConflictError, "CONFLICT"),
        (errors.OwnershipError, "CONFLICT"),
        (errors.PermissionDeniedError, "PERMISSION_DENIED"),
        (errors.PrivilegeError, "PERMISSION_DENIED"),
    ],
)
def test_every_failure_has_an_error_code(error, name):
    assert statuses.code(error("What happened.", "What to do.")) == name


def test_a_cancelled_run_restores_the_status_of_its_dataset():
    assert statuses.after_cancel(has_data=True) == DatasetStatus.READY
    assert statuses.after_cancel(has_data=False) == DatasetStatus.PENDING
