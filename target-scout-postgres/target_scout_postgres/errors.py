"""All errors, grouped by who can fix them.

* TargetError ............. exit 1: the run stops, what was committed stays
  - SettingsError ......... exit 2: the deployer; nothing was started
  - DataError ............. exit 65: whose tap or source it is
    - SchemaError ......... an invalid SCHEMA, or a change that `schema_evolution` forbids
    - MissingSchemaError .. a message precedes its stream's SCHEMA
    - MissingKeyError ..... a record lacks a value of its key
  - BusyError ............. exit 1: another run holds the dataset schema
  - DatabaseError ......... exit 1: the administrator of the server

A message says what happened, where, and what to do. It never quotes a value of a record: messages
of Postgres do, so they are translated here and raised ``from None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2


class TargetError(Exception):
    """A failure whose text can be shown to users."""

    exit_code = 1


class SettingsError(TargetError):
    """A setting is missing or invalid; nothing was started."""

    exit_code = 2


class DataError(TargetError):
    """A line, a message or a record is invalid."""

    exit_code = 65


class SchemaError(DataError):
    """A SCHEMA message is invalid, or requires a change that is not allowed."""


class MissingSchemaError(DataError):
    """A message of a stream precedes the stream's SCHEMA."""


class MissingKeyError(DataError):
    """A record lacks a value of its key."""


class BusyError(TargetError):
    """Another run holds the dataset schema."""


class DatabaseError(TargetError):
    """The server does not answer, or a statement failed."""


class InvalidRecordError(Exception):
    """One record does not fit its stream; on_invalid_record decides what follows.

    The text is the reason alone. It names properties, never values.
    """

    is_key = False


class InvalidKeyError(InvalidRecordError):
    """One record lacks a value of its key."""

    is_key = True


# SQLSTATE prefix, what to do. The first match wins.
REMEDIES = (
    ("28", "Check user and password, and what pg_hba.conf of the server allows."),
    ("3D", "Create the database, or correct the setting database (or the end of database_url)."),
    ("42501", "Grant the role the missing right, or run the target as the owner of the schema."),
    (
        "53100",
        "Free space on the server's disk, then run again; the run resumes at the last STATE.",
    ),
    ("53300", "Raise max_connections or stop other clients, then run again."),
    ("53", "The server is short of memory or disk: free some, then run again."),
    (
        "57014",
        "A statement was cancelled: raise statement_timeout of the role or database if it is set, "
        "then run again; the run resumes at the last STATE.",
    ),
    ("57P", "The server stopped or ended the session: run again; it resumes at the last STATE."),
    ("08", "The connection was lost: run again; it resumes at the last STATE."),
    (
        "55P03",
        "Could not acquire a lock: end the transaction that holds the table, then run again.",
    ),
    ("40", "Another transaction interfered: run again; it resumes at the last STATE."),
    ("25006", "The server is read-only: connect to the primary."),
    ("", "Check the server's log, then run again; the run resumes at the last STATE."),
)

CONNECTION_LOST = ("57P01", "57P02", "57P03", "08000", "08003", "08006")


def remedy(sqlstate: str) -> str:
    """Return the remedy for an SQLSTATE."""
    return next(text for prefix, text in REMEDIES if sqlstate.startswith(prefix))


def is_connection_lost(error: psycopg2.Error) -> bool:
    """Return whether the connection was lost, as opposed to a statement that failed."""
    import psycopg2 as driver  # start-up: settings are checked before the driver is imported

    state = error.pgcode or ""
    return state in CONNECTION_LOST or (
        not state and isinstance(error, driver.OperationalError | driver.InterfaceError)
    )


def to_database_error(error: psycopg2.Error, doing: str) -> DatabaseError:
    """Return the error to raise, without the server's message, which may quote a row."""
    state = error.pgcode or ("08006" if is_connection_lost(error) else "")
    what = type(error).__name__ if error.pgcode else "connection lost"
    place = ""
    if error.diag is not None:
        names = (error.diag.table_name, error.diag.column_name or error.diag.constraint_name)
        place = ".".join(name for name in names if name)
    where = f" at {place}" if place else ""
    code = f", SQLSTATE {state}" if state else ""
    return DatabaseError(f"Postgres failed while {doing}{where} ({what}{code}). {remedy(state)}")
