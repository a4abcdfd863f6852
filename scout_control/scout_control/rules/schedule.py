"""Schedules the runs of datasets: next refresh, retries after failures, staggered starts."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

JITTER = 0.1
FIRST_RETRY = timedelta(minutes=5)
MAX_RETRY = timedelta(hours=24)
MAX_IMMEDIATE_STARTS = 1000
ROUND = timedelta(hours=1)


def next_sync_at(ended_at: datetime, interval: timedelta, dataset: str) -> datetime:
    """Return when a dataset is due again after a successful run.

    The interval counts from the end of the run, so that slow runs never pile up. Each dataset gets
    a fixed offset in the last tenth of the interval, so that those connected together drift apart.
    """
    return ended_at + interval - interval * JITTER * fraction(dataset)


def retry_at(ended_at: datetime, failures: int, interval: timedelta) -> datetime:
    """Return when a dataset is retried after ``failures`` consecutive failed runs, from 1.

    5, 10, 20... minutes, at most its own interval and at most a day.
    """
    longest = min(MAX_RETRY, interval)
    wait = FIRST_RETRY * float(2 ** min(max(failures, 1) - 1, 20))
    return ended_at + min(wait, longest)


def start_offsets(due: int) -> list[timedelta]:
    """Return the delay of each due dataset: none for the first thousand.

    The others are spread evenly over the time until the next round.
    """
    late = max(due - MAX_IMMEDIATE_STARTS, 0)
    immediate = [timedelta()] * (due - late)
    return immediate + [ROUND * (index + 1) / (late + 1) for index in range(late)]


def fraction(text: str) -> float:
    """Return a number from 0 to 1 that depends only on the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32
