"""Batches into tables, at once or with their STATE; all of a checkpoint in one transaction.

Runs in the writing thread. Knows rows as bytes, not records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from target_scout_postgres.errors import DataError, TargetError
from target_scout_postgres.loading.batch_writer import Storing
from target_scout_postgres.loading.load_log import Books, Reject
from target_scout_postgres.loading.refresh import Refresh
from target_scout_postgres.loading.stream_tables import Batch, Checkpoint, Sink
from target_scout_postgres.loading.withheld_rows import Holding
from target_scout_postgres.postgres import dataset_schema, rejected_rows, row_statements
from target_scout_postgres.postgres.identifiers import own
from target_scout_postgres.postgres.primary_keys import Keys
from target_scout_postgres.postgres.schema_manager import Tables
from target_scout_postgres.postgres.schema_snapshot import Catalog, Standing, Table
from target_scout_postgres.postgres.session import Session

if TYPE_CHECKING:
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.encoding.stream_schema import StreamSchema
    from target_scout_postgres.settings import Settings


class Loader:
    """Writes batches and commits checkpoints."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self.session = Session(settings)
        self.catalog = Catalog()
        self.tables = Tables(self.session, self.catalog)
        self.books = Books(self.session, self.catalog, self.tables, run_id)
        self.keys = Keys(self.session, self.tables)
        self.storing = Storing(self.session, self.tables)
        self.holding = Holding(self.session, self.catalog, self.tables)
        self.refresh = Refresh(self.session, self.catalog, self.tables, self.keys, self.books)
        self.refused: Counter[str] = Counter()  # by stream: what only Postgres could refuse
        self._settings = settings
        self._new: dict[str, tuple[Table, tuple[str, ...]]] = {}  # made in the open transaction

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
        self._make_keys(sink)
        return sink.layout

    def use(self, sink: Sink, layout: Layout) -> None:
        """Go back to a layout that the stream's table still fits."""
        sink.layout = layout
        if sink.stage is not None:
            if not sink.stage.columns.keys() >= set(layout.columns):  # it has to change first
                self.seal()
                self.session.commit()
            sink.stage = self.tables.stage_of(sink.live, layout)

    def begin(
        self, sink: Sink, version: int | None, *, is_announced: bool, seen: Sequence[int]
    ) -> None:
        """Begin to gather a version, or go on with it."""
        if own("new", sink.live.name) in self.catalog.tables:  # which may have to change first
            self.seal()
            self.session.commit()
        standing = self.catalog.versions.get(sink.stream, Standing())
        if standing.loading != version or version is None:
            if sink.stage is not None:
                self._new.pop(sink.stage.name, None)
            self.holding.drop_staged(sink)
        self.refresh.begin(sink, standing._replace(is_announced=is_announced, seen=seen), version)
        self._make_keys(sink)

    def is_empty(self, sink: Sink, *, is_staged: bool = False) -> bool:
        """Return whether a stream's live table has no row, or the version that is gathered."""
        table = sink.stage if is_staged else sink.live
        if table is None or not table.exists:
            return True
        self.session.begin()
        place = self.tables.place(table.name)
        ((is_there,),) = self.session.execute(row_statements.exists_row(place))
        return not is_there

    def is_missing(self, sink: Sink) -> bool:
        """Return whether no row of a stream is there, and none need not be: it never had one."""
        return self.is_empty(sink) and self.books.rows_of(sink.stream) != 0

    def _make_keys(self, sink: Sink) -> None:
        """Make the keys of a stream's tables those of its layout, unless older rows come first."""
        if not sink.holds:
            for table in (sink.live, sink.stage):
                if table is not None:
                    self._make_key(table, sink.layout.key)

    def _make_key(self, table: Table, key: tuple[str, ...]) -> None:
        if table.is_new and self._new[table.name][1] != key:
            self.seal()
        if not self.keys.fits(table, key):
            self.seal()
            self.keys.change(table, key)

    # -- rows -------------------------------------------------------------------------------------

    def write(self, sink: Sink, batch: Batch) -> None:
        """Write a batch in the open transaction, and refuse the rows that Postgres refuses."""
        table = self._destination(sink, batch)
        for number, error in self.storing.store(table, batch):
            line, record = batch.origin.record(number) if batch.origin else (0, None)
            where = (line, line) if line else batch.lines
            self.refuse(sink.stream, where, rejected_rows.reason(error), record)

    def release(self, sink: Sink, epoch: int) -> None:
        """Write the held batches that a STATE covers."""
        for batch in self.holding.release(sink, epoch):
            self.write(sink, batch)
        self._make_keys(sink)

    def _destination(self, sink: Sink, batch: Batch) -> Table:
        if batch.is_staged and sink.stage is None:
            sink.stage = self.tables.stage_of(sink.live, batch.layout)
        table = sink.stage if batch.is_staged and sink.stage is not None else sink.live
        self.ensure(table, batch.layout.key)
        if batch.removes and table.is_new:
            self.seal()
        return table

    def ensure(self, table: Table, key: tuple[str, ...]) -> None:
        """Make sure that a table is there, with the key of the rows that come."""
        self.session.begin()
        if table.exists:
            self._make_key(table, key)
            self.session.begin()
        else:
            self.tables.create(table)
            self._new[table.name] = (table, key)

    def refuse(
        self, stream: str, lines: tuple[int, int], reason: str, record: bytes | None
    ) -> None:
        """Refuse a row that only Postgres could tell does not fit."""
        where = f" between lines {lines[0]} and {lines[1]}" if lines[1] else ""
        if self._settings.on_invalid_record == "fail":
            raise DataError(
                f"A record of the stream {stream}{where} is refused: {reason}. Correct the source, "
                "or set on_invalid_record to reject to keep such records in _scout_rejects."
            )
        self.refused[stream] += 1
        self.books.reject([Reject(stream, lines[1], reason, record)])

    # -- transactions -----------------------------------------------------------------------------

    def seal(self) -> None:
        """Finish what must be finished before the open transaction may end."""
        for table, key in self._new.values():
            if key:
                self.keys.add(table, key)
            table.is_new = False
        self._new.clear()
        self.storing.clear()

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Commit everything written so far, with the books."""
        self.session.begin()
        self.seal()
        for sink, version in checkpoint.activated:
            refused = self.refresh.activate(sink, version, is_marked=not self._settings.hard_delete)
            self.holding.become_live(sink)
            for error, record in refused:
                self.refuse(sink.stream, (0, 0), rejected_rows.reason(error), record)
        for sink in checkpoint.complete:
            self.ensure(sink.live, sink.layout.key)
        self.seal()
        loads = [
            load._replace(rows=max(0, load.rows - self.refused[load.stream]))
            for load in checkpoint.loads
        ]
        self.books.keep(loads)
        self.books.reject(checkpoint.rejects)
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
