"""Errors of Postgres as user-facing errors, by SQLSTATE; Postgres' own message is never quoted."""

from __future__ import annotations

import psycopg

from scout_control.errors import (
    ConflictError,
    ControlError,
    PrivilegeError,
    ServerError,
    SettingsError,
)
from scout_control.store import postgres

# By SQLSTATE prefix, first match wins. Postgres' own message is never quoted: it may hold values.
ERRORS_BY_SQLSTATE: tuple[tuple[str, type[ControlError], str, str], ...] = (
    ("23001", ConflictError, "It is still used by a {row}.", "Remove that first."),
    ("23503", ConflictError, "It is still used by a {row}.", "Remove that first."),
    (
        "23505",
        ConflictError,
        "This {row} already exists.",
        "Change the existing one, or choose another name.",
    ),
    (
        "22",
        SettingsError,
        "A value is too long, out of range, or contains invalid characters.",
        "Correct it.",
    ),
    ("23514", SettingsError, "A value violates the constraint {constraint}.", "Correct it."),
    ("42P01", SettingsError, "The store does not exist or is outdated.", "Run: scout init"),
    ("42703", SettingsError, "The store is outdated.", "Run: scout init"),
    (
        "25006",
        ServerError,
        "The store's Postgres is read-only: a standby, or a session set to read only.",
        "Point SCOUT_DATABASE_URL at the primary.",
    ),
    ("3F000", SettingsError, "The store does not exist.", "Run: scout init"),
    (
        "55P03",
        ConflictError,
        "Could not acquire a lock in time: another session holds it.",
        "Retry in a moment; if the error persists, look for waiting sessions in pg_stat_activity.",
    ),
    (
        "42501",
        PrivilegeError,
        "The role of SCOUT_DATABASE_URL lacks a privilege.",
        "See: scout doctor",
    ),
    (
        "53",
        ServerError,
        "The server is out of disk, memory or connections.",
        "Free some, then retry.",
    ),
)
# What messages call a row of a table.
ROW_NAMES = {
    "connections": "connection",
    "projects": "project",
    "sources": "source",
    "project_sources": "link",
    "credentials": "credential",
    "datasets": "dataset",
    "runs": "run",
}


def to_control_error(origin: BaseException | None) -> ControlError:
    """Return the user-facing error for an error of the driver."""
    state = getattr(origin, "sqlstate", None) or ""
    if not state and isinstance(origin, psycopg.DataError):
        state = "22"  # rejected by the driver
    diagnosis = getattr(origin, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None) or "of a column"
    row = ROW_NAMES.get(getattr(diagnosis, "table_name", None) or "", "row")
    for prefix, kind, cause, remedy in ERRORS_BY_SQLSTATE:
        if state.startswith(prefix):
            return kind(cause.format(constraint=constraint, row=row), remedy)
    if not state:
        return postgres.unavailable(
            "The store's Postgres",
            origin,
            "Check that it runs, and the role, password and database of SCOUT_DATABASE_URL.",
        )
    return ServerError(
        f"The store's Postgres failed ({type(origin).__name__}, SQLSTATE {state}).",
        "Check the server's log, then retry.",
    )
