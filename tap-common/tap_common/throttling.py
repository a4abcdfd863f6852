"""How long to wait, and when to give up: throttling of a domain, and failures that pass.

A *gate* belongs to one domain and is shared by every thread that reads it, because the servers
count a domain's requests, not a connection's. It must not know HTTP libraries or streams.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tap_common.errors import RateLimitError
from tap_common.timestamps import spell

LONGEST_BACKOFF_SECONDS = 30.0
# A server that goes on asking for short waits, without one answer between them, is left alone.
WAITS_WITHOUT_AN_ANSWER = 3
# So many answers in a row forget one throttled answer.
CALM_ANSWERS = 50


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What the settings say about waiting, in seconds."""

    max_rate_limit_wait: float = 300.0
    max_retry_seconds: float = 300.0
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    request_timeout: float = 600.0


@dataclass
class Backoff:
    """Exponential waits with jitter, until the time allowed for one request is used up."""

    allowed_seconds: float
    tries: int = 0
    began: float | None = None

    def next_wait(self) -> float | None:
        """Return the seconds to wait before the next try, or None to give up."""
        now = time.monotonic()
        self.began = now if self.began is None else self.began
        left = self.allowed_seconds - (now - self.began)
        if left <= 0:
            return None
        wait = min(0.5 * 2.0**self.tries, LONGEST_BACKOFF_SECONDS)
        self.tries += 1
        jittered = wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret
        return min(jittered, left)


@dataclass
class RateLimitGate:
    """The throttling of one domain, shared by all who read it."""

    domain: str
    limits: RequestLimits
    stop: threading.Event
    opens_at: float = 0.0
    unanswered_seconds: float = 0.0
    unanswered: int = 0
    throttled: int = 0
    calm: int = 0
    paused: RateLimitError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Wait until requests of this domain may go out.

        Raises:
            PausedError: The domain is paused for longer than this run may wait.
        """
        while True:
            if self.paused is not None:
                raise self.paused
            left = self.opens_at - time.monotonic()
            if left <= 0:
                return
            if self.stop.wait(left):
                return

    def answered(self) -> None:
        """Note that the server did some work again."""
        with self._lock:
            self.unanswered = 0
            self.unanswered_seconds = 0.0
            self.calm += 1
            if self.calm >= CALM_ANSWERS and self.throttled:
                self.throttled, self.calm = self.throttled - 1, 0

    def width(self, concurrency: int) -> int:
        """Return how many requests may be in flight: half after each throttled answer."""
        return max(concurrency >> min(self.throttled, 30), 1)

    def throttle(self, asked_seconds: float | None, log: Callable[[str, float], None]) -> None:
        """Close the gate for as long as the server asked, or a growing wait if it did not say.

        Raises:
            PausedError: That is longer than this run may wait.
        """
        with self._lock:
            self.throttled, self.calm = self.throttled + 1, 0
            if self.paused is not None:
                raise self.paused
            closed_already = self.opens_at > time.monotonic()
            seconds = asked_seconds if asked_seconds is not None else 2.0**self.unanswered
            longest = self.limits.max_rate_limit_wait
            is_endless = self.unanswered_seconds > WAITS_WITHOUT_AN_ANSWER * longest
            if seconds > longest or is_endless or longest <= 0:
                self.paused = self._pause(seconds)
                raise self.paused
            # Never at once again and again: waits of 0 would turn into a busy loop.
            floor = min(0.05 * 2.0**self.unanswered, LONGEST_BACKOFF_SECONDS, longest)
            seconds = max(seconds, floor)
            if not closed_already:
                self.unanswered += 1
                self.unanswered_seconds += seconds
                log(self.domain, seconds)
            self.opens_at = max(self.opens_at, time.monotonic() + seconds)

    def _pause(self, seconds: float) -> RateLimitError:
        resume_at = datetime.now(UTC) + timedelta(seconds=seconds)
        return RateLimitError(
            f"The server asks to wait {seconds:.0f} s before more requests for {self.domain};"
            f" max_rate_limit_wait is {self.limits.max_rate_limit_wait:g} s.",
            f"Run again after {spell(resume_at)}; the run goes on where it stopped.",
            resume_at,
        )
