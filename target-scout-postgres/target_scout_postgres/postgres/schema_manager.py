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

from target_scout_postgres import logs
from target_scout_postgres.encoding.column_types import JSONB, TIMESTAMPTZ, Fit, carried, fit
from target_scout_postgres.encoding.layout import (
    DELETED_AT,
    FIXED_WIDTH,
    METADATA,
    MOST_COLUMNS,
    OVERFLOW,
    Layout,
    Place,
)
from target_scout_postgres.errors import DataError, SchemaError
from target_scout_postgres.postgres import sibling_columns, statements
from target_scout_postgres.postgres.identifiers import identifier, own
from target_scout_postgres.postgres.rejected_rows import UNWIDENED
from target_scout_postgres.postgres.schema_snapshot import COMPUTED, KINDS, Catalog, Key, Table
from target_scout_postgres.postgres.session import Session

if TYPE_CHECKING:
    from psycopg2.sql import Composable, Identifier

    from target_scout_postgres.encoding.stream_schema import Property, StreamSchema

MOST_COLUMNS_OF_A_PAGE = 400  # so many values always fit a row, whatever their size


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
        is_keyed = self._settings.load_method != "append-only"
        keys = schema.key if is_keyed else ()
        for part in schema.properties:
            wanted = wider.get(part.name, part.type)
            found = self._place(table, part, wanted, taken, is_key=part.name in keys)
            if found is None:
                overflow.append(part)
                continue
            places.append(found)
            others = sibling_columns.columns_of(table, part.name)
            nulls += [name for name in others if name != found.column]
        marks, extra = self._extra(table, {place.column for place in places}, taken)
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
        key = tuple(columns[name] for name in keys if name in columns)
        if marks is not None and not {marks} & {*columns.values(), *(name for _, name in extra)}:
            nulls.append(marks)
        places.sort(key=lambda place: place.type not in FIXED_WIDTH)
        self._add_now(table)
        return Layout(
            places=tuple(places),
            key=key,
            nulls=tuple(dict.fromkeys(nulls)),
            metadata=extra,
            overflow=tuple(overflow),
            deleted_at=marks,
            removes=bool(key) and self._settings.hard_delete,
        )

    def _place(
        self, table: Table, part: Property, wanted: str, taken: set[str], *, is_key: bool
    ) -> Place | None:
        """Return the column for a property; None when the table has no room for another."""
        column = identifier(part.name)
        present = table.columns.get(column)
        is_ours = present is not None and not sibling_columns.is_one(table, column, part.name)
        found = self._fit(table, part, wanted, is_key=is_key) if is_ours else None
        if found and (found.expression is None or self._widened(table, column, found)):
            return Place(part, column, found.type)
        if present is not None:
            wanted = found.type if found and is_key else wanted
            column = sibling_columns.column_for(table, part.name, wanted, taken)
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
        if is_ours and is_key and present:
            self._fill(table, column, identifier(part.name), wanted)
        return Place(part, column, wanted)

    def _fit(self, table: Table, part: Property, wanted: str, *, is_key: bool) -> Fit | None:
        """Return what the property's own column has to become; a key's becomes text if need be.

        A key that has gone to a sibling before stays there.
        """
        present = table.columns[identifier(part.name)]
        found = fit(present, wanted)
        if found is None and is_key:
            found = fit(present, wanted, is_key=True)
            if (
                found
                and sibling_columns.column_for(table, part.name, found.type, set()) in table.columns
            ):
                return None
        return found

    def _fill(self, table: Table, column: str, source: str, kind: str) -> None:
        """Fill the new column of a key from the one that it was in, so that rows keep their key."""
        found = fit(table.columns[source].removeprefix(COMPUTED), kind, is_key=True)
        if table.exists and found and found.type == kind:
            place = self.place(table.name)
            expression = found.expression or "{column}"
            self._additions.append(statements.fill_column(place, column, expression, source))

    def _extra(
        self, table: Table, columns: set[str], taken: set[str]
    ) -> tuple[str | None, tuple[tuple[str, str], ...]]:
        """Make sure of the columns that no property fills.

        Returns the one that marks rows as deleted, if there is one, and those that metadata fills,
        each with the name of what fills it.
        """
        marks = DELETED_AT if table.columns.get(DELETED_AT) == TIMESTAMPTZ else None
        if DELETED_AT in columns:
            marks = DELETED_AT
        elif not self._settings.hard_delete:
            marks = self._column_of_ours(table, DELETED_AT, TIMESTAMPTZ, taken)
        if not self._settings.add_record_metadata:
            return marks, ()
        wanted = [(name, kind) for name, kind in METADATA if name not in columns]
        return marks, tuple(
            (name, self._column_of_ours(table, name, kind, taken)) for name, kind in wanted
        )

    def _column_of_ours(self, table: Table, name: str, kind: str, taken: set[str]) -> str:
        """Return the column of this name if its type fits, else a sibling of it."""
        present = table.columns.get(name)
        if present is None:
            self._add(table, name, kind, None)
            return name
        found = fit(present, kind)
        if found and (found.expression is None or self._widened(table, name, found)):
            return name
        column = sibling_columns.column_for(table, name, kind, taken)
        self._add(table, column, kind, name)
        return column

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
            self.alter(table, self._additions)
            self._additions = []

    def _widened(self, table: Table, column: str, found: Fit) -> bool:
        """Widen a column in place; return whether that was possible."""
        if table.exists:
            self._may_change(table, f"a wider column {column}")
            place = self.place(table.name)
            expression = found.expression or "{column}"
            change = statements.widen_column(place, column, found.type, expression)
            try:
                self.alter(table, [change], tolerated=UNWIDENED)
            except UNWIDENED:
                return False
            was = table.columns[column]
            logs.info(f"{table.name}: widened the column {column} from {was} to {found.type}")
        table.columns[column] = found.type
        return True

    def _may_change(self, table: Table, what: str) -> None:
        if self._settings.schema_evolution == "fail":
            raise SchemaError(
                f"The stream of the table {table.name} asks for {what}, and the setting "
                "schema_evolution is fail. Look at the change, then set it to evolve."
            )

    def alter(
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
                    expression = carried(present, kind) or "NULL"
                    change = statements.widen_column(self.place(name), column, kind, expression)
                    self.alter(found, [change])
                found.columns[column] = kind
            comment = table.comments.get(column)
            self._add(found, column, kind, comment)
        self._add_now(found)
        return found

    def become(self, stage: Table, table: Table) -> None:
        """Make a stage the table itself, which is not there yet, in the open transaction."""
        place = self.place(table.name)
        doing = f"creating the table {table.name}"
        rename = statements.rename_table(self.place(stage.name), table.name)
        self._session.execute(rename, doing=doing, table=stage.name)
        for key in primary(stage):
            name = self.free_name("key", table.name)
            rename = statements.rename_constraint(place, key.constraint or "", name)
            self._session.execute(rename, doing=doing)
            table.keys.append(Key(name, name, key.columns))
        table.columns, table.comments = stage.columns, stage.comments
        table.attributes, table.is_direct = stage.attributes, stage.is_direct
        table.exists = True
        self._catalog.tables.pop(stage.name, None)

    def free_name(self, kind: str, table: str) -> str:
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


def primary(table: Table) -> list[Key]:
    """Return the primary key of a table, if it has one."""
    return [key for key in table.keys if key.constraint is not None]
