"""What ``scout doctor`` finds, for those who have no shell: one round of checks at a time.

A round opens connections to all servers and starts programs. So its findings are kept for a while,
it has a limit of time, and who asks during a round gets the findings of the one before.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scout_control.api.view import View
from scout_control.api.views import Finding
from scout_control.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.api.scout import Scout
    from scout_control.installation.installation import Installation

KEPT_SECONDS = 15.0
MOST_SECONDS = 20.0
"""After which no further check begins; each check has its own limits."""
LONGEST_WAIT_SECONDS = 5.0
"""For a round that another request began, where there are no findings of an earlier one."""


@dataclass(frozen=True, kw_only=True)
class Checkup(View):
    """What a round of checks found, and when it ended."""

    findings: list[Finding]
    checked_at: datetime


class Checkups:
    """Runs the checks, one round at a time.

    Args:
        clock: Seconds since any moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._latest: tuple[float, Checkup] | None = None

    def latest(
        self, examine: Callable[[], list[Finding]], wait_seconds: float = LONGEST_WAIT_SECONDS
    ) -> Checkup:
        """Return the findings of the latest round; of a new one if that was a while ago.

        Args:
            examine: Runs the checks.
            wait_seconds: How long to wait for the first round, if it is under way.

        Raises:
            BusyError: The first round is still under way.
        """
        if (recent := self._recent()) is not None:
            return recent
        before = self._latest
        if not self._lock.acquire(timeout=0 if before else wait_seconds):
            if before is None:
                raise BusyError("The installation is being checked.", "Ask again in a few seconds.")
            return before[1]
        try:
            return self._recent() or self._new(examine)
        finally:
            self._lock.release()

    def _recent(self) -> Checkup | None:
        if self._latest is None or self._clock() >= self._latest[0] + KEPT_SECONDS:
            return None
        return self._latest[1]

    def _new(self, examine: Callable[[], list[Finding]]) -> Checkup:
        found = Checkup(findings=examine(), checked_at=datetime.now(UTC))
        self._latest = (self._clock(), found)
        return found


_checkups: WeakKeyDictionary[Installation, Checkups] = WeakKeyDictionary()


def of(scout: Scout) -> Checkup:
    """Return the findings of the latest round of checks of an installation in this process.

    Raises:
        BusyError: The first round is still under way.
    """
    checkups = _checkups.setdefault(scout.installation, Checkups())
    return checkups.latest(lambda: scout.doctor(most_seconds=MOST_SECONDS))
