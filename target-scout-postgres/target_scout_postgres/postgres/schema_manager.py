"""Decides on the columns for the properties of a stream, and adapts its tables.

Nothing is ever lost: columns are added or widened, never dropped; values that a column cannot take
go to a sibling column. Touches no rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_scout_postgres import logs
from target_scout_postgres.encoding.column_types import (
    JSONB,
    TIMESTAMPTZ,
    Fit,
    cast_expression,
    fit,
)
from target_scout_postgres.encoding.layout import (
    DELETED_AT,
    FIXED_WIDTH,
    MAX_COLUMNS,
    METADATA,
    OVERFLOW,
    ColumnMapping,
    Layout,
)
from target_scout_postgres.errors import DataError
from target_scout_postgres.postgres import sibling_columns
from target_scout_postgres.postgres.identifiers import Internal, identifier, internal_name
from target_scout_postgres.postgres.schema_snapshot import RELATION_KINDS, SchemaSnapshot, Table

if TYPE_CHECKING:
    from target_scout_postgres.encoding.stream_schema import Property, StreamSchema
    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.settings import Settings

MAX_COLUMNS_OF_A_PAGE = 400  # this many values fit into a row, whatever their size


class ExtraColumns(NamedTuple):
    """The columns that no property fills."""

    soft_delete: str | None
    metadata: tuple[tuple[str, str], ...]  # the source of its values, and the column


class SchemaManager:
    """Keeps tables in step with the schemas of their streams."""

    def __init__(self, settings: Settings, snapshot: SchemaSnapshot, ddl: Ddl) -> None:
        self._settings = settings
        self._snapshot = snapshot
        self._ddl = ddl

    def table_of(self, stream: str) -> Table:
        """Return the table of a stream, which need not exist yet."""
        name = identifier(stream)
        if relkind := self._snapshot.other_relations.get(name):
            raise DataError(
                f"The stream {stream} cannot be loaded: its name belongs to "
                f"{RELATION_KINDS[relkind]} in the dataset schema. Rename one of them."
            )
        table = self._snapshot.tables.get(name)
        if table is None:
            table = self._snapshot.tables[name] = Table(name)
            stage = self._snapshot.tables.get(internal_name(Internal.STAGE, name))
            if stage is not None:  # a first version that was never activated
                table.columns, table.comments = dict(stage.columns), dict(stage.comments)
                table.last_attribute = stage.last_attribute
        return table

    def stage_of(self, table: Table, layout: Layout) -> Table:
        """Return the staging table for a new version, with the layout's columns."""
        name = internal_name(Internal.STAGE, table.name)
        stage = self._snapshot.tables.get(name)
        if stage is None:
            stage = self._snapshot.tables[name] = Table(name)
        for column in layout.columns:
            type_ = table.columns[column]
            present = stage.columns.get(column)
            if present is not None and present != type_:
                self._ddl.retype(stage, column, type_, cast_expression(present, type_) or "NULL")
            self._ddl.add_column(stage, column, type_, table.comments.get(column))
        self._ddl.apply(stage)
        return stage

    def sync_schema(self, table: Table, schema: StreamSchema, widened: dict[str, str]) -> Layout:
        """Adapt a table to a stream's schema; return the columns of the properties.

        Args:
            table: The stream's table.
            schema: What the stream's SCHEMA says.
            widened: Types of the properties whose values need a wider one than the schema says.

        Raises:
            SchemaError: The table would have to change, and schema_evolution is fail.
        """
        # No sibling may take the column of a property that comes later in the schema.
        taken = {identifier(property_.name) for property_ in schema.properties}
        key_names = () if self._settings.load_method == "append-only" else schema.key
        mappings: list[ColumnMapping] = []
        overflow: list[Property] = []
        cleared: list[str] = []
        for property_ in schema.properties:
            wanted = widened.get(property_.name, property_.type)
            is_key = property_.name in key_names
            mapping = self._map_property(table, property_, wanted, taken, is_key=is_key)
            if mapping is None:
                overflow.append(property_)
                continue
            mappings.append(mapping)
            columns = sibling_columns.columns_of(table, property_.name)
            cleared += [column for column in columns if column != mapping.column]
        extra = self._extra_columns(table, {mapping.column for mapping in mappings}, taken)
        cleared += self._cleared_extras(table, mappings, overflow, extra)
        by_property = {mapping.source.name: mapping.column for mapping in mappings}
        key = tuple(by_property[name] for name in key_names if name in by_property)
        mappings.sort(key=lambda mapping: mapping.type not in FIXED_WIDTH)
        self._ddl.apply(table)
        return Layout(
            mappings=tuple(mappings),
            key=key,
            cleared=tuple(dict.fromkeys(cleared)),
            metadata=extra.metadata,
            overflow=tuple(overflow),
            soft_delete_column=extra.soft_delete,
            deletes_marked=bool(key) and self._settings.hard_delete,
        )

    def _cleared_extras(
        self,
        table: Table,
        mappings: list[ColumnMapping],
        overflow: list[Property],
        extra: ExtraColumns,
    ) -> list[str]:
        """Return the columns besides siblings that a row clears when it is written again."""
        cleared = []
        if overflow or len(mappings) > MAX_COLUMNS_OF_A_PAGE or not mappings:
            self._ddl.add_column(table, OVERFLOW, JSONB, None)
        if overflow:
            logs.notice(
                f"{table.name}: a table has {MAX_COLUMNS} columns at most; {len(overflow)} "
                f"more of its stream go to the column {OVERFLOW}, starting with {overflow[0].name}"
            )
        elif OVERFLOW in table.columns and mappings:
            cleared.append(OVERFLOW)
        # A soft-deleted row that is sent again is no longer deleted.
        filled = {mapping.column for mapping in mappings} | {column for _, column in extra.metadata}
        if extra.soft_delete is not None and extra.soft_delete not in filled:
            cleared.append(extra.soft_delete)
        return cleared

    def _map_property(
        self, table: Table, property_: Property, wanted: str, taken: set[str], *, is_key: bool
    ) -> ColumnMapping | None:
        """Return the column for a property; None when the table has no room for another."""
        own_column = identifier(property_.name)
        present = table.columns.get(own_column)
        # A property may be called `age__text`, like the sibling column of the property `age`.
        is_own = present is not None and not sibling_columns.belongs_to_other(
            table, own_column, property_.name
        )
        own_fit = self._fit(table, property_, wanted, is_key=is_key) if is_own else None
        if own_fit and self._fits(table, own_column, own_fit):
            return ColumnMapping(property_, own_column, own_fit.type)
        column = own_column
        if present is not None:
            # A key that could not be widened in place still moves to the wider type.
            wanted = own_fit.type if own_fit and is_key else wanted
            column = sibling_columns.choose(table, property_.name, wanted, taken)
            if column not in table.columns:
                logs.warning(
                    f"{table.name}: the property {property_.name} is now {wanted}, which its "
                    f"{present} column cannot take; its values go to the new column {column}"
                )
        if column in table.columns:
            return ColumnMapping(property_, column, table.columns[column])
        if not self._has_room(table):
            return None
        comment = property_.name if column != property_.name else None
        self._ddl.add_column(table, column, wanted, comment)
        if is_own and is_key:
            self._fill_key(table, column, own_column, wanted)
        return ColumnMapping(property_, column, wanted)

    def _has_room(self, table: Table) -> bool:
        # Kept free for the overflow column, the soft-delete column and those of metadata.
        reserve = 2 + (len(METADATA) if self._settings.add_record_metadata else 0)
        return table.last_attribute < MAX_COLUMNS - reserve

    def _fits(self, table: Table, column: str, column_fit: Fit) -> bool:
        return column_fit.cast is None or self._ddl.widen(table, column, column_fit)

    def _fit(self, table: Table, property_: Property, wanted: str, *, is_key: bool) -> Fit | None:
        """Return what the property's own column must become; a key's becomes text if need be.

        A key that has moved to a sibling before stays there.
        """
        present = table.writable_type(identifier(property_.name))
        if present is None:
            return None
        own_fit = fit(present, wanted)
        if own_fit is None and is_key:
            own_fit = fit(present, wanted, is_key=True)
            if own_fit is None:
                return None
            sibling = sibling_columns.choose(table, property_.name, own_fit.type, set())
            if sibling in table.columns:
                return None
        return own_fit

    def _fill_key(self, table: Table, column: str, source: str, type_: str) -> None:
        """Fill the new column of a key from its old one, so that rows keep their key."""
        source_fit = fit(table.columns[source], type_, is_key=True)
        if source_fit and source_fit.type == type_:
            self._ddl.fill_column(table, column, source, source_fit.cast or "{column}")

    def _extra_columns(self, table: Table, columns: set[str], taken: set[str]) -> ExtraColumns:
        soft_delete = DELETED_AT if table.writable_type(DELETED_AT) == TIMESTAMPTZ else None
        if DELETED_AT in columns:
            soft_delete = DELETED_AT
        elif not self._settings.hard_delete:
            soft_delete = self._extra_column(table, DELETED_AT, TIMESTAMPTZ, taken)
        if not self._settings.add_record_metadata:
            return ExtraColumns(soft_delete, ())
        wanted = [(name, type_) for name, type_ in METADATA if name not in columns]
        return ExtraColumns(
            soft_delete,
            tuple((name, self._extra_column(table, name, type_, taken)) for name, type_ in wanted),
        )

    def _extra_column(self, table: Table, name: str, type_: str, taken: set[str]) -> str:
        """Return the column of this name if its type fits, else a sibling of it."""
        if name not in table.columns:
            self._ddl.add_column(table, name, type_, None)
            return name
        present = table.writable_type(name)
        column_fit = fit(present, type_) if present is not None else None
        if column_fit and self._fits(table, name, column_fit):
            return name
        column = sibling_columns.choose(table, name, type_, taken)
        self._ddl.add_column(table, column, type_, name)
        return column
