"""Decides how long to wait and when to give up, for rate limits and transient failures.

All threads that read a domain share one gate, because the servers count requests per domain, not
per connection. This module knows neither HTTP libraries nor streams.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tap_common.errors import RateLimitError
from tap_common.timestamps import to_rfc3339

MAX_BACKOFF_SECONDS = 30.0
MAX_DOUBLINGS = 64
"""Of a wait: beyond, it is longer than any limit, and a thousand would be no number."""
# A server that keeps asking for short waits and never answers is given up after this many times
# the longest wait that the settings allow.
MAX_WAITS_WITHOUT_RESPONSE = 3
# Concurrency rises by one after this many responses in a row without throttling.
RESPONSES_PER_STEP = 50
MAX_HALVINGS = 30

_random = random.SystemRandom()


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """The settings for waiting, in seconds."""

    max_rate_limit_wait: float = 300.0
    max_retry_seconds: float = 300.0
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    request_timeout: float = 600.0


def _doubled(seconds: float, times: int) -> float:
    return seconds * 2.0 ** min(times, MAX_DOUBLINGS)


@dataclass
class Backoff:
    """Exponential waits with jitter, until the time allowed for one request is used up."""

    allowed_seconds: float
    tries: int = 0
    started_at: float | None = None

    def next_wait(self) -> float | None:
        """Return the seconds to wait before the next try, or None to give up."""
        now = time.monotonic()
        self.started_at = now if self.started_at is None else self.started_at
        left = self.allowed_seconds - (now - self.started_at)
        if left <= 0:
            return None
        wait = min(_doubled(0.5, self.tries), MAX_BACKOFF_SECONDS)
        self.tries += 1
        # Requests that failed together must not be retried together.
        return min(wait * _random.uniform(0.5, 1.0), left)

    def seconds_left(self) -> float:
        """Return for how long the request is still retried."""
        started_at = time.monotonic() if self.started_at is None else self.started_at
        return max(0.0, self.allowed_seconds - (time.monotonic() - started_at))


@dataclass
class RateLimitGate:
    """The rate limit of one domain, shared by all threads that read it.

    Args:
        domain: The domain, for messages.
        limits: How long a run may wait.
        stop: Ends waiting.
    """

    domain: str
    limits: RequestLimits
    stop: threading.Event
    opens_at: float = 0.0
    """When requests may be sent again, by the monotonic clock."""
    waits_in_a_row: int = 0
    waited_seconds: float = 0.0
    """How long the server has asked to wait since its last normal response."""
    halvings: int = 0
    calm_responses: int = 0
    error: RateLimitError | None = None
    """Set once the domain must not be read any further in this run."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Wait until requests to this domain may be sent.

        Raises:
            RateLimitError: That takes longer than this run may wait.
        """
        while True:
            if self.error is not None:
                raise self.error
            left = self.opens_at - time.monotonic()
            if left <= 0:
                return
            if self.stop.wait(left):
                return

    def record_response(self) -> None:
        """Record a response that was not throttled."""
        with self._lock:
            self.waits_in_a_row = 0
            self.waited_seconds = 0.0
            self.calm_responses += 1
            if self.calm_responses >= RESPONSES_PER_STEP and self.halvings:
                self.halvings, self.calm_responses = self.halvings - 1, 0

    def max_in_flight(self, concurrency: int) -> int:
        """Return how many requests may be in flight: half after each throttled response."""
        return max(concurrency >> min(self.halvings, MAX_HALVINGS), 1)

    def throttle(self, asked_seconds: float | None, log: Callable[[str, float], None]) -> None:
        """Close the gate for as long as the server asks, or for a growing time if it does not say.

        Args:
            asked_seconds: The wait that the server asks for, or None.
            log: Called with the domain and the seconds of a new wait.

        Raises:
            RateLimitError: That is longer than this run may wait.
        """
        with self._lock:
            self.halvings, self.calm_responses = self.halvings + 1, 0
            if self.error is not None:
                raise self.error
            seconds = (
                asked_seconds if asked_seconds is not None else _doubled(1.0, self.waits_in_a_row)
            )
            longest = self.limits.max_rate_limit_wait
            is_endless = self.waited_seconds > MAX_WAITS_WITHOUT_RESPONSE * longest
            if seconds > longest or is_endless or longest <= 0:
                self.error = self._error_for(seconds)
                raise self.error
            # A server that repeatedly asks for 0 seconds would cause a busy loop.
            floor = min(_doubled(0.05, self.waits_in_a_row), MAX_BACKOFF_SECONDS, longest)
            seconds = max(seconds, floor)
            # Requests that were in flight together are throttled together: that is one wait.
            if self.opens_at <= time.monotonic():
                self.waits_in_a_row += 1
                self.waited_seconds += seconds
                log(self.domain, seconds)
            self.opens_at = max(self.opens_at, time.monotonic() + seconds)

    def _error_for(self, seconds: float) -> RateLimitError:
        resume_at = datetime.now(UTC) + timedelta(seconds=seconds)
        return RateLimitError(
            f"The server asks to wait {seconds:.0f} s before more requests for {self.domain};"
            f" max_rate_limit_wait is {self.limits.max_rate_limit_wait:g} s.",
            f"Run again after {to_rfc3339(resume_at)}; the run resumes where it stopped.",
            resume_at,
        )
