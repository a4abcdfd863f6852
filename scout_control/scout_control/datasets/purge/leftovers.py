"""Searches for remains of an owner: in the store, in every database, in files of this machine.

It examines the current contents and does not rely on reports of a removal. Tables of other datasets
are not searched: they belong to their owners.
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
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.store import postgres
from scout_control.store.models import SCHEMA, Connection
from scout_control.store.singer_state import MELTANO_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Cursor

    from scout_control.datasets.purge.owner_data import SearchTerms
    from scout_control.installation.installation import Installation

CHUNK, OVERLAP = 1 << 20, 4096
TABLES = {"user": "people", "project": "projects"}
"""The tables whose ``id`` is that of an owner."""
UNQUOTED = re.compile(r"[A-Za-z0-9]+")
SELECT_COLUMNS = """
    SELECT relname, attname, format_type(atttypid, NULL)
      FROM pg_catalog.pg_attribute
      JOIN pg_catalog.pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')
       AND attnum > 0 AND NOT attisdropped
     ORDER BY relname, attnum
"""
AS_TEXT = {
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
COUNTS_BY_ROLE = {
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
REFERENCES_IN_OTHER_DATABASES = """
    SELECT DISTINCT rolname, datname FROM pg_catalog.pg_shdepend
      JOIN pg_catalog.pg_roles ON refclassid = 'pg_authid'::regclass AND refobjid = pg_roles.oid
      JOIN pg_catalog.pg_database ON pg_database.oid = dbid
     WHERE rolname = ANY(%s) AND datname <> current_database()
     ORDER BY 1, 2
"""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The number of matches in one location, or why it could not be searched."""

    where: str
    found: int
    problem: str | None = None


def search(
    installation: Installation, terms: SearchTerms, leave_out: Iterable[Path] = ()
) -> list[SearchResult]:
    """Search everywhere.

    Args:
        installation: The installation.
        terms: What identifies the owner.
        leave_out: Files that name the owner on purpose, such as a receipt.
    """
    return [
        *_in_store(installation, terms),
        *_in_databases(installation, terms),
        *_in_files(installation, terms, leave_out),
    ]


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """Finds the owner in the content of a file."""

    pattern: re.Pattern[bytes]
    words: tuple[bytes, ...]
    """Each match contains one of these, which are found many times faster; none: unknown."""

    def search(self, text: bytes) -> bool:
        """Return whether a text contains the owner."""
        if self.words and not any(word in text for word in self.words):
            return False
        return self.pattern.search(text) is not None


def matcher(terms: SearchTerms) -> Matcher:
    """Return what matches the owner in a file."""
    patterns = list(terms.patterns)
    words = [*terms.schemas, *terms.datasets, *terms.comments]
    if terms.id:  # as a literal in statements of a server's log
        patterns.append("'" + re.escape(terms.id.replace("'", "''")) + "'")
        # The part of the id that is the same however it is quoted.
        words.append(max(UNQUOTED.findall(terms.id), key=len, default=""))
        words += [max(UNQUOTED.findall(each), key=len, default="") for each in terms.addresses]
    return Matcher(
        pattern=re.compile("|".join(patterns).encode() or rb"(?!)"),
        words=tuple(word.encode() for word in words) if all(words) else (),
    )


def files(installation: Installation) -> Iterator[Path]:
    """Yield the files of this installation on this machine, except those of Postgres."""
    roots = [installation.settings.home]
    for parent in {workdir.IN_MEMORY, Path(tempfile.gettempdir())}:
        for prefix in (workdir.RUN, CREDENTIAL_DIRECTORY):
            roots += filter(_is_ours, parent.glob(f"{prefix}*"))
    for root in roots:
        for folder, folders, names in os.walk(root):
            if Path(folder) == installation.settings.home and POSTGRES in folders:
                folders.remove(POSTGRES)
            yield from (Path(folder, name) for name in (*folders, *names))


def _is_ours(path: Path) -> bool:
    """Return whether we own a directory: other accounts can create or link directories there."""
    with suppress(OSError):
        return path.lstat().st_uid == os.geteuid() and not path.is_symlink()
    return False


def mentions(path: Path, owner: Matcher) -> bool:
    """Return whether a file matches in its name or in its content."""
    if owner.search(os.fsencode(path.name)):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        overlap = b""
        while chunk := file.read(CHUNK):
            if owner.search(overlap + chunk):
                return True
            overlap = chunk[-OVERLAP:]
    return False


def roles(cursor: Cursor[Any], terms: SearchTerms) -> list[str]:
    """Return the roles of the owner's datasets that still exist."""
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(terms.roles)])
    return sorted(name for (name,) in cursor.fetchall())


