"""How well a dataset is, from what the store knows of it; and what monitoring is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

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


class Condition(StrEnum):
    """What a dataset is or does, for people; the worst first."""

    FAILED = "failed"
    ATTENTION = "attention"
    UNLINKED = "unlinked"
    NEVER_LOADED = "never loaded"
    INTERRUPTED = "interrupted"
    """Its first load was, and what that loaded is kept."""
    QUEUED = "queued"
    PAUSED = "paused"
    RUNNING = "running"
    FINE = "fine"


FAILED_BEFORE = "Its last run failed; its credential was stored again since, and it has not run yet"
NO_WORKER = "No worker is running. Start one: scout worker"
INTERRUPTED = "Interrupted: its worker has ended or lost the store."
ORDER = {condition: place for place, condition in enumerate(Condition)}
IN_PROGRESS = frozenset({Condition.QUEUED, Condition.PAUSED, Condition.RUNNING})


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
    is_interrupted: bool = False
    """Whether that run is ``running``, but its worker does not execute it any longer."""
    transform_error: str | None = None
    """Of the last run that ended."""
    refusal: str | None = None
    """Why the credential that it is read with cannot be used, and what to do."""
    is_reset: bool = False
    """Whether that is because the credential was deleted, which the last run did not know."""
    is_linked: bool = True
    """Whether its project still uses its source."""
    remains: str | None = None
    """Of a dataset that is not linked: until when its data is kept, and what to do."""
    unmatched_rules: str | None = None
    """What to tell of rules for columns that matched nothing."""
    has_worker: bool = True
    """Whether any worker of the installation is alive."""
    is_partly_loaded: bool = False
    """Whether its last run was cancelled or interrupted, and what that loaded is kept."""
    command: str = "scout run DATASET"
    """Loads it now, or resumes its run."""


def assess(facts: Facts, now: datetime) -> tuple[Condition, str | None]:
    """Return what a dataset is or does, and why it is not fine."""
    if not facts.is_linked and facts.run_status != RunStatus.RUNNING:
        # First: whatever kept it from being read does not matter any longer.
        return Condition.UNLINKED, facts.remains
    if facts.status == DatasetStatus.EXPIRED and not facts.run_status:
        return Condition.FINE, None
    failure, trouble = _failure(facts), _run_trouble(facts, now) or _last_trouble(facts)
    if failure or trouble:
        return (Condition.FAILED, failure) if failure else (Condition.ATTENTION, trouble)
    return _condition(facts), NO_WORKER if _lacks_worker(facts, now) else None


def health_of(condition: Condition, reason: str | None) -> Health:
    """Return how well a dataset is, from what ``assess`` returned."""
    if condition is Condition.FAILED:
        return Health.FAILED
    if reason:
        return Health.ATTENTION
    return Health.RUNNING if condition in IN_PROGRESS else Health.FINE


def _condition(facts: Facts) -> Condition:
    if facts.run_status:
        return Condition(facts.run_status)
    if facts.status != DatasetStatus.PENDING:
        return Condition.FINE
    return Condition.INTERRUPTED if facts.is_partly_loaded else Condition.NEVER_LOADED


def _lacks_worker(facts: Facts, now: datetime) -> bool:
    """Return whether a dataset has no data and gets none, because nothing would load it.

    One that has data may wait a while: a worker is restarted now and then.
    """
    if facts.has_worker or facts.status not in {DatasetStatus.PENDING, DatasetStatus.EXPIRED}:
        return False
    is_due = facts.next_sync_at is not None and facts.next_sync_at <= now and not facts.is_paused
    return facts.run_status == RunStatus.QUEUED or (not facts.run_status and is_due)


def _failure(facts: Facts) -> str | None:
    """Return why a dataset cannot be loaded."""
    if facts.status == DatasetStatus.ERROR and not facts.is_reset:
        return facts.sync_error or FAILED_BEFORE
    return facts.refusal


def _last_trouble(facts: Facts) -> str | None:
    """Return what the last run could not do."""
    if facts.status == DatasetStatus.EXPIRED:
        return None
    if facts.sync_error:
        return facts.sync_error
    if facts.transform_error:
        return f"dbt failed: {facts.transform_error}"
    return facts.unmatched_rules


def _run_trouble(facts: Facts, now: datetime) -> str | None:
    """Return what keeps the schedule from being met."""
    if facts.run_status == RunStatus.RUNNING:
        return _interrupted(facts) if facts.is_interrupted else None
    since = facts.run_since if facts.run_status else facts.next_sync_at
    if since is None or (facts.is_paused and not facts.run_status):
        return None
    if now - since <= OVERDUE_AFTER:
        return None
    what = "Its run has been waiting" if facts.run_status else "It has been due"
    late = f"{what} since {since:%Y-%m-%d %H:%MZ}"
    if facts.has_worker:
        return f"{late}: its worker has other runs, or is stuck. To load it now: {facts.command}"
    return f"{late}. {NO_WORKER}"


def _interrupted(facts: Facts) -> str:
    if facts.has_worker:
        return f"{INTERRUPTED} Another one resumes it within minutes; or now: {facts.command}"
    return f"{INTERRUPTED} To resume it: {facts.command}; or start a worker: scout worker"


def monitoring_code(found: Iterable[Health]) -> MonitoringCode:
    """Return the exit code of a check for these datasets."""
    known = set(found)
    if Health.FAILED in known:
        return MonitoringCode.CRITICAL
    return MonitoringCode.WARNING if Health.ATTENTION in known else MonitoringCode.OK
