"""The writing side of a run: stores batches, versions and checkpoints in the dataset schema.

Runs in the writer thread. Rows are bytes here, not records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from target_scout_postgres.errors import DataError, TargetError
from target_scout_postgres.loading.batch_writer import BatchWriter
from target_scout_postgres.loading.load_log import LoadLog, RejectedRecord
from target_scout_postgres.loading.refresh import Refresh
from target_scout_postgres.loading.stream_tables import Checkpoint, RowBatch, StreamTables
from target_scout_postgres.loading.withheld_rows import WithheldRows
from target_scout_postgres.postgres import dataset_schema, row_statements
from target_scout_postgres.postgres.ddl import Ddl
from target_scout_postgres.postgres.identifiers import Internal, internal_name
from target_scout_postgres.postgres.primary_keys import PrimaryKeys
from target_scout_postgres.postgres.rejected_rows import rejection_reason
from target_scout_postgres.postgres.schema_manager import SchemaManager
from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot, StreamVersions, Table
from target_scout_postgres.postgres.session import Session

if TYPE_CHECKING:
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.encoding.stream_schema import StreamSchema
    from target_scout_postgres.settings import Settings


class Loader:
    """Writes batches and commits checkpoints."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        self._settings = settings
        self._session = Session(settings)
        self._snapshot = SchemaSnapshot()
        self._ddl = Ddl(self._session, self._snapshot)
        self._schema_manager = SchemaManager(settings, self._snapshot, self._ddl)
        self._primary_keys = PrimaryKeys(self._session, self._ddl)
        self._load_log = LoadLog(self._session, self._snapshot, self._ddl, run_id)
        self._batch_writer = BatchWriter(self._session, self._ddl)
        self._withheld = WithheldRows(self._session, self._snapshot, self._ddl)
        self._refresh = Refresh(
            self._session,
            self._snapshot,
            self._schema_manager,
            self._ddl,
            self._primary_keys,
            self._load_log,
        )
        self._new_tables: dict[str, tuple[Table, tuple[str, ...]]] = {}  # of the open transaction
        self.rejected: Counter[str] = Counter()  # rows by stream that only Postgres could reject

    def start(self) -> None:
        """Take the lock, read the dataset schema, drop the rows that a killed run withheld."""
        self._session.connect()
        dataset_schema.ensure(self._session)
        self._session.take_lock()
        self._session.begin()
        dataset_schema.claim(self._session)
        self._snapshot.read(self._session)
        self._drop_internal_tables(Internal.WITHHELD)
        self._drop_internal_tables(Internal.BATCH)
        self._load_log.mark_interrupted()
        self._session.commit()

    def _drop_internal_tables(self, kind: Internal) -> None:
        for table in self._snapshot.internal_tables(kind):
            self._ddl.drop(table)

    def stored_versions(self, stream: str) -> StreamVersions:
        """Return the versions of a stream that the last run stored."""
        return self._snapshot.versions.get(stream, StreamVersions())

    def tables_of(self, stream: str) -> StreamTables:
        """Return the tables that a stream's rows go to."""
        return StreamTables(stream, self._schema_manager.table_of(stream))

    def sync_schema(
        self, tables: StreamTables, schema: StreamSchema, widened: dict[str, str]
    ) -> Layout:
        """Make the stream's tables fit its schema; return the layout of its rows."""
        # DDL commits implicitly: the rows written so far must have their key by then.
        self._end_transaction()
        tables.layout = self._schema_manager.sync_schema(tables.live, schema, widened)
        if tables.stage is not None:
            tables.stage = self._schema_manager.stage_of(tables.live, tables.layout)
        self._update_keys(tables)
        return tables.layout

    def reuse_layout(self, tables: StreamTables, layout: Layout) -> None:
        """Return to a layout that the stream's table still fits."""
        tables.layout = layout
        if tables.stage is not None:
            if not tables.stage.columns.keys() >= set(layout.columns):
                self._end_transaction()
            tables.stage = self._schema_manager.stage_of(tables.live, layout)

    def begin_version(
        self, tables: StreamTables, version: int | None, *, is_announced: bool, seen: Sequence[int]
    ) -> None:
        """Begin the staging of a version, or continue it."""
        if internal_name(Internal.STAGE, tables.live.name) in self._snapshot.tables:
            self._end_transaction()  # its columns may have to change
        stored = self.stored_versions(tables.stream)
        # The stage is about to be dropped: its key and its withheld rows are not needed.
        if stored.loading != version or version is None:
            if tables.stage is not None:
                self._new_tables.pop(tables.stage.name, None)
            self._withheld.drop_staged(tables)
        stored = stored._replace(is_announced=is_announced, seen=seen)
        self._refresh.begin(tables, stored, version)
        self._update_keys(tables)

    def is_empty(self, tables: StreamTables, *, is_staged: bool = False) -> bool:
        """Return whether a stream's live table, or its stage, has no row."""
        table = tables.stage if is_staged else tables.live
        if table is None or not table.exists:
            return True
        self._session.begin()
        has_rows = row_statements.has_rows(self._ddl.qualified(table.name))
        ((result,),) = self._session.execute(has_rows)
        return not result

    def is_missing(self, tables: StreamTables) -> bool:
        """Return whether a stream has no row although it may have had some."""
        return self.is_empty(tables) and self._load_log.rows_of(tables.stream) != 0

    def _update_keys(self, tables: StreamTables) -> None:
        # Withheld rows were encoded for the old key, so they are written before it changes.
        if not tables.has_withheld:
            for table in (tables.live, tables.stage):
                if table is not None:
                    self._update_key(table, tables.layout.key)

    def _update_key(self, table: Table, key: tuple[str, ...]) -> None:
        if table.is_new and self._new_tables[table.name][1] != key:
            self.finish_new_tables()
        if not self._primary_keys.is_current(table, key):
            self.finish_new_tables()
            self._primary_keys.change(table, key)

    def write(self, tables: StreamTables, batch: RowBatch) -> None:
        """Write a batch in the open transaction; rows that Postgres rejects are left out."""
        table = self._destination(tables, batch)
        for number, error in self._batch_writer.write(table, batch):
            line, record = batch.source.record(number) if batch.source else (0, None)
            lines = (line, line) if line else batch.lines
            self._reject(tables.stream, lines, rejection_reason(error), record)

    def withhold(self, tables: StreamTables, batch: RowBatch, epoch: int) -> None:
        """Keep a batch until a STATE covers it."""
        self._withheld.withhold(tables, batch, epoch)

    def release(self, tables: StreamTables, epoch: int) -> None:
        """Write the withheld batches that a STATE covers."""
        for batch in self._withheld.release(tables, epoch):
            self.write(tables, batch)
        self._update_keys(tables)

    def _destination(self, tables: StreamTables, batch: RowBatch) -> Table:
        if batch.is_staged and tables.stage is None:
            tables.stage = self._schema_manager.stage_of(tables.live, batch.layout)
        table = tables.stage if batch.is_staged and tables.stage is not None else tables.live
        self._ensure_table(table, batch.layout.key)
        if batch.has_deletions and table.is_new:
            self.finish_new_tables()  # deleting a row needs the key
        return table

    def _ensure_table(self, table: Table, key: tuple[str, ...]) -> None:
        """Make sure that a table exists, with the key of the rows to be written."""
        self._session.begin()
        if table.exists:
            self._update_key(table, key)
            self._session.begin()
        else:
            self._ddl.create(table)
            self._new_tables[table.name] = (table, key)

    def _reject(
        self, stream: str, lines: tuple[int, int], reason: str, record: bytes | None
    ) -> None:
        where = f" between lines {lines[0]} and {lines[1]}" if lines[1] else ""
        if not self._settings.keeps_rejects:
            raise DataError(
                f"A record of the stream {stream}{where} was rejected: {reason}. Correct the "
                "source, or set on_invalid_record to reject to keep such records in "
                "_scout_rejects."
            )
        self.rejected[stream] += 1
        self._load_log.save_rejects([RejectedRecord(stream, lines[1], reason, record)])

    def finish_new_tables(self) -> None:
        """Add the keys of tables created in the open transaction, before it ends.

        Building a key once over all rows is faster than maintaining it during COPY.
        """
        for table, key in self._new_tables.values():
            if key:
                self._primary_keys.add(table, key)
            table.is_new = False
        self._new_tables.clear()
        self._batch_writer.drop_batch_tables()

    def _end_transaction(self) -> None:
        self.finish_new_tables()
        self._session.commit()

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Commit everything written so far, together with the load log."""
        self._session.begin()
        self.finish_new_tables()
        for tables, version in checkpoint.activated:
            rejected = self._refresh.activate(
                tables, version, soft_delete=not self._settings.hard_delete
            )
            self._withheld.redirect_to_live(tables)
            for error, record in rejected:
                self._reject(tables.stream, (0, 0), rejection_reason(error), record)
        # A stream without a record still gets its table, so that queries for it work.
        for tables in checkpoint.completed:
            self._ensure_table(tables.live, tables.layout.key)
        self.finish_new_tables()
        self._load_log.save(
            [
                load._replace(rows=max(0, load.rows - self.rejected[load.stream]))
                for load in checkpoint.loads
            ]
        )
        self._load_log.save_rejects(checkpoint.rejects)
        self._session.commit()

    def mark_failed(self) -> None:
        """Mark the run as failed in the load log, if it exists and the server still answers."""
        if not self._load_log.exists:
            return
        try:
            self._session.rollback()
            self._session.begin(may_reopen=False)
            self._load_log.mark_failed()
            self._session.commit()
        except TargetError:
            return

    def drop_withheld(self) -> None:
        """Drop the tables of withheld rows, which are not needed after the run."""
        self._session.begin()
        self._drop_internal_tables(Internal.WITHHELD)
        self._session.commit()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
