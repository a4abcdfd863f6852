"""Bounds how much of what is refused is recorded: who repeats it must not fill the disk. Pure."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

IN_FULL = 10
"""This many in an hour are recorded each; the others once a minute, with how many they were."""
HOUR_SECONDS, MINUTE_SECONDS = 3600.0, 60.0
MOST_KEYS = 10_000


@dataclass
class _Hour:
    """What was refused to someone since a moment."""

    began_at: float
    recorded: int = 0
    recorded_at: float = 0.0
    left_out: int = 0


class RecordLimit:
    """Says which refusals to record, in bounded memory.

    Args:
        clock: Seconds since any moment.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hours: OrderedDict[Hashable, _Hour] = OrderedDict()

    def admit(self, key: Hashable) -> int | None:
        """Return how many were left out since the last one that was recorded; None: leave it out.

        Args:
            key: Who was refused something.
        """
        now = self._clock()
        with self._lock:
            hour = self._hours.pop(key, None) or _Hour(now)
            self._hours[key] = hour
            if len(self._hours) > MOST_KEYS:
                self._hours.popitem(last=False)
            if now >= hour.began_at + HOUR_SECONDS:
                hour.began_at, hour.recorded = now, 0
            if hour.recorded >= IN_FULL and now < hour.recorded_at + MINUTE_SECONDS:
                hour.left_out += 1
                return None
            left_out, hour.left_out = hour.left_out, 0
            hour.recorded, hour.recorded_at = hour.recorded + 1, now
            return left_out
