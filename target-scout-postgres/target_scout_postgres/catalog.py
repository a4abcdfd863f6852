"""What is in the dataset schema: read once at the start, and kept up to date by `tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_scout_postgres import book_statements, statements
from target_scout_postgres.column_types import CATALOGUE_NAMES
from target_scout_postgres.errors import DatabaseError, SettingsError
from target_scout_postgres.identifiers import OWN_PREFIX

if TYPE_CHECKING:
    from target_scout_postgres.session import Session

UNOWNED_COMMENTS = (None, "", "standard public schema")

KINDS = {
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialised view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
}


class Key(msgspec.Struct, frozen=True):
    """A unique index: its name, that of the constraint it holds, its columns."""

    index: str
    constraint: str | None
    columns: tuple[str, ...]


class Table(msgspec.Struct):
    """A table of the dataset schema, or one that is to be made."""

    name: str
    columns: dict[str, str]
    comments: dict[str, str] = {}
    attributes: int = 0  # highest column number, dropped columns included
    keys: list[Key] = []
    exists: bool = False  # committed, or made in the open transaction
    is_new: bool = False  # made in the open transaction: no reader sees it, its key comes last
    is_direct: bool = False  # filled by this run alone: rows are copied straight in

    def has_key(self, columns: tuple[str, ...]) -> bool:
        """Tell whether these columns are unique together."""
        return any(sorted(key.columns) == sorted(columns) for key in self.keys)


class Standing(NamedTuple):
    """Which version of a stream is live, and which one is being gathered."""

    active: int | None = None
    loading: int | None = None
    is_announced: bool = False  # its ACTIVATE_VERSION came before its records


class Catalog:
    """The tables of the dataset schema by name, and the versions of its streams."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.others: dict[str, str] = {}  # name to kind, of what is not a plain table
        self.versions: dict[str, Standing] = {}

    def read(self, session: Session) -> None:
        """Read the dataset schema; create it if that is allowed."""
        settings = session.settings
        schema = settings.default_target_schema
        _ensure_schema(session)
        found = session.execute(statements.COLUMNS, [schema], doing="reading the catalogue")
        for name, kind, column, type_, comment, number, is_dropped, is_computed in found:
            if kind != "r":
                self.others[name] = kind
                continue
            table = self.tables.setdefault(name, Table(name, {}, {}, 0, [], exists=True))
            table.attributes = max(table.attributes, number or 0)
            if column is not None and not is_dropped and not is_computed:
                table.columns[column] = CATALOGUE_NAMES.get(type_, type_)
                if comment is not None:
                    table.comments[column] = comment
        keys = session.execute(statements.KEYS, [schema], doing="reading the catalogue")
        for name, index, constraint, columns in keys:
            if name in self.tables:
                self.tables[name].keys.append(Key(index, constraint, tuple(columns)))
        if book_statements.STREAMS in self.tables:
            place = statements.qualified(schema, book_statements.STREAMS)
            if "is_announced" not in self.tables[book_statements.STREAMS].columns:
                session.execute(book_statements.extend_streams(place), doing="reading versions")
            rows = session.execute(book_statements.read_streams(place), doing="reading versions")
            self.versions = {stream: Standing(*found) for stream, *found in rows}

    def leftovers(self, kind: str) -> list[str]:
        """Return the names of relations of our own that a dead run has left."""
        return [name for name in self.tables if name.startswith(f"{OWN_PREFIX}{kind}_")]


def _ensure_schema(session: Session) -> None:
    settings = session.settings
    schema = settings.default_target_schema
    facts = session.execute(statements.SCHEMA_FACTS, [schema], doing="reading the catalogue")
    if not facts:
        if not settings.create_schema:
            raise SettingsError(
                f"The schema {schema} is not there, and the setting create_schema forbids to "
                "create it. Create it, or allow that."
            )
        session.execute(statements.create_schema(schema), doing=f"creating the schema {schema}")
        facts = [(None, True, True)]
    ((comment, may_create, may_use),) = facts
    _check_owner(session, comment)
    if not (may_create and may_use):
        raise DatabaseError(
            f"The role may not write to the schema {schema}. Grant it USAGE and CREATE there, or "
            "make it the schema's owner."
        )
    if settings.reader_role:
        _let_read(session, settings.reader_role)


def _let_read(session: Session, role: str) -> None:
    schema = session.settings.default_target_schema
    doing = f"letting the role {role} read (setting reader_role)"
    if not session.execute(statements.ROLE, [role], doing=doing):
        raise SettingsError(
            f"The setting reader_role names {role}, a role that the server does not have. Create "
            "it, or correct the setting."
        )
    session.execute(statements.grant_schema(schema, role), doing=doing)
    for (name,) in session.execute(statements.UNREAD, [schema, role], doing=doing):
        place = statements.qualified(schema, name)
        session.execute(statements.grant_table(place, role), doing=doing)


def _check_owner(session: Session, comment: str | None) -> None:
    settings = session.settings
    schema = settings.default_target_schema
    if settings.owner is None or comment == settings.owner:
        return
    if comment not in UNOWNED_COMMENTS:
        raise DatabaseError(
            f"The schema {schema} belongs to another owner than the setting owner says (its "
            "comment names the owner). Nothing was written. Choose another schema."
        )
    session.execute(
        statements.comment_schema(schema, settings.owner),
        doing=f"keeping the owner in the comment of the schema {schema}",
    )
