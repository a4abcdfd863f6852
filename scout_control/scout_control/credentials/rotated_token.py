"""Reads the file in which a tap leaves its rotated token.

Any program may have written it: a tap of someone else, or, in a folder for temporary files, another
account. So the type of each value is checked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ORIGIN = "origin"
"""Digest of the token that a run was given, from which the one in the file descends."""


@dataclass(frozen=True, kw_only=True)
class RotatedToken:
    """The contents of a ``credential_file``."""

    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    """Empty if the tap has not stored one."""
    expires_at: datetime | None
    origin: str | None

    @classmethod
    def parse(cls, content: bytes) -> Self | None:
        """Return the token of a file; None if it holds none."""
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        refresh_token = _text(document.get("refresh_token"))
        if not refresh_token:
            return None
        return cls(
            refresh_token=refresh_token,
            access_token=_text(document.get("access_token")) or "",
            expires_at=_parse_timestamp(document.get("expires_at")),
            origin=_text(document.get(ORIGIN)),
        )

    def with_origin(self, origin: str | None) -> Self:
        """Return the token with the origin that control recorded, if its tap wrote none.

        The file of a tap of someone else has none: only taps of this project write it.
        """
        return self if self.origin else replace(self, origin=origin)

    def descends_from(self, fields: Mapping[str, Any]) -> bool:
        """Return whether its tap was given the stored token, or the parent of that.

        After a worker was killed this decides whether its file holds the newest token: a person may
        have reconnected in between. A file that does not say where its token comes from could be of
        the former account.
        """
        token = fields.get("refresh_token")
        if not token or self.origin is None:
            return False
        return self.origin in {fields.get(ORIGIN), digest(str(token))}


def digest(refresh_token: str) -> str:
    """Return the digest by which the taps name the token that theirs descends from."""
    return hashlib.sha256(
        b"refresh token:" + refresh_token.encode(errors="surrogatepass")
    ).hexdigest()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _parse_timestamp(seconds: object) -> datetime | None:
    """Return Unix time as a datetime, or None for anything else."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None
