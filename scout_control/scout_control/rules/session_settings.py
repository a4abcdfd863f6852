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
SECONDS_TO_WAIT = 10
"""How long a statement waits for a lock that another session holds."""
SECONDS_TO_TAKE_TURNS = 60
"""How long grants wait for others' grants, and migrations for others' migrations."""
BOUNDED: tuple[Setting, ...] = (
    ("lock_timeout", f"{SECONDS_TO_WAIT}s"),
    ("statement_timeout", "10min"),
    ("idle_in_transaction_session_timeout", "15min"),
)
"""Every statement ends, and a process that stands still loses what it has locked."""
CATALOG: tuple[Setting, ...] = (("search_path", "pg_catalog,pg_temp"),)
"""Unqualified names, functions and operators are those of Postgres, whatever others created."""
CONTROL: tuple[Setting, ...] = (*CATALOG, *PLAIN, *LOST_PEER, *BOUNDED)
"""A session of control."""
STORE: tuple[Setting, ...] = (
    ("search_path", "scout_control,pg_catalog,pg_temp"),
    *PLAIN,
    *LOST_PEER,
    *BOUNDED,
)
"""A session of control in its store, where the functions of the queue rely on its schema."""
READER: tuple[Setting, ...] = (
    *READABLE,
    *LOST_PEER,
    ("default_transaction_read_only", "on"),
    ("lock_timeout", f"{SECONDS_TO_WAIT}s"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "15min"),
)
"""A session that reads what lies in a dataset schema."""
INSPECTOR: tuple[Setting, ...] = (*CATALOG, *PLAIN, *READER, ("row_security", "off"))
"""The same for control itself: a table whose rows depend on a policy is refused, not evaluated."""
WRITER: tuple[Setting, ...] = (
    ("lock_timeout", f"{SECONDS_TO_WAIT}s"),
    ("statement_timeout", "5min"),
    ("idle_in_transaction_session_timeout", "15min"),
)
"""A session of a dataset's writer in which control describes what there is."""


def options(settings: Iterable[Setting]) -> str:
    """Return the settings as options of a connection."""
    return " ".join(
        f"-c {name}={str(value).replace(' ', chr(92) + ' ')}" for name, value in settings
    )
