"""Lifetimes and timeouts: unused data, tokens, runs without a heartbeat, locks."""

from __future__ import annotations

from datetime import datetime, timedelta

RENEW_TOKENS_BEFORE = timedelta(hours=1)
HEARTBEAT_INTERVAL = timedelta(seconds=2)
"""Interval at which a run reports that it is alive and learns that it was cancelled."""
MAX_STORE_OUTAGE = timedelta(seconds=60)
"""A worker that cannot reach the store for this long ends its own run."""
DEAD_AFTER = timedelta(seconds=120)
"""A run without a heartbeat for this long is reclaimed; must exceed ``MAX_STORE_OUTAGE``."""
SILENT_AFTER = 3 * HEARTBEAT_INTERVAL
"""A run that missed this many heartbeats, and whose worker's process has ended, is interrupted."""
MAX_WORKER_DEATHS = 5
"""A run whose worker died this often since its last pause waits for its next schedule."""
MAX_PAUSE = timedelta(days=7)
"""Upper bound for the wait that a source may request."""
HISTORY_RETENTION = timedelta(days=90)
LOG_RETENTION = timedelta(days=30)
"""How long the logs of runs are kept; the runs themselves are kept longer."""
READER_GRACE = timedelta(seconds=60)
"""How long sessions may keep data that is to be dropped, counted from the loss of access."""
LOCK_TIMEOUT = timedelta(seconds=3)
"""How long a statement waits for a lock; autovacuum yields after ``deadlock_timeout``, 1 s."""
STATEMENT_TIMEOUT = timedelta(minutes=5)
MAINTENANCE_ROUND_LIMIT = timedelta(minutes=5)
"""How long one maintenance round starts new work; the next round continues with the rest."""
# Error codes of a token endpoint that require a person; all others are transient.
PERMANENT_OAUTH_ERRORS = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})


def counts_as_use(*, was_asked_for: bool, had_data: bool) -> bool:
    """Return whether a finished run counts as use of its dataset.

    Freshly loaded data must not expire at once. Scheduled refreshes do not count as use: otherwise
    data that is refreshed every day would never expire.
    """
    return was_asked_for or not had_data


def is_dead(heartbeat_at: datetime | None, now: datetime) -> bool:
    """Return whether the heartbeat of a running run is overdue."""
    return heartbeat_at is None or now - heartbeat_at > DEAD_AFTER


def is_interrupted(
    heartbeat_at: datetime | None,
    now: datetime,
    *,
    is_worker_gone: bool,
    is_worker_local: bool = False,
) -> bool:
    """Return whether a running run is not executed any longer.

    Args:
        heartbeat_at: The last heartbeat of the run.
        now: The current time.
        is_worker_gone: Whether this machine has no process with the worker's id. It alone would not
            do: another container may have the host name of this one, and its own processes.
        is_worker_local: Whether the worker is known to have run among the processes of this one.
    """
    if is_dead(heartbeat_at, now) or heartbeat_at is None:
        return True
    if is_worker_gone and is_worker_local:
        return True
    return is_worker_gone and now - heartbeat_at > SILENT_AFTER


def needs_renewal(expires_at: datetime | None, now: datetime) -> bool:
    """Return whether a token expires within an hour."""
    return expires_at is not None and expires_at - now <= RENEW_TOKENS_BEFORE


def is_permanent(oauth_error: str | None) -> bool:
    """Return whether a token endpoint's error means that a person must reconnect."""
    return oauth_error in PERMANENT_OAUTH_ERRORS
