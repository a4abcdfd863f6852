"""Connect's formats of timestamps, durations, UUIDs and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 2, 1, 6, tzinfo=UTC)
"""Start of the generated data; times are given in seconds since then."""


def timestamp(seconds: float) -> str:
    """Format a UTC timestamp; a zero fraction is omitted."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def iso_date(seconds: float) -> str:
    """Format the date."""
    return (EPOCH + timedelta(seconds=seconds)).date().isoformat()


def django_duration(seconds: float) -> str:
    """Format a duration as Django does: ``[D ]HH:MM:SS[.ffffff]``."""
    days, rest = divmod(seconds, 86400)
    midnight = EPOCH.replace(hour=0)
    clock = (midnight + timedelta(seconds=rest)).time().isoformat()
    return f"{int(days)} {clock}" if days else clock


def in_jsonb_order(value: Any) -> Any:
    """Order the keys of objects as Postgres' jsonb does: by length, then bytewise."""
    if isinstance(value, dict):
        ordered = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: in_jsonb_order(value[name]) for name in ordered}
    if isinstance(value, list):
        return [in_jsonb_order(item) for item in value]
    return value


def uuid4_of(digits: bytes) -> str:
    """Format 16 bytes as a version 4 UUID."""
    text = digits[:16].hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
