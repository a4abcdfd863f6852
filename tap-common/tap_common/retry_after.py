"""How long a server asks to wait. Pure: the time is an argument."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 366 * 86400.0


def http_date(text: str | None) -> datetime | None:
    """Return the moment of an HTTP date header, or None if there is none that can be read."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the wait that a ``Retry-After`` header asks for.

    Args:
        header: The header as received: whole or decimal seconds, or an HTTP date.
        now: The server's own time, so that a wrong clock here changes nothing.

    Returns:
        Seconds from 0 to ``LONGEST_SECONDS``; None for a missing or unreadable header.
    """
    if header is None:
        return None
    try:
        seconds = float(header.strip())
    except ValueError:
        moment = http_date(header)
        if moment is None:
            return None
        seconds = (moment - now).total_seconds()
        return min(max(seconds, 0.0), LONGEST_SECONDS)
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, LONGEST_SECONDS)
