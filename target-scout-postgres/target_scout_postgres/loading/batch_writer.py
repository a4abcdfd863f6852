"""Writes batches to tables: copied directly, or merged through an unlogged batch table.

Rows are as their layout says; where the table's columns have widened since, they are cast. Rows
that Postgres rejects are found one by one and left out. Runs in the writer thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.sql import SQL, Composable

from target_scout_postgres.encoding.column_types import cast_expression
from target_scout_postgres.postgres import row_statements, statements
from target_scout_postgres.postgres.identifiers import Internal, internal_name
from target_scout_postgres.postgres.rejected_rows import RejectedRow, find_rejected

if TYPE_CHECKING:
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.loading.stream_tables import RowBatch
    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.postgres.schema_snapshot import Table
    from target_scout_postgres.postgres.session import Session

ROW_TOO_LARGE = "54000"


class BatchWriter:
    """Writes batches in the open transaction."""

    def __init__(self, session: Session, ddl: Ddl) -> None:
        self._session = session
        self._ddl = ddl
        self._batch_tables: dict[str, Composable] = {}

    def write(self, table: Table, batch: RowBatch) -> list[RejectedRow]:
        """Write all rows except those that Postgres rejects, which are returned."""

        def attempt(numbers: range) -> None:
            is_whole = len(numbers) == len(batch.rows)
            rows = batch.rows if is_whole else batch.rows[numbers.start : numbers.stop]
            self._write_rows(table, batch, rows)

        try:
            return find_rejected(range(len(batch.rows)), attempt)
        except psycopg2.Error as error:
            doing = f"loading into the table {table.name}"
            raise self._session.to_error(error, doing, table.name) from None

    def _write_rows(self, table: Table, batch: RowBatch, rows: Sequence[bytes]) -> None:
        """Write some rows, or none of them; narrow those that are too wide for a page."""
        try:
            self._write_unchanged(table, batch, rows)
        except psycopg2.errors.UniqueViolation:
            if not table.was_empty:
                raise
            # A key occurs in a second batch: from now on batches are merged.
            table.was_empty = False
            self._write_rows(table, batch, rows)
        except psycopg2.Error as error:
            if error.pgcode != ROW_TOO_LARGE:
                raise
            from target_scout_postgres.loading import wide_rows  # start-up: few tables need it

            narrowed = wide_rows.narrow(self._session, self._ddl, batch.layout, table.name, rows)
            if narrowed is None:
                raise
            self._write_unchanged(table, batch, narrowed)

    def _write_unchanged(self, table: Table, batch: RowBatch, rows: Sequence[bytes]) -> None:
        layout = batch.layout
        casts = _casts(table, layout)
        # Without a unique index, COPY would not notice a key that the table already has.
        is_guarded = table.was_empty and table.has_unique_index(layout.key)
        may_copy = not layout.key or table.is_new or is_guarded
        qualified = self._ddl.qualified(table.name)
        if may_copy and not casts and not batch.has_deletions:
            with self._session.savepoint():
                self._session.copy_in(row_statements.copy_in(qualified, layout.columns), rows)
            return
        # Created before the savepoint: the next attempt uses it again when this one is undone.
        batch_table = self._batch_table(table, layout)
        source = batch_table
        if casts:
            source = row_statements.with_casts(batch_table, layout.columns, casts)
        with self._session.savepoint():
            self._session.copy_in(row_statements.copy_in(batch_table, layout.columns), rows)
            self._merge(qualified, table, source, layout)
            if batch.has_deletions and layout.deletion_mark is not None:
                self._session.run(
                    row_statements.delete_marked(
                        qualified, source, layout.key, layout.deletion_mark.column
                    )
                )
            self._session.run(row_statements.truncate(batch_table))

    def _merge(
        self, qualified: Composable, table: Table, source: Composable, layout: Layout
    ) -> None:
        has_index = bool(layout.key) and table.has_unique_index(layout.key)
        join = row_statements.JOIN_BY_KEY if has_index else row_statements.JOIN_FREELY
        merge = row_statements.merge(
            qualified, source, layout.columns, layout.key, has_index=has_index
        )
        self._session.run(SQL(join) + merge)

    def _batch_table(self, table: Table, layout: Layout) -> Composable:
        """Return a table for the rows of one batch, which no other session ever sees."""
        types = table.columns | layout.types
        columns = [(name, types[name]) for name in layout.columns]
        name = internal_name(Internal.BATCH, f"{table.name} {columns}")
        if name not in self._batch_tables:
            qualified = self._ddl.qualified(name)
            create = statements.create_table(qualified, columns, unlogged=True)
            self._session.execute(create, doing="creating a table for a batch")
            self._batch_tables[name] = qualified
        return self._batch_tables[name]

    def drop_batch_tables(self) -> None:
        """Drop the batch tables; they live within one transaction."""
        for qualified in self._batch_tables.values():
            self._session.execute(statements.drop_table(qualified))
        self._batch_tables.clear()


def _casts(table: Table, layout: Layout) -> dict[str, str]:
    """Return the casts for columns that have widened since the rows were encoded."""
    return {
        name: cast_expression(type_, table.columns[name]) or "{column}"
        for name, type_ in layout.types.items()
        if table.columns[name] != type_
    }
