"""How Connect spells moments, and how its database orders the keys of JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 2, 1, 6, tzinfo=UTC)
"""When the programme began; moments are seconds since then."""


def moment(seconds: float) -> str:
    """Spell a moment in UTC; microseconds are left out when there are none."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def day(seconds: float) -> str:
    """Spell the date of a moment."""
    return (EPOCH + timedelta(seconds=seconds)).date().isoformat()


def duration(seconds: float) -> str:
    """Spell a length of time as Django does: ``[D ]HH:MM:SS[.ffffff]``."""
    days, rest = divmod(seconds, 86400)
    midnight = EPOCH.replace(hour=0)
    clock = (midnight + timedelta(seconds=rest)).time().isoformat()
    return f"{int(days)} {clock}" if days else clock


def jsonb(value: Any) -> Any:
    """Order the keys of objects as Postgres' jsonb does: by length, then by bytes."""
    if isinstance(value, dict):
        ordered = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: jsonb(value[name]) for name in ordered}
    if isinstance(value, list):
        return [jsonb(item) for item in value]
    return value


def uuid(digits: bytes) -> str:
    """Spell 16 bytes as a UUID of version 4."""
    text = digits[:16].hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
