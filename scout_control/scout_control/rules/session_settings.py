"""Settings of our Postgres sessions, which override those of the database and the role.

A database may format dates differently or treat backslashes as escapes: drivers then fail to parse
its values, and patterns change their meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Setting = tuple[str, str | int]

QUEUE_SESSION = "scout queue"
"""What the sessions are called in which workers wait for runs; they end with the worker."""

KEEPALIVES: tuple[Setting, ...] = (
    ("tcp_keepalives_idle", 15),
    ("tcp_keepalives_interval", 5),
    ("tcp_keepalives_count", 6),
)
"""Lets Postgres notice that a client machine vanished, and release its locks."""
READABLE: tuple[Setting, ...] = (
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", 1),
)
"""Value formats that drivers can parse, and that do not round."""
STANDARD: tuple[Setting, ...] = (
    *READABLE,
    ("standard_conforming_strings", "on"),
    ("default_transaction_isolation", "read committed"),
    ("timezone", "UTC"),
)
"""Statements mean what they mean in a database with default settings."""
LOCK_TIMEOUT_SECONDS = 10
"""How long a statement waits for a lock of another session."""
EXCLUSIVE_TIMEOUT_SECONDS = 60
"""How long grants wait for concurrent grants, and migrations for concurrent migrations."""
TIMEOUTS: tuple[Setting, ...] = (
    ("lock_timeout", f"{LOCK_TIMEOUT_SECONDS}s"),
    ("statement_timeout", "10min"),
    ("idle_in_transaction_session_timeout", "15min"),
)
"""Every statement ends, and a stalled process loses its locks."""
CATALOG_ONLY: tuple[Setting, ...] = (("search_path", "pg_catalog,pg_temp"),)
"""Unqualified names resolve to objects of Postgres, whatever other roles created."""
CONTROL: tuple[Setting, ...] = (*CATALOG_ONLY, *STANDARD, *KEEPALIVES, *TIMEOUTS)
"""A session of control."""
STORE: tuple[Setting, ...] = (
    ("search_path", "scout_control,pg_catalog,pg_temp"),
    *STANDARD,
    *KEEPALIVES,
    *TIMEOUTS,
)
"""A session in the store; the functions of the queue rely on its search path."""
READER: tuple[Setting, ...] = (
    *READABLE,
    *KEEPALIVES,
    ("default_transaction_read_only", "on"),
    ("lock_timeout", f"{LOCK_TIMEOUT_SECONDS}s"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "15min"),
)
"""A session that reads a dataset schema for a person."""
INSPECTOR: tuple[Setting, ...] = (*CATALOG_ONLY, *STANDARD, *READER, ("row_security", "off"))
"""A session that reads a dataset schema for control.

With row_security off, Postgres raises an error instead of evaluating a policy.
"""
WRITER: tuple[Setting, ...] = (
    ("lock_timeout", f"{LOCK_TIMEOUT_SECONDS}s"),
    ("statement_timeout", "5min"),
    ("idle_in_transaction_session_timeout", "15min"),
)
"""A session of a dataset's writer in which control generates models."""


def options(settings: Iterable[Setting]) -> str:
    """Return the settings as the ``options`` parameter of libpq."""
    return " ".join(
        f"-c {name}={str(value).replace(' ', chr(92) + ' ')}" for name, value in settings
    )
