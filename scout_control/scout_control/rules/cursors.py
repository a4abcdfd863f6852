"""Cursors of lists that are in the order of time, the newest first: opaque to callers."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime

LONGEST = 200


def compose(at: datetime, identity: uuid.UUID) -> str:
    """Return the cursor after an item."""
    text = f"{at.isoformat()}|{identity}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse(cursor: str) -> tuple[datetime, uuid.UUID]:
    """Return the time and the id of the item before.

    Raises:
        ValueError: No list has composed this.
    """
    if len(cursor) > LONGEST or not cursor.isascii():
        raise ValueError
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, _, identity = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition("|")
        )
        moment = datetime.fromisoformat(at)
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError from None
    if moment.tzinfo is None:
        raise ValueError
    return moment, uuid.UUID(identity)
