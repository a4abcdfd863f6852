"""How long a sign-in lasts, and what is derived from the secret that a browser holds."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from enum import StrEnum

RANDOM_BYTES = 32
MOST_CHARACTERS = 200
"""A longer value of a cookie is not looked up."""
IDLE = timedelta(hours=2)
LONGEST = timedelta(hours=12)
LINK_EXPIRY = timedelta(minutes=15)
AUTHORIZATION_EXPIRY = timedelta(minutes=10)
MOST_AUTHORIZATIONS = 10
"""Of one browser, in progress; a further one replaces the oldest."""
MOST_IN_PROGRESS = 10_000
"""Authorizations of all browsers: more are begun by no people."""
MOST_OF_PERSON = 50
"""Sessions of a person; a further sign-in ends the one that was not used for the longest."""
USE_RECORDED_EVERY = timedelta(minutes=1)
FORM = b"form"


class Method(StrEnum):
    """How a session began."""

    TOKEN = "token"  # noqa: S105  the name of a method
    LINK = "link"
    OPENID = "openid"


def digest(secret: str) -> bytes:
    """Return what is stored of a secret of 256 random bits; see ``access_tokens.digest``."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_alive(last_used_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Return whether a session is still accepted."""
    return now < expires_at and now < last_used_at + IDLE


def ends_at(now: datetime, limit: datetime | None) -> datetime:
    """Return when a session ends that begins now, and no later than what it was made from."""
    longest = now + LONGEST
    return longest if limit is None else min(longest, limit)


def form_token(secret: str) -> str:
    """Return the token that a form carries: only who was sent the page can know it.

    It is derived from the secret of the cookie, which neither scripts nor other sites can read, so
    it needs no place in the store and ends with the session.
    """
    return _derived(secret, FORM)


def is_form_token(secret: str, sent: str) -> bool:
    """Return whether a form or a header carries the token of this browser, in constant time.

    Without a secret none does: anyone could derive the token of no secret.
    """
    return bool(secret) and hmac.compare_digest(
        form_token(secret).encode(), sent.encode("utf-8", "surrogatepass")
    )


def _derived(secret: str, purpose: bytes) -> str:
    key = secret.encode("utf-8", "surrogatepass")
    mac = hmac.new(key, purpose, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
