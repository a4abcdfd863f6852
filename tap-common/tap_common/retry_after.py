"""The Retry-After header. Pure: the current time is an argument."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_SECONDS = 366 * 86400.0


def parse_http_date(text: str | None) -> datetime | None:
    """Return the time in an HTTP date header; None if it is missing or unreadable."""
    if not text:
        return None
    try:
        parsed = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, OverflowError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the wait that a ``Retry-After`` header asks for.

    Args:
        header: The header as received: whole or decimal seconds, or an HTTP date.
        now: The server's own time, so that a wrong local clock does not matter.

    Returns:
        Seconds from 0 to ``MAX_SECONDS``; None for a missing or unreadable header.
    """
    if header is None:
        return None
    try:
        seconds = float(header.strip())
    except ValueError:
        date = parse_http_date(header)
        if date is None:
            return None
        seconds = (date - now).total_seconds()
        return min(max(seconds, 0.0), MAX_SECONDS)
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, MAX_SECONDS)
