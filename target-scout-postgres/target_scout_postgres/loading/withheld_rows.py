"""Keeps batches in an internal table until a STATE covers them.

A batch is kept as bytes, with its layout, and leaves in the order of arrival through
the same writer as every other. Those that a killed run leaves are dropped: no STATE covers them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_scout_postgres.encoding.binary_copy import NULL_FIELD, pack_int8, pack_length
from target_scout_postgres.loading.source_lines import SourceLines
from target_scout_postgres.loading.stream_tables import RowBatch
from target_scout_postgres.postgres import row_statements
from target_scout_postgres.postgres.identifiers import Internal, internal_name
from target_scout_postgres.postgres.schema_snapshot import Table

if TYPE_CHECKING:
    from target_scout_postgres.encoding.encoder import Encoder
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.loading.stream_tables import StreamTables
    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot
    from target_scout_postgres.postgres.session import Session

ROWS_DECODER = msgspec.msgpack.Decoder(list[bytes])
COLUMN_COUNT = (3).to_bytes(2, "big")


class WithheldBatch(NamedTuple):
    """Adjacent batches of a stream that are written together."""

    epoch: int
    layout: Layout
    is_staged: bool
    has_deletions: bool
    encoder: Encoder | None
    lines: tuple[int, int]
    numbers: tuple[int, int]  # first and last in the table
    size: int

    def accepts(self, other: WithheldBatch, limit: int) -> bool:
        """Return whether the next batch may be written together with this one.

        Not with a key: within a batch each key may occur only once.
        """
        is_alike = (self.layout, self.is_staged) == (other.layout, other.is_staged)
        return is_alike and not self.layout.key and self.size + other.size <= limit

    def joined(self, other: WithheldBatch) -> WithheldBatch:
        """Return this batch together with the next one."""
        return self._replace(
            lines=(self.lines[0], other.lines[1]),
            numbers=(self.numbers[0], other.numbers[1]),
            size=self.size + other.size,
        )


class WithheldRows:
    """The withheld batches of all streams."""

    def __init__(self, session: Session, snapshot: SchemaSnapshot, ddl: Ddl) -> None:
        self._session = session
        self._snapshot = snapshot
        self._ddl = ddl
        self._limit = session.settings.batch_size_bytes
        self._batches: dict[str, list[WithheldBatch]] = {}  # by stream, oldest first
        self._number = 0

    def withhold(self, tables: StreamTables, batch: RowBatch, epoch: int) -> None:
        """Keep a batch until a STATE covers it."""
        self._session.begin()
        table = self._table(tables)
        self._number += 1
        rows = msgspec.msgpack.encode(batch.rows)
        lines = NULL_FIELD
        if batch.source is not None:
            packed = batch.source.packed()
            lines = pack_length(len(packed)) + packed
        row = (COLUMN_COUNT, pack_int8(8, self._number), pack_length(len(rows)), rows, lines)
        copy = row_statements.copy_in(
            self._ddl.qualified(table.name), row_statements.WITHHELD_COLUMNS
        )
        self._session.copy_in(copy, [b"".join(row)])
        self._remember(tables, batch, epoch, len(rows))

    def _remember(self, tables: StreamTables, batch: RowBatch, epoch: int, size: int) -> None:
        batches = self._batches.setdefault(tables.stream, [])
        tables.has_withheld = True
        withheld = WithheldBatch(
            epoch,
            batch.layout,
            batch.is_staged,
            batch.has_deletions,
            batch.source.encoder if batch.source else None,
            batch.lines,
            (self._number, self._number),
            size,
        )
        # Joined at once, so that a long wait does not collect an entry per small batch.
        last = batches[-1] if batches else None
        if last and last.epoch == epoch and last.accepts(withheld, self._limit):
            batches[-1] = last.joined(withheld)
        else:
            batches.append(withheld)

    def _table(self, tables: StreamTables) -> Table:
        name = internal_name(Internal.WITHHELD, tables.stream)
        table = self._snapshot.tables.get(name)
        if table is None:
            create = row_statements.create_withheld(self._ddl.qualified(name))
            self._session.execute(create, doing="creating a table for withheld rows")
            table = self._snapshot.tables[name] = Table(name, exists=True)
        return table

    def release(self, tables: StreamTables, epoch: int) -> Iterator[RowBatch]:
        """Yield and forget the batches that a STATE covers, oldest first."""
        batches = self._batches.get(tables.stream, [])
        while batches and batches[0].epoch <= epoch:
            withheld = batches.pop(0)
            while batches and batches[0].epoch <= epoch:
                if not withheld.accepts(batches[0], self._limit):
                    break
                withheld = withheld.joined(batches.pop(0))
            batch = self._read(self._table(tables), withheld)
            self._delete(tables, withheld)
            yield batch

    def _delete(self, tables: StreamTables, withheld: WithheldBatch) -> None:
        table = self._table(tables)
        tables.has_withheld = bool(self._batches[tables.stream])
        if tables.has_withheld:
            qualified = self._ddl.qualified(table.name)
            self._session.execute(row_statements.delete_withheld(qualified, *withheld.numbers))
        else:
            self._ddl.drop(table)

    def _read(self, table: Table, withheld: WithheldBatch) -> RowBatch:
        qualified = self._ddl.qualified(table.name)
        rows: list[bytes] = []
        source = SourceLines(withheld.encoder) if withheld.encoder else None
        copy = row_statements.copy_withheld(qualified, *withheld.numbers)
        for packed_rows, packed_lines in self._session.copy_out(copy):
            rows += ROWS_DECODER.decode(packed_rows or b"")
            if source is not None and packed_lines is not None:
                source.add_packed(packed_lines)
        return RowBatch(
            rows,
            withheld.layout,
            withheld.is_staged,
            withheld.lines,
            withheld.has_deletions,
            source,
        )

    def drop_staged(self, tables: StreamTables) -> None:
        """Drop the batches of a version that another one replaces."""
        for withheld in [each for each in self._batches.get(tables.stream, []) if each.is_staged]:
            self._batches[tables.stream].remove(withheld)
            self._delete(tables, withheld)

    def redirect_to_live(self, tables: StreamTables) -> None:
        """Let the batches of a version that is now active go to the live table."""
        batches = self._batches.get(tables.stream, [])
        batches[:] = [withheld._replace(is_staged=False) for withheld in batches]
