"""Until when things last: data that nobody reads, tokens, runs without a sign of life."""

from __future__ import annotations

from datetime import datetime, timedelta

RENEW_TOKENS_BEFORE = timedelta(hours=1)
SIGN_OF_LIFE = timedelta(seconds=2)
"""How often a run says that it lives, and hears that it was cancelled."""
ALONE_AFTER = timedelta(seconds=60)
"""A worker that has not reached the store for so long ends its own run."""
DEAD_AFTER = timedelta(seconds=120)
"""A run without a sign of life for so long is taken over; longer than ``ALONE_AFTER``."""
MOST_DEATHS = 5
"""A run whose worker died so often, without a pause between, waits for its next turn."""
LONGEST_PAUSE = timedelta(days=7)
"""A source that asks for a longer wait is asked again after this one."""
KEEP_HISTORY = timedelta(days=90)
GRACE_OF_READERS = timedelta(seconds=60)
"""How long sessions may hold data that is to be dropped, from when access was taken away."""
LOCK_WAIT = timedelta(seconds=3)
"""How long a statement waits for a lock; autovacuum gives way after ``deadlock_timeout``, 1 s."""
STATEMENT_LIMIT = timedelta(minutes=5)
ROUND_LIMIT = timedelta(minutes=5)
"""How long one round of upkeep begins new work; the next one goes on with what it left."""
# Answers of a token endpoint after which only a person can help; anything else may pass.
FINAL_REFUSALS = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})


def is_inactive(last_activity_at: datetime, idle: timedelta, now: datetime) -> bool:
    """Tell whether nobody used a dataset for ``idle``."""
    return now - last_activity_at >= idle


def is_use(*, was_asked_for: bool, had_data: bool) -> bool:
    """Tell whether the end of a run counts as use of its dataset.

    Data that came just now must not go at once. But a refresh on schedule is nobody's wish: if it
    counted, data that is refreshed every day would never go.
    """
    return was_asked_for or not had_data


def is_dead(heartbeat_at: datetime | None, now: datetime) -> bool:
    """Tell whether a running run has been without a sign of life for too long."""
    return heartbeat_at is None or now - heartbeat_at > DEAD_AFTER


def needs_renewal(expires_at: datetime | None, now: datetime) -> bool:
    """Return whether a token expires so soon that it should be renewed now."""
    return expires_at is not None and expires_at - now <= RENEW_TOKENS_BEFORE


def is_final(refusal: str | None) -> bool:
    """Return whether a token endpoint's error means that a person must reconnect."""
    return refusal in FINAL_REFUSALS
