"""The kinds of credentials and their fields, and what status a credential has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

IS_RESET = "was deleted, because no encryption key decrypted it"
"""Completes a sentence about a secret."""
CREDENTIAL_WAS_RESET = f"The credential {IS_RESET}."
"""The last error of a credential whose loss a person has confirmed."""
NEEDS_RECONNECT = "needs reconnect"
"""The status of a credential that a person must connect again."""
OAUTH = "oauth2"
ANY_SETTINGS = "settings"
NO_CREDENTIAL = "none"
# (public fields, secret fields)
FIELDS_BY_KIND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    OAUTH: ((), ("access_token", "refresh_token")),
    "api_key": (("username",), ("api_key",)),
    "username_password": (("username",), ("password",)),
    "token": ((), ("access_token",)),
    ANY_SETTINGS: ((), ()),
    NO_CREDENTIAL: ((), ()),
}


def credential_status(expires_at: datetime | None, now: datetime, *, is_valid: bool) -> str:
    """Return the status of a credential as people see it."""
    if not is_valid:
        return NEEDS_RECONNECT
    return "expired" if expires_at is not None and expires_at <= now else "connected"
