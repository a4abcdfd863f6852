"""Log lines about waiting: text for people, and a field of JSON lines for programs."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("tap_common.waits")

FIELD = "waiting"
"""The field of a JSON line: the reason and the seconds of a wait, or null at its end."""


def log_rate_limit(domain: str, seconds: float, status: int) -> None:
    """Log that a server asks to wait before more requests of a domain."""
    reason = f"HTTP {status}, the rate limit of {domain or 'the account'}"
    _log(logging.WARNING, f"waiting {seconds:.1f} s: {reason}", reason, seconds)


def log_retry(location: str, what: str, tries: int, seconds: float, left_seconds: float) -> None:
    """Log that a failed request is sent again after a wait.

    Args:
        location: Host and path.
        what: Why it failed.
        tries: How often it was sent.
        seconds: The wait.
        left_seconds: How long it is retried in total from now on.
    """
    reason = f"{what}, try {tries + 1} (giving up in {left_seconds:.0f} s)"
    _log(logging.WARNING, f"waiting {seconds:.1f} s: {location}: {reason}", reason, seconds)


def log_no_response(host: str, seconds: float) -> None:
    """Log that a server has not answered for a while."""
    reason = f"no answer from {host}"
    _log(logging.INFO, f"waiting for {seconds:.0f} s: {reason}", reason, None, waited=seconds)


def log_response(host: str, seconds: float) -> None:
    """Log that a server which was slow has answered."""
    log.info("%s answered after %.1f s", host, seconds, extra={FIELD: None})


def _log(level: int, text: str, reason: str, seconds: float | None, waited: float = 0) -> None:
    extra: dict[str, Any] = {"reason": reason, "seconds": seconds}
    if waited:
        extra["waited"] = round(waited, 1)
    log.log(level, "%s", text, extra={FIELD: extra})
