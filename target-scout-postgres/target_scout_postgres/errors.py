"""Everything that can go wrong here, sorted by who can put it right.

* TargetError ............. exit 1: the run stops, what was committed stays
  - SettingsError ......... exit 2: the deployer; nothing was started
  - DataError ............. exit 65: whoever keeps the tap or the source
    - SchemaError ......... a SCHEMA message, or a change that `schema_evolution` forbids
    - MissingSchemaError .. a message came before its stream's SCHEMA
    - MissingKeyError ..... a record lacks a value of its key
  - BusyError ............. exit 1: nobody; another run holds the dataset schema
  - DatabaseError ......... exit 1: whoever keeps the server

A message says what happened, where, and what to do. It never quotes a value of a record: Postgres'
own messages do, so they are translated here and raised ``from None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2


class TargetError(Exception):
    """A failure whose text is fit to show to people."""

    exit_code = 1


class SettingsError(TargetError):
    """A setting is missing or wrong; nothing was started."""

    exit_code = 2


class DataError(TargetError):
    """The data does not fit: a line, a message or a record that must be refused."""

    exit_code = 65


class SchemaError(DataError):
    """A SCHEMA message cannot be used, or asks for a change that is not allowed."""


class MissingSchemaError(DataError):
    """A message of a stream came before the stream's SCHEMA."""


class MissingKeyError(DataError):
    """A record lacks a value of its key."""


class BusyError(TargetError):
    """Another run holds the dataset schema."""


class DatabaseError(TargetError):
    """The server does not answer, or does not do what it must."""


class RefusedError(Exception):
    """One record does not fit its stream; the policy decides what follows.

    The text is the reason alone, and names properties, never values.
    """

    is_key = False


class RefusedKeyError(RefusedError):
    """One record lacks a value of its key."""

    is_key = True


# First match on SQLSTATE wins.
REMEDIES = (
    ("28", "Check user and password, and what pg_hba.conf of the server allows."),
    ("3D", "Create the database, or correct the setting database (or the end of database_url)."),
    ("42501", "Give the role the missing right, or let the owner of the schema run the target."),
    (
        "53100",
        "Free space on the server's disk, then run again; the run resumes at the last STATE.",
    ),
    ("53300", "Raise max_connections or stop other clients, then run again."),
    ("53", "The server is short of memory or disk: free some, then run again."),
    ("57P", "The server stopped or ended the session: run again; it resumes at the last STATE."),
    ("08", "The connection was lost: run again; it resumes at the last STATE."),
    (
        "55P03",
        "A lock was not to be had: end the transaction that holds the table, then run again.",
    ),
    ("40", "Another transaction was in the way: run again; it resumes at the last STATE."),
    ("25006", "The server is read only: connect to the primary."),
    ("", "Look into the server's log, then run again; the run resumes at the last STATE."),
)

LOST = ("57P01", "57P02", "57P03", "08000", "08003", "08006")


def remedy(sqlstate: str) -> str:
    """Return what to do about an SQLSTATE."""
    return next(text for prefix, text in REMEDIES if sqlstate.startswith(prefix))


def is_lost(error: psycopg2.Error) -> bool:
    """Tell whether the connection is gone, as opposed to a statement that was refused."""
    import psycopg2 as driver  # noqa: PLC0415 - start-up: the driver is imported when it is needed

    state = error.pgcode or ""
    return state in LOST or (
        not state and isinstance(error, driver.OperationalError | driver.InterfaceError)
    )


def refusal(error: psycopg2.Error, doing: str) -> DatabaseError:
    """Say what the server refused without quoting its message, which may quote the row."""
    state = error.pgcode or ("08006" if is_lost(error) else "")
    what = type(error).__name__ if error.pgcode else "connection lost"
    place = ""
    if error.diag is not None:
        names = (error.diag.table_name, error.diag.column_name or error.diag.constraint_name)
        place = ".".join(name for name in names if name)
    where = f" at {place}" if place else ""
    code = f", SQLSTATE {state}" if state else ""
    return DatabaseError(f"Postgres failed while {doing}{where} ({what}{code}). {remedy(state)}")
