"""How the tables of streams come to be and follow their streams' schemas, without losing anything.

`plan` decides which property goes where; DDL on a table that others read runs in short transactions
of its own. Nothing here touches rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import logs, siblings, statements
from target_scout_postgres.catalog import KINDS, Catalog, Key, Table
from target_scout_postgres.column_types import HOLDS, JSONB, TIMESTAMPTZ, WIDENINGS
from target_scout_postgres.errors import DataError, SchemaError
from target_scout_postgres.identifiers import identifier, own
from target_scout_postgres.layout import (
    DELETED_AT,
    FIXED_WIDTH,
    METADATA,
    MOST_COLUMNS,
    OVERFLOW,
    Layout,
    Place,
)
from target_scout_postgres.session import Session

if TYPE_CHECKING:
    from psycopg2.sql import Composable, Identifier

    from target_scout_postgres.messages import Property, StreamSchema

MOST_COLUMNS_OF_A_PAGE = 400  # so many values always fit a row, whatever their size
TOO_LONG = "{}: a value of the key is too long for an index; merging is slower without one"


class Tables:
    """The tables of the dataset schema, as this run makes and changes them."""

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self._session = session
        self._catalog = catalog
        self._settings = session.settings
        self._additions: list[Composable] = []

    def place(self, name: str) -> Identifier:
        """Return a table's name with its schema."""
        return statements.qualified(self._settings.default_target_schema, name)

    # -- deciding ---------------------------------------------------------------------------------

    def table_of(self, stream: str) -> Table:
        """Return the table of a stream, which need not be there yet."""
        name = identifier(stream)
        if kind := self._catalog.others.get(name):
            raise DataError(
                f"The stream {stream} cannot be loaded: its name belongs to {KINDS[kind]} in the "
                "dataset schema. Rename one of them."
            )
        found = self._catalog.tables.get(name)
        if found is None:
            found = self._catalog.tables[name] = Table(name, {}, {}, 0, [])
            stage = self._catalog.tables.get(own("new", name))
            if stage is not None:  # a first version that has not been activated
                found.columns, found.comments = dict(stage.columns), dict(stage.comments)
                found.attributes = stage.attributes
        return found

    def follow(self, table: Table, schema: StreamSchema, wider: dict[str, str]) -> Layout:
        """Make a table fit a stream's schema; return which property goes into which column.

        Args:
            table: The stream's table.
            schema: What the stream's SCHEMA says.
            wider: Properties whose values need a wider type than the schema says.

        Raises:
            SchemaError: The table would have to change, and schema_evolution is fail.
        """
        places: list[Place] = []
        overflow: list[Property] = []
        nulls: list[str] = []
        taken = {identifier(part.name) for part in schema.properties}
        for part in schema.properties:
            found = self._place(table, part, wider.get(part.name, part.type), taken)
            if found is None:
                overflow.append(part)
                continue
            places.append(found)
            nulls += [
                name for name in siblings.columns_of(table, part.name) if name != found.column
            ]
        extra = self._extra(table, {place.column for place in places})
        is_wide = len(places) > MOST_COLUMNS_OF_A_PAGE
        if overflow or is_wide or not schema.properties:
            self._add(table, OVERFLOW, JSONB, None)
        if overflow:
            logs.warning(
                f"{table.name}: a table has {MOST_COLUMNS} columns at most; {len(overflow)} "
                f"properties go to the column {OVERFLOW}, from {overflow[0].name} on"
            )
        elif OVERFLOW in table.columns and places:
            nulls.append(OVERFLOW)
        columns = {place.source.name: place.column for place in places}
        is_keyed = self._settings.load_method != "append-only"
        key = tuple(columns[name] for name in schema.key if name in columns) if is_keyed else ()
        if DELETED_AT in table.columns and DELETED_AT not in columns and DELETED_AT not in extra:
            nulls.append(DELETED_AT)
        places.sort(key=lambda place: place.type not in FIXED_WIDTH)
        layout = Layout(tuple(places), key, tuple(dict.fromkeys(nulls)), extra, tuple(overflow))
        self._add_now(table)
        if table.exists:
            self._ensure_key(table, key)
        return layout

    def _place(self, table: Table, part: Property, wanted: str, taken: set[str]) -> Place | None:
        """Return the column for a property; None when the table has no room for another."""
        column = identifier(part.name)
        present = table.columns.get(column)
        if present is not None and not siblings.is_one(table, column, part.name):
            if present == wanted or (present, wanted) in HOLDS:
                return Place(part, column, present)
            if self._widened(table, column, present, wanted):
                return Place(part, column, wanted)
        if present is not None:
            column = siblings.column_for(table, part.name, wanted, taken)
            if column not in table.columns:
                logs.warning(
                    f"{table.name}: the property {part.name} is now {wanted}, which its column of "
                    f"type {present} cannot take; its values go to the new column {column}"
                )
        if column in table.columns:
            return Place(part, column, table.columns[column])
        reserve = 2 + (len(METADATA) if self._settings.add_record_metadata else 0)
        if table.attributes >= MOST_COLUMNS - reserve:
            return None
        self._add(table, column, wanted, part.name if column != part.name else None)
        return Place(part, column, wanted)

    def _extra(self, table: Table, columns: set[str]) -> tuple[str, ...]:
        """Make sure of the columns that no property fills; return those that metadata fills."""
        if not self._settings.hard_delete and DELETED_AT not in columns:
            self._add(table, DELETED_AT, TIMESTAMPTZ, None)
        if not self._settings.add_record_metadata:
            return ()
        wanted = [(name, kind) for name, kind in METADATA if name not in columns]
        for name, kind in wanted:
            self._add(table, name, kind, None)
        return tuple(name for name, _ in wanted)

    # -- changing ---------------------------------------------------------------------------------

    def _add(self, table: Table, column: str, kind: str, comment: str | None) -> None:
        """Add a column, now if the table is there, else when it is made."""
        if column in table.columns:
            return
        if table.exists:
            self._may_change(table, f"a new column {column}")
            place = self.place(table.name)
            self._additions.append(statements.add_column(place, column, kind))
            if comment is not None:
                self._additions.append(statements.comment_column(place, column, comment))
            logs.info(f"{table.name}: adding the column {column} of type {kind}")
        table.columns[column] = kind
        table.attributes += 1
        if comment is not None:
            table.comments[column] = comment

    def _add_now(self, table: Table) -> None:
        """Add all columns that were asked for, in one transaction."""
        if self._additions:
            self._alter(table, self._additions)
            self._additions = []

    def _widened(self, table: Table, column: str, present: str, wanted: str) -> bool:
        """Widen a column in place; tell whether that was possible."""
        expression = WIDENINGS.get((present, wanted))
        if expression is None:
            return False
        if table.exists:
            self._may_change(table, f"a wider column {column}")
            change = statements.widen_column(self.place(table.name), column, wanted, expression)
            try:
                self._alter(table, [change], tolerated=(psycopg2.errors.FeatureNotSupported,))
            except psycopg2.errors.FeatureNotSupported:
                return False  # a view, a rule or a policy holds the column
            logs.info(f"{table.name}: widened the column {column} from {present} to {wanted}")
        table.columns[column] = wanted
        return True

    def _may_change(self, table: Table, what: str) -> None:
        if self._settings.schema_evolution == "fail":
            raise SchemaError(
                f"The stream of the table {table.name} asks for {what}, and the setting "
                "schema_evolution is fail. Look at the change, then set it to evolve."
            )

    def _alter(
        self,
        table: Table,
        changes: Sequence[Composable],
        tolerated: tuple[type[psycopg2.Error], ...] = (),
    ) -> None:
        """Change a table in a short transaction; give way to readers and try again."""
        deadline = time.monotonic() + self._settings.lock_wait_seconds
        while True:
            try:
                with self._session.brief():
                    for change in changes:
                        self._session.attempt(change)
            except tolerated:
                raise
            except psycopg2.errors.LockNotAvailable as error:
                if time.monotonic() > deadline:
                    doing = f"changing the table {table.name}"
                    raise self._session.refusal(error, doing, table.name) from None
            except psycopg2.Error as error:
                raise self._session.refusal(error, f"changing the table {table.name}") from None
            else:
                return
            time.sleep(0.1)

    def create(self, table: Table) -> None:
        """Make a table in the open transaction; its key comes when it has rows."""
        self._session.begin()
        place = self.place(table.name)
        doing = f"creating the table {table.name}"
        columns = list(table.columns.items())
        self._session.execute(statements.create_table(place, columns), doing=doing)
        for column, text in table.comments.items():
            self._session.execute(statements.comment_column(place, column, text), doing=doing)
        if self._settings.reader_role:
            grant = statements.grant_table(place, self._settings.reader_role)
            self._session.execute(grant, doing=f"letting {self._settings.reader_role} read")
        table.exists = table.is_new = table.is_direct = True
        table.attributes = len(columns)

    def add_key(self, table: Table, key: tuple[str, ...]) -> None:
        """Give a table filled in this transaction its key, keeping the last of duplicates."""
        place = self.place(table.name)
        name = self._free("key", table.name)
        add = statements.add_key(place, name, key)
        try:
            self._session.attempt(add)
        except psycopg2.errors.UniqueViolation:
            self._session.execute(statements.keep_last(place, key), doing="removing duplicates")
            self._session.execute(add, doing=f"building the key of {table.name}")
        except psycopg2.errors.ProgramLimitExceeded:  # a value is too long for an index
            self._session.execute(statements.keep_last(place, key), doing="removing duplicates")
            logs.warning(TOO_LONG.format(table.name))
            return
        except psycopg2.Error as error:
            raise self._session.refusal(error, f"building the key of {table.name}") from None
        table.keys.append(Key(name, name, key))

    def _ensure_key(self, table: Table, key: tuple[str, ...]) -> None:
        """Make the key of a table that is there the one that its stream has now."""
        if table.is_new or (table.has_key(key) if key else not _primary(table)):
            return
        changes: list[Composable] = []
        place = self.place(table.name)
        for old in _primary(table):
            changes.append(statements.drop_constraint(place, old.constraint or ""))
            rest = [name for name in old.columns if name not in key]
            changes += [statements.drop_not_null(place, name) for name in rest]
        name = self._free("key", f"{table.name} {key}")
        if not key:
            self._alter(table, changes)
            logs.info(f"{table.name}: dropped the key, as the stream has none now")
            table.keys = [old for old in table.keys if old not in _primary(table)]
            return
        hopeless = (psycopg2.errors.UniqueViolation, psycopg2.errors.NotNullViolation)
        too_long = psycopg2.errors.ProgramLimitExceeded
        try:
            add = statements.add_key(place, name, key)
            self._alter(table, [*changes, add], tolerated=(*hopeless, too_long))
        except too_long:
            logs.warning(TOO_LONG.format(table.name))
            return
        except hopeless:
            logs.warning(
                f"{table.name}: the rows that are there do not allow the stream's key; they stay, "
                "and merging is slower"
            )
            search = statements.add_search_index(place, own("index", f"{table.name} {key}"), key)
            self._alter(table, [*changes, search])
            table.keys = [old for old in table.keys if old not in _primary(table)]
            return
        table.keys = [old for old in table.keys if old not in _primary(table)]
        table.keys.append(Key(name, name, key))

    def stage_of(self, table: Table, layout: Layout) -> Table:
        """Return the table in which a new version is gathered, with the columns that are filled."""
        name = own("new", table.name)
        found = self._catalog.tables.get(name)
        if found is None:
            found = self._catalog.tables[name] = Table(name, {}, {}, 0, [])
        for column in layout.columns:
            kind = table.columns[column]
            present = found.columns.get(column)
            if present is not None and present != kind:
                if found.exists:
                    expression = WIDENINGS.get((present, kind), "NULL")
                    change = statements.widen_column(self.place(name), column, kind, expression)
                    self._alter(found, [change])
                found.columns[column] = kind
            comment = table.comments.get(column)
            self._add(found, column, kind, comment)
        self._add_now(found)
        if found.exists:
            self._ensure_key(found, layout.key)
        return found

    def become(self, stage: Table, table: Table) -> None:
        """Make a stage the table itself, which is not there yet, in the open transaction."""
        place = self.place(table.name)
        doing = f"creating the table {table.name}"
        rename = statements.rename_table(self.place(stage.name), table.name)
        self._session.execute(rename, doing=doing, table=stage.name)
        for key in _primary(stage):
            name = self._free("key", table.name)
            rename = statements.rename_constraint(place, key.constraint or "", name)
            self._session.execute(rename, doing=doing)
            table.keys.append(Key(name, name, key.columns))
        table.columns, table.comments = stage.columns, stage.comments
        table.attributes, table.is_direct = stage.attributes, stage.is_direct
        table.exists = True
        self._catalog.tables.pop(stage.name, None)

    def _free(self, kind: str, table: str) -> str:
        """Return a name of our own that nothing had when the run began.

        A table that a user has renamed keeps the name of its key.
        """
        names = (own(kind, f"{table}{number or ''}") for number in count())
        return next(name for name in names if name not in self._catalog.others)

    def forget(self, table: Table) -> None:
        """Drop a table of our own, in the open transaction."""
        self._session.begin()
        if table.exists:
            drop = statements.drop_table(self.place(table.name))
            self._session.execute(drop, doing="dropping a stage", table=table.name)
        self._catalog.tables.pop(table.name, None)


def _primary(table: Table) -> list[Key]:
    return [key for key in table.keys if key.constraint is not None]
