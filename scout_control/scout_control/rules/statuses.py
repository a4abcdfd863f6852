"""The state machines of runs and datasets, as tables.

*Status* is a run's or a dataset's; *state* always means Singer's bookmarks. The store performs each
transition in one statement that names the allowed current statuses, so that a worker that finishes
a run and a person who cancels it cannot both succeed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from scout_control import errors

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunStatus(StrEnum):
    """The status of a run."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """The phase of a running run."""

    STARTED = "started"
    PROVISIONING = "provisioning"
    DISCOVERING = "discovering"
    LOADING = "loading"
    TRANSFORMING = "transforming"
    FINISHING = "finishing"
    DONE = "done"


class Stage(StrEnum):
    """The parts of a run as people see them; each is one or more phases."""

    PREPARE = "prepare"
    LOAD = "load"
    TRANSFORM = "transform"
    FINISH = "finish"


STAGES: Mapping[Phase, Stage] = {
    Phase.STARTED: Stage.PREPARE,
    Phase.PROVISIONING: Stage.PREPARE,
    Phase.DISCOVERING: Stage.PREPARE,
    Phase.LOADING: Stage.LOAD,
    Phase.TRANSFORMING: Stage.TRANSFORM,
    Phase.FINISHING: Stage.FINISH,
    Phase.DONE: Stage.FINISH,
}


ON_REQUEST = "cancelled on request"
"""Why a run was cancelled, where nothing else is known."""
STAGE_SECONDS = "phase_seconds"
"""Where the result of a run keeps the seconds of its stages, of all attempts together."""


class DatasetStatus(StrEnum):
    """The status of a dataset."""

    PENDING = "pending"
    SYNCING = "syncing"
    READY = "ready"
    ERROR = "error"
    EXPIRED = "expired"


class Trigger(StrEnum):
    """Why a run was started."""

    MANUAL = "manual"
    SCHEDULE = "schedule"


NEXT_OF_RUN: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {
            RunStatus.QUEUED,  # requeued by a worker that stops, or reclaimed from one that died
            RunStatus.PAUSED,
            RunStatus.COMPLETED,
            RunStatus.PARTIAL,
            RunStatus.FAILED,
            RunStatus.CANCELLED,
        }
    ),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.PARTIAL: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
LIVE = tuple(status for status, following in NEXT_OF_RUN.items() if following)
WAITING = (RunStatus.QUEUED, RunStatus.PAUSED)

NEXT_OF_DATASET: Mapping[DatasetStatus, frozenset[DatasetStatus]] = {
    DatasetStatus.PENDING: frozenset(
        {DatasetStatus.SYNCING, DatasetStatus.ERROR, DatasetStatus.EXPIRED}
    ),
    DatasetStatus.SYNCING: frozenset(
        {DatasetStatus.READY, DatasetStatus.ERROR, DatasetStatus.PENDING, DatasetStatus.SYNCING}
    ),
    DatasetStatus.READY: frozenset(
        {DatasetStatus.SYNCING, DatasetStatus.ERROR, DatasetStatus.EXPIRED}
    ),
    DatasetStatus.ERROR: frozenset({DatasetStatus.SYNCING, DatasetStatus.EXPIRED}),
    DatasetStatus.EXPIRED: frozenset({DatasetStatus.SYNCING, DatasetStatus.PENDING}),
}

# Error codes in JSON results, a public contract. First match wins.
CODES: tuple[tuple[type[errors.ControlError], str], ...] = (
    (errors.NotFoundError, "NOT_FOUND"),
    (errors.CredentialMissingError, "AUTH_TOKEN_MISSING"),
    (errors.CredentialRefusedError, "AUTH_TOKEN_EXPIRED"),
    (errors.RunPausedError, "RATE_LIMITED"),
    (errors.SettingsError, "VALIDATION_ERROR"),
    (errors.ConflictError, "CONFLICT"),
    (errors.BusyError, "RATE_LIMITED"),
    (errors.OwnershipError, "CONFLICT"),
    (errors.NetworkError, "NETWORK_ERROR"),
    (errors.ServerUnavailableError, "NETWORK_ERROR"),
    (errors.PermissionDeniedError, "PERMISSION_DENIED"),
    (errors.ForbiddenError, "PERMISSION_DENIED"),
    (errors.NotSignedInError, "AUTH_TOKEN_MISSING"),
    (errors.TooManyAttemptsError, "RATE_LIMITED"),
    (errors.PrivilegeError, "PERMISSION_DENIED"),
    (errors.QueryTimeoutError, "QUERY_TIMEOUT"),
    (errors.QueryError, "VALIDATION_ERROR"),
    (errors.DataRefusedError, "VALIDATION_ERROR"),
    (errors.RunInterruptedError, "CANCELLED"),
    (errors.ControlError, "INTERNAL_ERROR"),
)


def run_predecessors(target: RunStatus) -> tuple[RunStatus, ...]:
    """Return the statuses from which a run may change to ``target``."""
    return tuple(status for status, following in NEXT_OF_RUN.items() if target in following)


def dataset_predecessors(target: DatasetStatus) -> tuple[DatasetStatus, ...]:
    """Return the statuses from which a dataset may change to ``target``."""
    return tuple(status for status, following in NEXT_OF_DATASET.items() if target in following)


def code(error: errors.ControlError) -> str:
    """Return the error code of a failure in JSON results."""
    return next(name for kind, name in CODES if isinstance(error, kind))


def seconds_together(*attempts: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of each stage in several attempts at a run."""
    stages = dict.fromkeys(stage for each in attempts for stage in each)
    return {stage: round(sum(each.get(stage, 0) for each in attempts), 1) for stage in stages}


def after_cancel(*, has_data: bool) -> DatasetStatus:
    """Return the status of a dataset whose run was cancelled."""
    return DatasetStatus.READY if has_data else DatasetStatus.PENDING
