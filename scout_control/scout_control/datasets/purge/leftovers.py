"""Looks for what is left of an owner: in the store, in every database, in files of this machine.

It asks what is there now and relies on nothing that a removal said. Tables of other datasets are
not read: what they hold is their owners'.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from sqlalchemy import select

from scout_control.datasets.purge import planner_statistics
from scout_control.errors import ControlError
from scout_control.installation.installation import POSTGRES
from scout_control.meltano import workdir
from scout_control.meltano.workdir import LOGIN_DIRECTORY
from scout_control.store import postgres
from scout_control.store.models import SCHEMA, Connection
from scout_control.store.singer_state import MELTANO_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Cursor

    from scout_control.datasets.purge.owner_data import Names
    from scout_control.installation.installation import Site

CHUNK, OVERLAP = 1 << 20, 4096
COLUMNS = """
    SELECT relname, attname, format_type(atttypid, NULL)
      FROM pg_catalog.pg_attribute
      JOIN pg_catalog.pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')
       AND attnum > 0 AND NOT attisdropped
     ORDER BY relname, attnum
"""
READ_AS = {
    "text": "{}::text",
    "character varying": "{}::text",
    "name": "{}::text",
    "json": "{}::text",
    "jsonb": "{}::text",
    "uuid": "{}::text",
    "text[]": "{}::text",
    "bytea": "encode({}, 'escape')",
}
CATALOGS = (
    "pg_namespace",
    "pg_roles",
    "pg_description",
    "pg_shdescription",
    "pg_db_role_setting",
    "pg_policy",
    "pg_class",
    "pg_proc",
    "pg_seclabel",
    "pg_event_trigger",
    "pg_foreign_server",
    "pg_prepared_xacts",
)
OF_ROLES = {
    "default privileges": """
        SELECT count(*) FROM pg_catalog.pg_default_acl
          JOIN pg_catalog.pg_roles ON pg_roles.oid = defaclrole WHERE rolname = ANY(%(roles)s)
    """,
    "large objects": """
        SELECT count(*) FROM pg_catalog.pg_largeobject_metadata
          JOIN pg_catalog.pg_roles ON pg_roles.oid = lomowner WHERE rolname = ANY(%(roles)s)
    """,
    "sessions": """
        SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = ANY(%(roles)s)
    """,
}
ELSEWHERE = """
    SELECT DISTINCT rolname, datname FROM pg_catalog.pg_shdepend
      JOIN pg_catalog.pg_roles ON refclassid = 'pg_authid'::regclass AND refobjid = pg_roles.oid
      JOIN pg_catalog.pg_database ON pg_database.oid = dbid
     WHERE rolname = ANY(%s) AND datname <> current_database()
     ORDER BY 1, 2
"""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Where was looked, and how much was found; or why it could not be looked there."""

    where: str
    found: int
    problem: str | None = None


def look(site: Site, names: Names, leave_out: Iterable[Path] = ()) -> list[Look]:
    """Look everywhere.

    Args:
        site: The installation.
        names: By what the owner is found.
        leave_out: Files that name the owner on purpose, as a receipt.
    """
    return [
        *_in_store(site, names),
        *_in_databases(site, names),
        *_in_files(site, names, leave_out),
    ]


def matcher(names: Names) -> re.Pattern[bytes]:
    """Return what finds the owner in a file."""
    wanted = list(names.patterns)
    if names.id:  # as statements in a server's log have it
        wanted.append("'" + re.escape(names.id.replace("'", "''")) + "'")
    return re.compile("|".join(wanted).encode() or rb"(?!)")


def files(site: Site) -> Iterator[Path]:
    """Return the files of this installation on this machine, but those of Postgres itself."""
    places = [site.settings.home]
    for place in {workdir.IN_MEMORY, Path(tempfile.gettempdir())}:
        for prefix in (workdir.RUN, LOGIN_DIRECTORY):
            places += filter(_is_ours, place.glob(f"{prefix}*"))
    for place in places:
        for folder, folders, names in os.walk(place):
            if Path(folder) == site.settings.home and POSTGRES in folders:
                folders.remove(POSTGRES)
            yield from (Path(folder, name) for name in (*folders, *names))


def _is_ours(path: Path) -> bool:
    """Return whether a directory belongs to this account: others may make or link directories."""
    with suppress(OSError):
        return path.lstat().st_uid == os.geteuid() and not path.is_symlink()
    return False


def is_told(path: Path, wanted: re.Pattern[bytes]) -> bool:
    """Return whether a file names the owner in its path or in what it holds."""
    if wanted.search(os.fsencode(path.name)):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        before = b""
        while piece := file.read(CHUNK):
            if wanted.search(before + piece):
                return True
            before = piece[-OVERLAP:]
    return False