def in_other_databases(cursor: Cursor[Any], roles: Iterable[str]) -> list[str]:
    """Return which roles own objects or have privileges in other databases of the server."""
    cursor.execute(REFERENCES_IN_OTHER_DATABASES, [list(roles)])
    return [f"{role} in database {database}" for role, database in cursor.fetchall()]


def _in_store(installation: Installation, terms: SearchTerms) -> Iterator[SearchResult]:
    with postgres.connect(installation.store.driver_url, autocommit=True) as connection:
        cursor = connection.cursor()
        for schema in (SCHEMA, MELTANO_SCHEMA):
            cursor.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema])
            if cursor.fetchone() is not None:
                yield from _in_schema(cursor, schema, terms)
        left = planner_statistics.columns_with_owner(cursor, terms)
        problem = ", ".join(".".join(column) for column in left) or None
        yield SearchResult(where="planner statistics", found=len(left), problem=problem)


def _in_schema(cursor: Cursor[Any], schema: str, terms: SearchTerms) -> Iterator[SearchResult]:
    cursor.execute(SELECT_COLUMNS, [schema])
    by_table: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in cursor.fetchall():
        if kind in AS_TEXT:
            by_table.setdefault(table, []).append((column, kind))
    for table, columns in by_table.items():
        yield _count(f"{schema}.{table}", cursor, _statement(schema, table, columns, terms), terms)


def _statement(
    schema: str, table: str, columns: list[tuple[str, str]], terms: SearchTerms
) -> sql.Composed:
    conditions: list[sql.Composable] = []
    for column, kind in columns:
        read = sql.SQL(AS_TEXT[kind]).format(sql.Identifier(column))
        conditions.append(sql.SQL("{} ~ ANY(%(patterns)s)").format(read))
        is_id = column in terms.columns or (column == "id" and table == TABLES[terms.kind])
        if terms.id is not None and is_id:
            conditions.append(sql.SQL("{} = %(id)s").format(read))
    if table == "audit_values" and terms.id is not None:
        conditions.append(sql.SQL("name = ANY(%(ids)s) AND value = %(id)s"))
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
        sql.Identifier(schema, table), sql.SQL(" OR ").join(conditions)
    )


def _count(
    where: str, cursor: Cursor[Any], statement: sql.Composed | bytes, terms: SearchTerms
) -> SearchResult:
    try:
        cursor.execute(statement, terms.parameters)
    except psycopg.Error as error:
        return SearchResult(where=where, found=0, problem=f"not read: SQLSTATE {error.sqlstate}")
    [count] = cursor.fetchone() or (0,)
    return SearchResult(where=where, found=count)


def _in_databases(installation: Installation, terms: SearchTerms) -> Iterator[SearchResult]:
    with installation.store.begin() as session:
        connections = session.scalars(select(Connection).order_by(Connection.name)).all()
    for connection in connections:
        where = f"connection {connection.name}"
        try:
            with postgres.connect(installation.server_url(connection), autocommit=True) as opened:
                yield from _in_catalogs(where, opened.cursor(), terms)
        except ControlError as error:
            yield SearchResult(where=where, found=0, problem=error.cause)


def _in_catalogs(where: str, cursor: Cursor[Any], terms: SearchTerms) -> Iterator[SearchResult]:
    for catalog in CATALOGS:
        statement = sql.SQL(
            "SELECT count(*) FROM pg_catalog.{} AS entry WHERE entry::text ~ ANY(%(generated)s)"
        ).format(sql.Identifier(catalog))
        yield _count(f"{where}: {catalog}", cursor, statement, terms)
    for what, count in COUNTS_BY_ROLE.items():
        yield _count(f"{where}: {what}", cursor, count.encode(), terms)
    left = in_other_databases(cursor, terms.roles)
    yield SearchResult(
        where=f"{where}: other databases of the server",
        found=len(left),
        problem=", ".join(left) or None,
    )


def _in_files(
    installation: Installation, terms: SearchTerms, leave_out: Iterable[Path]
) -> Iterator[SearchResult]:
    owner, spared = matcher(terms), {path.absolute() for path in leave_out}
    matching, unread = [], []
    for path in files(installation):
        try:
            if path not in spared and mentions(path, owner):
                matching.append(str(path))
        except FileNotFoundError:
            continue  # removed by a run that ended meanwhile
        except OSError:
            unread.append(str(path))
    problem = f"not read: {', '.join(unread)}" if unread else ", ".join(matching) or None
    yield SearchResult(where="files of this machine", found=len(matching), problem=problem)
