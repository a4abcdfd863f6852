"""How long unused data is kept: a setting of a link, or of its source, beside those of the tap."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEEP = "keep"
NAMES = (KEEP,)
FOREVER = "forever"
PERIOD = re.compile(r"([1-9][0-9]{0,4})([hdw])")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def find_error(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the setting; None if nothing."""
    value = settings.get(KEEP, FOREVER)
    if value == FOREVER or (isinstance(value, str) and PERIOD.fullmatch(value)):
        return None
    return f"{KEEP} is {FOREVER}, or hours, days or weeks, such as 12h, 30d or 4w."


def limit(settings: Mapping[str, Any], default: timedelta) -> timedelta:
    """Return how long data may be unused before it is dropped.

    Args:
        settings: Those of the link over those of its source.
        default: That of the installation. It also holds if the setting is damaged.
    """
    value = settings.get(KEEP)
    if value == FOREVER:
        return timedelta.max
    match = PERIOD.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) * UNITS[match[2]] if match else default
