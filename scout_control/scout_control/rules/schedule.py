"""When datasets run: due, again after a failure, and not all at once. Time is an argument."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

SHARE_OF_INTERVAL_TO_SPREAD = 0.1
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=24)
STARTS_AT_ONCE = 1000
ROUND = timedelta(hours=1)


def next_sync_at(ended_at: datetime, interval: timedelta, dataset: str) -> datetime:
    """Return when a dataset is due again after a run that went well.

    The wait counts from the end of the run, so that slow runs never pile up. Each dataset has its
    own place in the last tenth of the interval: many that were connected together drift apart.
    """
    return ended_at + interval - interval * SHARE_OF_INTERVAL_TO_SPREAD * share(dataset)


def retry_at(ended_at: datetime, failures: int, interval: timedelta) -> datetime:
    """Return when a dataset is tried again after ``failures`` failed runs in a row, from 1.

    5, 10, 20... minutes, and never longer than its own interval or a day.
    """
    longest = min(LONGEST_RETRY, interval)
    wait = FIRST_RETRY * float(2 ** min(max(failures, 1) - 1, 20))
    return ended_at + min(wait, longest)


def start_offsets(due: int) -> list[timedelta]:
    """Return how long each of so many due datasets waits: the first ones not at all.

    The rest is spread evenly over the time until the next round.
    """
    late = max(due - STARTS_AT_ONCE, 0)
    at_once = [timedelta()] * (due - late)
    return at_once + [ROUND * (place + 1) / (late + 1) for place in range(late)]


def share(text: str) -> float:
    """Return a number from 0 to 1 that is the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32