def roles(cursor: Cursor[Any], names: Names) -> list[str]:
    """Return which roles of the owner's datasets the server still has."""
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(names.roles)])
    return sorted(name for (name,) in cursor.fetchall())


def elsewhere(cursor: Cursor[Any], roles: Iterable[str]) -> list[str]:
    """Return which roles own or may something in other databases of the server."""
    cursor.execute(ELSEWHERE, [list(roles)])
    return [f"{role} in database {database}" for role, database in cursor.fetchall()]


def _in_store(site: Site, names: Names) -> Iterator[Look]:
    with postgres.connect(site.store.driver_url, autocommit=True) as connection:
        cursor = connection.cursor()
        for schema in (SCHEMA, MELTANO_SCHEMA):
            cursor.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema])
            if cursor.fetchone() is not None:
                yield from _in_schema(cursor, schema, names)
        left = planner_statistics.of_store(cursor, names)
        told = ", ".join(".".join(column) for column in left) or None
        yield Look(where="statistics of the planner", found=len(left), problem=told)


def _in_schema(cursor: Cursor[Any], schema: str, names: Names) -> Iterator[Look]:
    cursor.execute(COLUMNS, [schema])
    by_table: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in cursor.fetchall():
        if kind in READ_AS:
            by_table.setdefault(table, []).append((column, kind))
    for table, columns in by_table.items():
        yield _counted(
            f"{schema}.{table}", cursor, _statement(schema, table, columns, names), names
        )


def _statement(
    schema: str, table: str, columns: list[tuple[str, str]], names: Names
) -> sql.Composed:
    conditions: list[sql.Composable] = []
    for column, kind in columns:
        read = sql.SQL(READ_AS[kind]).format(sql.Identifier(column))
        conditions.append(sql.SQL("{} ~ ANY(%(patterns)s)").format(read))
        is_id = column in names.columns or (table, column) == (f"{names.kind}s", "id")
        if names.id is not None and is_id:
            conditions.append(sql.SQL("{} = %(id)s").format(read))
    if table == "audit_values" and names.id is not None:
        conditions.append(sql.SQL("name = ANY(%(ids)s) AND value = %(id)s"))
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
        sql.Identifier(schema, table), sql.SQL(" OR ").join(conditions)
    )


def _counted(
    where: str, cursor: Cursor[Any], statement: sql.Composed | bytes, names: Names
) -> Look:
    try:
        cursor.execute(statement, names.parameters)
    except psycopg.Error as error:
        return Look(where=where, found=0, problem=f"not read: SQLSTATE {error.sqlstate}")
    [found] = cursor.fetchone() or (0,)
    return Look(where=where, found=found)


def _in_databases(site: Site, names: Names) -> Iterator[Look]:
    with site.store.begin() as session:
        found = session.scalars(select(Connection).order_by(Connection.name)).all()
    for connection in found:
        where = f"connection {connection.name}"
        try:
            with postgres.connect(site.server_url(connection), autocommit=True) as opened:
                yield from _in_catalogs(where, opened.cursor(), names)
        except ControlError as error:
            yield Look(where=where, found=0, problem=error.cause)


def _in_catalogs(where: str, cursor: Cursor[Any], names: Names) -> Iterator[Look]:
    for catalog in CATALOGS:
        statement = sql.SQL(
            "SELECT count(*) FROM pg_catalog.{} AS entry WHERE entry::text ~ ANY(%(made)s)"
        ).format(sql.Identifier(catalog))
        yield _counted(f"{where}: {catalog}", cursor, statement, names)
    for what, told in OF_ROLES.items():
        yield _counted(f"{where}: {what}", cursor, told.encode(), names)
    left = elsewhere(cursor, names.roles)
    yield Look(
        where=f"{where}: other databases of the server",
        found=len(left),
        problem=", ".join(left) or None,
    )


def _in_files(site: Site, names: Names, leave_out: Iterable[Path]) -> Iterator[Look]:
    wanted, spared = matcher(names), {path.absolute() for path in leave_out}
    found, unread = [], []
    for path in files(site):
        try:
            if path not in spared and is_told(path, wanted):
                found.append(str(path))
        except FileNotFoundError:
            continue  # of a run that has ended meanwhile
        except OSError:
            unread.append(str(path))
    problem = f"not read: {', '.join(unread)}" if unread else ", ".join(found) or None
    yield Look(where="files of this machine", found=len(found), problem=problem)
