"""What is in the dataset schema: read once at the start, and kept up to date by `tables`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_scout_postgres.encoding.column_types import CATALOGUE_NAMES
from target_scout_postgres.postgres import load_log_statements, statements
from target_scout_postgres.postgres.identifiers import is_own

if TYPE_CHECKING:
    from target_scout_postgres.postgres.session import Session

COMPUTED = "computed "  # stands before the type of a column that only Postgres fills
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
    """A unique index: its name, that of the primary key if it is one, its columns."""

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
    asked_key: tuple[str, ...] | None = None  # the key that it was last made to have, if it could

    def has_key(self, columns: tuple[str, ...]) -> bool:
        """Tell whether these columns are unique together."""
        return any(sorted(key.columns) == sorted(columns) for key in self.keys)


class Standing(NamedTuple):
    """Which version of a stream is live, and which one is being gathered."""

    active: int | None = None
    loading: int | None = None
    is_announced: bool = False  # its ACTIVATE_VERSION came before its records
    seen: Sequence[int] = ()  # versions that came before, the last ones


class Catalog:
    """The tables of the dataset schema by name, and the versions of its streams."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.others: dict[str, str] = {}  # name to kind, of what is not a plain table
        self.versions: dict[str, Standing] = {}

    def read(self, session: Session) -> None:
        """Read the dataset schema."""
        settings = session.settings
        schema = settings.default_target_schema
        found = session.execute(statements.COLUMNS, [schema], doing="reading the catalogue")
        for name, kind, column, type_, comment, number, is_dropped, is_computed in found:
            if kind != "r":
                self.others[name] = kind
                continue
            table = self.tables.setdefault(name, Table(name, {}, {}, 0, [], exists=True))
            table.attributes = max(table.attributes, number or 0)
            if column is not None and not is_dropped:
                known = CATALOGUE_NAMES.get(type_, type_)
                table.columns[column] = COMPUTED + known if is_computed else known
                if comment is not None:
                    table.comments[column] = comment
        keys = session.execute(statements.KEYS, [schema], doing="reading the catalogue")
        for name, index, constraint, columns in keys:
            if name in self.tables:
                self.tables[name].keys.append(Key(index, constraint, tuple(columns)))
        if load_log_statements.STREAMS in self.tables:
            place = statements.qualified(schema, load_log_statements.STREAMS)
            for column in load_log_statements.LATER_COLUMNS:
                if column not in self.tables[load_log_statements.STREAMS].columns:
                    extend = load_log_statements.extend_streams(place, column)
                    session.execute(extend, doing="reading versions")
            rows = session.execute(
                load_log_statements.read_streams(place), doing="reading versions"
            )
            self.versions = {stream: Standing(*found) for stream, *found in rows}

    def leftovers(self, kind: str) -> list[str]:
        """Return the names of relations of our own that a dead run has left."""
        return [name for name in self.tables if is_own(kind, name)]
