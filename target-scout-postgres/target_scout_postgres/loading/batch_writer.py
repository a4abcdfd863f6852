"""One way for all rows into a table: straight, or merged through a table of their own.

Rows are as their layout says; where the table's columns have widened since, they are carried over.
Rows that Postgres refuses are found one by one and left out. Runs in the writing thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.sql import SQL, Composable

from target_scout_postgres.encoding.column_types import carried
from target_scout_postgres.loading import wide_rows
from target_scout_postgres.postgres import rejected_rows, row_statements, statements
from target_scout_postgres.postgres.identifiers import own
from target_scout_postgres.postgres.rejected_rows import Refused

if TYPE_CHECKING:
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.loading.stream_tables import Batch
    from target_scout_postgres.postgres.schema_manager import Tables
    from target_scout_postgres.postgres.schema_snapshot import Table
    from target_scout_postgres.postgres.session import Session

TOO_LARGE = "54000"


class Storing:
    """Stores batches in the open transaction."""

    def __init__(self, session: Session, tables: Tables) -> None:
        self._session = session
        self._tables = tables
        self._between: dict[str, Composable] = {}  # tables for rows that are merged

    def store(self, table: Table, batch: Batch) -> list[Refused]:
        """Store all rows but those that Postgres refuses, which are returned."""

        def attempt(numbers: range) -> None:
            is_all = len(numbers) == len(batch.rows)
            rows = batch.rows if is_all else batch.rows[numbers.start : numbers.stop]
            self._put(table, batch, rows)

        try:
            return rejected_rows.refused_of(range(len(batch.rows)), attempt)
        except psycopg2.Error as error:
            doing = f"loading into the table {table.name}"
            raise self._session.refusal(error, doing, table.name) from None

    def _put(self, table: Table, batch: Batch, rows: Sequence[bytes]) -> None:
        """Store some rows, or none of them; those too wide for a page without some values."""
        try:
            self._put_as_they_are(table, batch, rows)
        except psycopg2.errors.UniqueViolation:
            if not table.is_direct:
                raise
            table.is_direct = False
            self._put(table, batch, rows)
        except psycopg2.Error as error:
            if error.pgcode != TOO_LARGE:
                raise
            narrowed = wide_rows.narrowed(
                self._session, self._tables, batch.layout, table.name, rows
            )
            if narrowed is None:
                raise
            self._put_as_they_are(table, batch, narrowed)

    def _put_as_they_are(self, table: Table, batch: Batch, rows: Sequence[bytes]) -> None:
        layout = batch.layout
        casts = _casts(table, layout)
        # Only a key refuses what is there already: without one, rows have to be merged.
        is_direct = table.is_direct and table.has_key(layout.key)
        is_straight = not layout.key or table.is_new or is_direct
        place = self._tables.place(table.name)
        if is_straight and not casts and not batch.removes:
            with self._session.savepoint():
                self._session.copy(row_statements.copy_in(place, layout.columns), rows)
            return
        source = self._table_between(table, layout)  # stays when the rows are undone
        found = row_statements.cast_from(source, layout.columns, casts) if casts else source
        with self._session.savepoint():
            self._session.copy(row_statements.copy_in(source, layout.columns), rows)
            self._merge(place, table, found, layout)
            if batch.removes and layout.mark is not None:
                self._session.run(
                    row_statements.delete_marked(place, found, layout.key, layout.mark.column)
                )
            self._session.run(row_statements.truncate(source))

    def _merge(self, place: Composable, table: Table, source: Composable, layout: Layout) -> None:
        """Write the rows of a batch over those of a table."""
        has_index = bool(layout.key) and table.has_key(layout.key)
        join = row_statements.JOIN_BY_KEY if has_index else row_statements.JOIN_FREELY
        write = row_statements.write_over(
            place, source, layout.columns, layout.key, has_index=has_index
        )
        self._session.run(SQL(join) + write)

    def _table_between(self, table: Table, layout: Layout) -> Composable:
        """Return a table for the rows of one batch, which no other session ever sees."""
        types = table.columns | layout.types
        columns = [(name, types[name]) for name in layout.columns]
        name = own("batch", f"{table.name} {columns}")
        if name not in self._between:
            place = self._tables.place(name)
            create = statements.create_table(place, columns, unlogged=True)
            self._session.execute(create, doing="creating a table for a batch")
            self._between[name] = place
        return self._between[name]

    def clear(self) -> None:
        """Drop the tables for rows that were merged."""
        for place in self._between.values():
            self._session.execute(statements.drop_table(place))
        self._between.clear()


def _casts(table: Table, layout: Layout) -> dict[str, str]:
    """Return how values get into columns that have widened since they were encoded."""
    return {
        name: carried(kind, table.columns[name]) or "{column}"
        for name, kind in layout.types.items()
        if table.columns[name] != kind
    }
