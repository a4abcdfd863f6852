"""What each session of ours in Postgres is set to, whatever its database or role is set to.

A database may write dates its own way, or read backslashes in texts: then drivers fail to read what
it answers, and patterns mean something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Setting = tuple[str, str | int]

LOST_PEER: tuple[Setting, ...] = (
    ("tcp_keepalives_idle", 15),
    ("tcp_keepalives_interval", 5),
    ("tcp_keepalives_count", 6),
)
"""Settings by which Postgres notices that a machine vanished, and frees what it had locked."""
READABLE: tuple[Setting, ...] = (
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
)
"""Values are written as drivers read them."""
PLAIN: tuple[Setting, ...] = (
    *READABLE,
    ("standard_conforming_strings", "on"),
    ("default_transaction_isolation", "read committed"),
    ("timezone", "UTC"),
)
"""Statements mean what they mean in a database as it comes."""


def statements(settings: Iterable[Setting]) -> bytes:
    """Return the settings as statements of a session."""
    return "; ".join(f"SET {name} = '{value}'" for name, value in settings).encode()


def options(settings: Iterable[Setting]) -> str:
    """Return the settings as options of a connection."""
    return " ".join(
        f"-c {name}={str(value).replace(' ', chr(92) + ' ')}" for name, value in settings
    )
