"""How well a dataset is, from what the store knows of it; and what monitoring is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from scout_control.rules.expiry import is_interrupted
from scout_control.rules.statuses import DatasetStatus, RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

OVERDUE_AFTER = timedelta(minutes=30)
"""How late a due or queued run may be: a schedule is looked at every five minutes."""


class Health(StrEnum):
    """How well a dataset is, the worst first."""

    FAILED = "failed"
    ATTENTION = "attention"
    RUNNING = "running"
    FINE = "fine"


INTERRUPTED = "Interrupted: its worker has ended or lost the store. A worker resumes it; or run it."
ORDER = {health: place for place, health in enumerate(Health)}


class MonitoringCode(IntEnum):
    """The exit codes that monitoring systems such as Nagios and Icinga expect of a check."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a dataset."""

    status: str
    is_paused: bool
    sync_error: str | None
    next_sync_at: datetime | None
    run_status: str | None = None
    """Of the run that has not ended."""
    run_since: datetime | None = None
    """When that run last changed its status, or may be resumed."""
    heartbeat_at: datetime | None = None
    is_worker_gone: bool = False
    """Whether the process that executed the run is known to have ended."""
    transform_error: str | None = None
    """Of the last run that ended."""
    needs_reconnect: bool = False
    """Whether the credential that it is read with was refused."""


def assess(facts: Facts, now: datetime) -> tuple[Health, str | None]:
    """Return how well a dataset is, and why it is not fine."""
    if facts.status == DatasetStatus.EXPIRED:
        return Health.FINE, None
    failure, trouble = _failure(facts), _run_trouble(facts, now) or _last_trouble(facts)
    if failure or trouble:
        return (Health.FAILED, failure) if failure else (Health.ATTENTION, trouble)
    return (Health.RUNNING if facts.run_status else Health.FINE), None


def _failure(facts: Facts) -> str | None:
    """Return why a dataset cannot be loaded."""
    if facts.status == DatasetStatus.ERROR:
        return facts.sync_error or "The last run failed."
    if facts.needs_reconnect:
        return "Its credential was refused: a person must reconnect."
    return None


def _last_trouble(facts: Facts) -> str | None:
    """Return what the last run could not do."""
    if facts.sync_error:
        return facts.sync_error
    return f"dbt failed: {facts.transform_error}" if facts.transform_error else None


def _run_trouble(facts: Facts, now: datetime) -> str | None:
    """Return what keeps the schedule from being met."""
    if facts.run_status == RunStatus.RUNNING:
        is_gone = facts.is_worker_gone
        lost = is_interrupted(facts.heartbeat_at, now, is_worker_gone=is_gone)
        return INTERRUPTED if lost else None
    since = facts.run_since if facts.run_status else facts.next_sync_at
    if since is None or (facts.is_paused and not facts.run_status):
        return None
    if now - since <= OVERDUE_AFTER:
        return None
    what = "Its run has been waiting" if facts.run_status else "It has been due"
    return f"{what} since {since:%Y-%m-%d %H:%MZ}: is a worker running?"


def monitoring_code(found: Iterable[Health]) -> MonitoringCode:
    """Return the exit code of a check for these datasets."""
    known = set(found)
    if Health.FAILED in known:
        return MonitoringCode.CRITICAL
    return MonitoringCode.WARNING if Health.ATTENTION in known else MonitoringCode.OK
