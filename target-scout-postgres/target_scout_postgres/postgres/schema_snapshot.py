"""The contents of the dataset schema: read once at the start, then updated by this run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_scout_postgres.encoding.column_types import CATALOG_NAMES
from target_scout_postgres.postgres import load_log_statements, statements
from target_scout_postgres.postgres.identifiers import Internal, is_internal

if TYPE_CHECKING:
    from target_scout_postgres.postgres.session import Session

READING = "reading the catalog"
RELATION_KINDS = {
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialised view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
}


class UniqueIndex(msgspec.Struct, frozen=True):
    """A unique index; constraint is the primary key that it belongs to, if any."""

    index: str
    constraint: str | None
    columns: tuple[str, ...]


class Table(msgspec.Struct):
    """A table of the dataset schema, or one that is to be created."""

    name: str
    columns: dict[str, str] = {}
    generated: set[str] = set()  # columns that only Postgres fills
    comments: dict[str, str] = {}
    last_attribute: int = 0  # highest column number; dropped columns count towards the limit
    indexes: list[UniqueIndex] = []
    exists: bool = False  # committed, or created in the open transaction
    is_new: bool = False  # created in the open transaction: invisible to others, without its key
    was_empty: bool = False  # all rows are from this run, so batches need no merging at first
    requested_key: tuple[str, ...] | None = None  # the last key tried, even if the rows forbid it

    def has_unique_index(self, columns: tuple[str, ...]) -> bool:
        """Return whether these columns are unique together."""
        return any(sorted(index.columns) == sorted(columns) for index in self.indexes)

    @property
    def primary_keys(self) -> list[UniqueIndex]:
        """Return the primary key, if there is one."""
        return [index for index in self.indexes if index.constraint is not None]

    def writable_type(self, column: str) -> str | None:
        """Return the type of a column; None if it is missing or generated."""
        return None if column in self.generated else self.columns.get(column)


class StreamVersions(NamedTuple):
    """The versions of a stream as `_scout_streams` keeps them between runs."""

    active: int | None = None
    loading: int | None = None
    is_announced: bool = False  # the ACTIVATE_VERSION of the loading version preceded its records
    seen: Sequence[int] = ()  # the latest versions before the active one


class SchemaSnapshot:
    """The tables of the dataset schema by name, and the versions of its streams."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.other_relations: dict[str, str] = {}  # name to relkind
        self.versions: dict[str, StreamVersions] = {}

    def read(self, session: Session) -> None:
        """Read the dataset schema."""
        self._read_columns(session)
        schema = session.settings.default_target_schema
        for name, index, constraint, columns in session.execute(
            statements.KEYS, [schema], doing=READING
        ):
            if name in self.tables:
                self.tables[name].indexes.append(UniqueIndex(index, constraint, tuple(columns)))
        if load_log_statements.STREAMS in self.tables:
            self._read_versions(session)

    def _read_columns(self, session: Session) -> None:
        schema = session.settings.default_target_schema
        rows = session.execute(statements.COLUMNS, [schema], doing=READING)
        for name, relkind, column, type_, comment, number, is_dropped, is_generated in rows:
            if relkind != "r":
                self.other_relations[name] = relkind
                continue
            table = self.tables.setdefault(name, Table(name, exists=True))
            table.last_attribute = max(table.last_attribute, number or 0)
            if column is None or is_dropped:
                continue
            table.columns[column] = CATALOG_NAMES.get(type_, type_)
            if is_generated:
                table.generated.add(column)
            if comment is not None:
                table.comments[column] = comment

    def _read_versions(self, session: Session) -> None:
        table = statements.qualified(
            session.settings.default_target_schema, load_log_statements.STREAMS
        )
        for column in load_log_statements.LATER_COLUMNS:
            if column not in self.tables[load_log_statements.STREAMS].columns:
                extend = load_log_statements.extend_streams(table, column)
                session.execute(extend, doing="reading versions")
        rows = session.execute(load_log_statements.read_streams(table), doing="reading versions")
        self.versions = {stream: StreamVersions(*versions) for stream, *versions in rows}

    def internal_tables(self, kind: Internal) -> list[Table]:
        """Return the internal tables of a kind, such as those that a killed run left."""
        return [table for name, table in self.tables.items() if is_internal(kind, name)]
