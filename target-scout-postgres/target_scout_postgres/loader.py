"""Rows into tables: straight, merged, held back or staged; all of a checkpoint in one transaction.

Runs in the writing thread. Knows rows as bytes, not records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg2

from target_scout_postgres import dataset_schema, fields, overflow, statements
from target_scout_postgres.books import Books, Reject
from target_scout_postgres.catalog import Catalog, Standing, Table
from target_scout_postgres.errors import DataError, TargetError, is_lost
from target_scout_postgres.identifiers import own
from target_scout_postgres.layout import Layout
from target_scout_postgres.refresh import Refresh
from target_scout_postgres.session import Session
from target_scout_postgres.sink import Batch, Checkpoint, Held, Sink
from target_scout_postgres.tables import Tables

if TYPE_CHECKING:
    from target_scout_postgres.messages import StreamSchema
    from target_scout_postgres.settings import Settings

EPOCH_COLUMN = "_scout_epoch"
TOO_LARGE = "54000"

# What Postgres refuses because of a value: class 22 (data), 54 (limits), a null in a column that
# somebody made NOT NULL, a CHECK that somebody added.
VALUE_ERRORS = ("22", "54", "23502", "23514", "XX000")


class Loader:
    """Writes batches and commits checkpoints."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self.session = Session(settings)
        self.catalog = Catalog()
        self.tables = Tables(self.session, self.catalog)
        self.books = Books(self.session, self.catalog, self.tables, run_id)
        self.refresh = Refresh(self.session, self.catalog, self.tables, self.books)
        self._settings = settings
        self._batches: dict[str, Table] = {}
        self._unkeyed: dict[str, tuple[Table, tuple[str, ...]]] = {}
        self.rejects: list[Reject] = []

    def start(self) -> None:
        """Take the lock, read the dataset schema, clear away what a dead run held back."""
        self.session.connect()
        dataset_schema.make(self.session)
        self.session.take_lock()
        self.session.begin()
        dataset_schema.claim(self.session)
        self.catalog.read(self.session)
        for kind in ("held", "batch"):
            for name in self.catalog.leftovers(kind):
                self.tables.forget(self.catalog.tables[name])
        self.books.open()
        self.session.commit()

    def sink(self, stream: str) -> Sink:
        """Return where a stream's rows go."""
        return Sink(stream, self.tables.table_of(stream))

    def follow(self, sink: Sink, schema: StreamSchema, wider: dict[str, str]) -> Layout:
        """Make the stream's tables fit its schema."""
        self.seal()
        self.session.commit()
        sink.layout = self.tables.follow(sink.live, schema, wider)
        if sink.stage is not None:
            sink.stage = self.tables.stage_of(sink.live, sink.layout)
        return sink.layout

    def use(self, sink: Sink, layout: Layout) -> None:
        """Go back to a layout that the stream's table still fits."""
        sink.layout = layout
        if sink.stage is not None:
            if not sink.stage.columns.keys() >= set(layout.columns):  # it has to change first
                self.seal()
                self.session.commit()
            sink.stage = self.tables.stage_of(sink.live, layout)

    def begin(self, sink: Sink, version: int | None, *, is_announced: bool) -> None:
        """Begin to gather a version, or go on with it."""
        if own("new", sink.live.name) in self.catalog.tables:  # which may have to change first
            self.seal()
            self.session.commit()
        loading = self.catalog.versions.get(sink.stream, Standing()).loading
        if sink.stage is not None and (loading != version or version is None):
            self._unkeyed.pop(sink.stage.name, None)
        self.refresh.begin(sink, version, is_announced=is_announced)

    # -- rows -------------------------------------------------------------------------------------

    def write(self, sink: Sink, batch: Batch) -> None:
        """Write a batch in the open transaction."""
        table = self._destination(sink, batch.is_staged)
        self._stored(sink, table, batch)

    def _destination(self, sink: Sink, is_staged: bool) -> Table:  # noqa: FBT001 - private
        if is_staged and sink.stage is None:
            sink.stage = self.tables.stage_of(sink.live, sink.layout)
        table = sink.stage if is_staged and sink.stage is not None else sink.live
        self.ensure(sink, table)
        return table

    def ensure(self, sink: Sink, table: Table) -> None:
        """Make sure that a table is there."""
        self.session.begin()
        if not table.exists:
            self.tables.create(table)
            if sink.layout.key:
                self._unkeyed[table.name] = (table, sink.layout.key)

    def _stored(self, sink: Sink, table: Table, batch: Batch) -> None:
        """Store rows; find and refuse the one that Postgres cannot take."""
        layout = sink.layout
        # Only a key refuses what is there already: without one, rows have to be merged.
        is_direct = table.is_direct and table.has_key(layout.key)
        is_straight = not layout.key or table.is_new or is_direct
        through = None if is_straight else self._batch_of(table, layout)
        try:
            with self.session.savepoint():
                self._put(layout, table, through, batch.rows)
        except psycopg2.errors.UniqueViolation:
            if not table.is_direct:
                raise
            table.is_direct = False
            self._stored(sink, table, batch)
        except psycopg2.Error as error:
            state = error.pgcode or ""
            if is_lost(error) or not state.startswith(VALUE_ERRORS):
                raise self.session.refusal(error, f"loading the stream {sink.stream}") from None
            self._divide(sink, table, batch, state)

    def _divide(self, sink: Sink, table: Table, batch: Batch, state: str) -> None:
        if state == TOO_LARGE:
            layout = sink.layout
            narrowed = overflow.narrowed(self.session, self.tables, layout, table.name, batch.rows)
            if narrowed is not None:
                self._stored(sink, table, batch._replace(rows=narrowed))
                return
        if len(batch.rows) == 1:
            self.refuse(sink.stream, batch.lines, f"Postgres cannot store it (SQLSTATE {state})")
            return
        middle = len(batch.rows) // 2
        for rows in (batch.rows[:middle], batch.rows[middle:]):
            self._stored(sink, table, batch._replace(rows=rows))

    def refuse(self, stream: str, lines: tuple[int, int], reason: str) -> None:
        """Refuse a row that only Postgres could tell does not fit."""
        if self._settings.on_invalid_record == "fail":
            raise DataError(
                f"A record of the stream {stream} between lines {lines[0]} and {lines[1]} is "
                f"refused: {reason}. Correct the source, or set on_invalid_record to reject."
            )
        self.rejects.append(Reject(stream, lines[1], reason, None))

    def _put(
        self, layout: Layout, table: Table, through: Table | None, rows: Sequence[bytes]
    ) -> None:
        """Copy rows in: straight, or through a table of their own that is merged."""
        place = self.tables.place(table.name)
        if through is None:
            self.session.copy(statements.copy_in(place, layout.columns), rows)
            return
        source = self.tables.place(through.name)
        self.session.copy(statements.copy_in(source, layout.columns), rows)
        self.refresh.merge(place, table, source, layout.columns, layout.key)
        self.session.execute(statements.truncate(source))

    def _batch_of(self, table: Table, layout: Layout) -> Table:
        """Return a table for the rows of one batch, which no other session ever sees."""
        name = own("batch", f"{table.name} {layout.columns}")
        found = self._batches.get(name)
        if found is None:
            place = self.tables.place(name)
            like = statements.create_like(place, self.tables.place(table.name), layout.columns)
            self.session.execute(like, doing="creating a table for a batch")
            found = self._batches[name] = Table(name, {}, {}, 0, [], exists=True)
        return found

    def hold(self, sink: Sink, batch: Batch, epoch: int) -> None:
        """Keep rows without key until a STATE covers them."""
        self.session.begin()
        columns = (*sink.layout.columns, EPOCH_COLUMN)
        last = sink.held[-1] if sink.held else None
        if last is None or last.columns != columns or last.is_staged != batch.is_staged:
            name = own("held", f"{sink.live.name} {epoch} {len(sink.held)}")
            types = [(column, sink.live.columns[column]) for column in sink.layout.columns]
            place = self.tables.place(name)
            create = statements.create_table(place, [*types, (EPOCH_COLUMN, "integer")])
            self.session.execute(create, doing="creating a table for rows that are held back")
            table = self.catalog.tables[name] = Table(name, {}, {}, 0, [], exists=True)
            sink.held.append(Held(table, columns, batch.is_staged))
        count = len(columns).to_bytes(2, "big")
        mark = fields.FOUR(4, epoch)
        rows = [count + row[2:] + mark for row in batch.rows]
        self._hold_rows(sink, columns, batch._replace(rows=rows))

    def _hold_rows(self, sink: Sink, columns: tuple[str, ...], batch: Batch) -> None:
        place = self.tables.place(sink.held[-1].table.name)
        try:
            with self.session.savepoint():
                self.session.copy(statements.copy_in(place, columns), batch.rows)
        except psycopg2.Error as error:
            state = error.pgcode or ""
            if is_lost(error) or not state.startswith(VALUE_ERRORS):
                raise self.session.refusal(error, f"loading the stream {sink.stream}") from None
            if len(batch.rows) == 1:
                reason = f"Postgres cannot store it (SQLSTATE {state})"
                self.refuse(sink.stream, batch.lines, reason)
                return
            middle = len(batch.rows) // 2
            for rows in (batch.rows[:middle], batch.rows[middle:]):
                self._hold_rows(sink, columns, batch._replace(rows=rows))

    def _release(self, sink: Sink, epoch: int) -> None:
        """Move held rows that a STATE covers to where they belong."""
        remaining = []
        for held in sink.held:
            table = self._destination(sink, held.is_staged)
            place = self.tables.place(table.name)
            source = self.tables.place(held.table.name)
            covered = statements.up_to_epoch(EPOCH_COLUMN, epoch)
            self.session.execute(statements.insert_all(place, source, held.columns[:-1], covered))
            self.session.execute(statements.delete_where(source, covered))
            if self.session.execute(statements.exists_row(source))[0][0]:
                remaining.append(held)
            else:
                self.tables.forget(held.table)
        sink.held = remaining

    # -- transactions -----------------------------------------------------------------------------

    def seal(self) -> None:
        """Finish what must be finished before the open transaction may end."""
        for table, key in self._unkeyed.values():
            self.tables.add_key(table, key)
            table.is_new = False
        self._unkeyed.clear()
        for batch in self._batches.values():
            self.tables.forget(batch)
        self._batches.clear()

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Commit everything written so far, with the books."""
        self.session.begin()
        for sink, epoch in checkpoint.released:
            self._release(sink, epoch)
        self.seal()
        for sink, version in checkpoint.activated:
            self.refresh.activate(sink, version, is_marked=not self._settings.hard_delete)
        for sink in checkpoint.complete:
            self.ensure(sink, sink.live)
        self.seal()
        self.books.keep(checkpoint.loads)
        self.books.reject([*checkpoint.rejects, *self.rejects])
        self.rejects.clear()
        self.session.commit()

    def fail(self) -> None:
        """Say in the books that the run failed, if there are any and the server still listens."""
        if not self.books.are_there:
            return
        try:
            self.session.rollback()
            self.session.begin(may_reopen=False)
            self.books.fail()
            self.session.commit()
        except TargetError:
            return

    def clear(self) -> None:
        """Drop the tables of rows that were held back; the end of a run needs them no more."""
        self.session.begin()
        for name in self.catalog.leftovers("held"):
            self.tables.forget(self.catalog.tables[name])
        self.session.commit()

    def close(self) -> None:
        """End the connections."""
        self.session.close()
