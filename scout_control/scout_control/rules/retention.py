"""How long unused data is kept: ``24h``, ``30d``, ``8w`` or ``forever``; stored in hours."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from scout_control.errors import SettingsError

DEFAULT_HOURS = 24.0
FOREVER = math.inf
LONGEST_HOURS = 100 * 365 * 24
PERIOD = re.compile(r"(\d{1,7}) ?([hdw])", re.IGNORECASE)
HOURS_PER_UNIT = {"h": 1, "d": 24, "w": 7 * 24}


def parse(period: str) -> float:
    """Return a period in hours; ``FOREVER`` for ``forever``.

    Raises:
        SettingsError: It is not a period, or not between an hour and a hundred years.
    """
    text = period.strip().lower()
    if text == "forever":
        return FOREVER
    match = PERIOD.fullmatch(text)
    hours = int(match[1]) * HOURS_PER_UNIT[match[2]] if match else 0
    if not 1 <= hours <= LONGEST_HOURS:
        raise SettingsError(
            "A retention period must be like 24h, 30d, 8w or forever.", "Correct the period."
        )
    return float(hours)


def format_period(hours: float) -> str:
    """Return a period as ``parse`` reads it, in days where these are whole."""
    if hours == FOREVER:
        return "forever"
    if hours % 24 == 0 and hours > DEFAULT_HOURS:
        return f"{hours / 24:.0f}d"
    return f"{hours:g}h"


def in_hours(period: timedelta) -> float:
    """Return a duration in hours."""
    return period / timedelta(hours=1)


def is_over(unused: timedelta, hours: float) -> bool:
    """Return whether data that was unused for this long is to be dropped."""
    return in_hours(unused) >= hours


def expires_at(last_used_at: datetime, hours: float) -> datetime | None:
    """Return when data expires if it is not used until then; None if it is kept forever."""
    return None if hours == FOREVER else last_used_at + timedelta(hours=hours)
