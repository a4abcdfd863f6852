"""The form of tokens with which programs act for a person, and when they expire."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timedelta

from scout_control.errors import SettingsError
from scout_control.rules import retention

PREFIX = "scout_"
"""By this, people and scanners of secrets recognise a token."""
RANDOM_BYTES = 32
FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
NEVER, VALID = "never", "valid"
DEFAULT_EXPIRY = "90d"
MOST_OF_PERSON = 200
"""That are valid, at a time."""
KEPT_AFTER_END = timedelta(days=30)
"""How long a token is still listed that has expired or was revoked."""
USE_RECORDED_EVERY = timedelta(minutes=1)
"""How exact ``last_used_at`` is: a write on every request would cost more than most requests."""


def compose(random: bytes) -> str:
    """Return a token made of random bytes."""
    return PREFIX + base64.urlsafe_b64encode(random).decode().rstrip("=")


def digest(token: str) -> bytes:
    """Return what is stored of a token.

    A plain SHA-256: salt and slow hashes protect what people choose, and no one can guess 256
    random bits. A key would have to be given to all that verify tokens, and would end all of them
    when it is changed; who can write to the store could give themselves a role anyway.
    """
    return hashlib.sha256(token.encode()).digest()


def status(
    expires_at: datetime | None, revoked_at: datetime | None, now: datetime, *, is_active: bool
) -> str:
    """Return the status of a token; ``is_active`` is that of its person."""
    if revoked_at is not None:
        return "revoked"
    if expires_at is not None and expires_at <= now:
        return "expired"
    return VALID if is_active else "inactive"


def expires_at(period: str, now: datetime) -> datetime | None:
    """Return when a token ends that is made now; None for ``never``.

    Raises:
        SettingsError: The period is invalid.
    """
    if period.strip().lower() == NEVER:
        return None
    try:
        hours = retention.parse(period)
    except SettingsError:
        hours = retention.FOREVER
    if hours == retention.FOREVER:
        raise SettingsError(
            f"The expiry {period!r} is not a period.", "Write 24h, 90d, 8w or never."
        )
    return now + timedelta(hours=hours)
