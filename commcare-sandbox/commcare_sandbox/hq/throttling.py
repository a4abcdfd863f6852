"""Rate limits of a domain: HQ's sliding windows."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from email.utils import formatdate

from commcare_sandbox.hq.switches import HQSwitches

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
# Requests per active mobile worker, plus a constant (HQ's API rate limiter).
_PRODUCTION = {
    "second": (0.005 / 23 * 1000, 1),
    "minute": (0.07 / 23 * 1000, 10),
    "hour": (3 / 23 * 1000, 30),
    "day": (1000, 50),
}


class Throttle:
    """The requests of each domain within the longest window."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[float]] = defaultdict(deque)

    def wait(self, domain: str, switches: HQSwitches) -> float:
        """Return the seconds until the domain may send a request; 0 means now."""
        budget = budgets(switches)
        if not budget:
            return 0.0
        now = time.monotonic()
        calls = self._calls[domain]
        while calls and calls[0] < now - SECONDS["day"]:
            calls.popleft()
        return max((_wait(calls, SECONDS[name], limit, now) for name, limit in budget.items()))

    def count(self, domain: str, switches: HQSwitches) -> None:
        """Count a request."""
        if budgets(switches):
            self._calls[domain].append(time.monotonic())

    def clear(self) -> None:
        """Forget all requests."""
        self._calls.clear()


def _wait(calls: deque[float], seconds: int, limit: float, now: float) -> float:
    recent = [at for at in calls if at > now - seconds]
    allowed = max(int(limit), 1)
    return recent[-allowed] + seconds - now if len(recent) >= allowed else 0.0


def budgets(switches: HQSwitches) -> dict[str, float]:
    """Return the requests allowed per window; empty without a limit."""
    if switches.rate_limit:
        parts = (part.partition("=") for part in switches.rate_limit.split(",") if part.strip())
        return {name.strip(): float(value) for name, _, value in parts}
    if switches.rate_limit_workers < 0:
        return {}
    workers = switches.rate_limit_workers
    return {name: each * workers + always for name, (each, always) in _PRODUCTION.items()}


def retry_after(switches: HQSwitches, seconds: float, *, tastypie: bool) -> dict[str, str]:
    """Return the configured Retry-After header; by default, tastypie resources have none."""
    style = switches.retry_after
    if style == "auto":
        style = "absent" if tastypie else "float"
    written = {
        "absent": "",
        "int": str(max(round(seconds), 1)),
        "float": f"{seconds:.2f}",
        "date": formatdate(time.time() + max(seconds, 1), usegmt=True),
    }.get(style, style)
    return {"Retry-After": written} if written else {}
