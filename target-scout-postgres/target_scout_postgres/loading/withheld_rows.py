"""Batches that wait for the STATE that covers them, in a table that readers do not look at.

They are kept as the bytes they are, with their layout, and leave in the order in which they came,
through the same way as all others. A STATE never told of those that a dead run leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.loading.source_lines import Origin
from target_scout_postgres.loading.stream_tables import Batch
from target_scout_postgres.postgres import row_statements
from target_scout_postgres.postgres.identifiers import own
from target_scout_postgres.postgres.schema_snapshot import Table

if TYPE_CHECKING:
    from target_scout_postgres.encoding.encoder import Encoder
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.loading.stream_tables import Sink
    from target_scout_postgres.postgres.schema_manager import Tables
    from target_scout_postgres.postgres.schema_snapshot import Catalog
    from target_scout_postgres.postgres.session import Session

ROWS = msgspec.msgpack.Decoder(list[bytes])
COUNT = (3).to_bytes(2, "big")


class Held(NamedTuple):
    """Batches that follow each other and are written together."""

    epoch: int
    layout: Layout
    is_staged: bool
    removes: bool
    encoder: Encoder | None
    lines: tuple[int, int]
    numbers: tuple[int, int]  # first and last in the table
    size: int

    def takes(self, other: Held, limit: int) -> bool:
        """Return whether others may be written together with these: a key once in each batch."""
        is_alike = (self.layout, self.is_staged) == (other.layout, other.is_staged)
        return is_alike and not self.layout.key and self.size + other.size <= limit

    def with_others(self, other: Held) -> Held:
        """Return these and those that follow them."""
        return self._replace(
            lines=(self.lines[0], other.lines[1]),
            numbers=(self.numbers[0], other.numbers[1]),
            size=self.size + other.size,
        )


class Holding:
    """The held batches of all streams."""

    def __init__(self, session: Session, catalog: Catalog, tables: Tables) -> None:
        self._session = session
        self._catalog = catalog
        self._tables = tables
        self._limit = session.settings.batch_size_bytes
        self._held: dict[str, list[Held]] = {}
        self._number = 0

    def hold(self, sink: Sink, batch: Batch, epoch: int) -> None:
        """Keep a batch until a STATE covers it."""
        self._session.begin()
        table = self._table(sink)
        self._number += 1
        rows = msgspec.msgpack.encode(batch.rows)
        lines = binary_copy.NULL_FIELD
        if batch.origin is not None:
            packed = batch.origin.packed()
            lines = binary_copy.LENGTH(len(packed)) + packed
        parts = (
            COUNT,
            binary_copy.EIGHT(8, self._number),
            binary_copy.LENGTH(len(rows)),
            rows,
            lines,
        )
        place = self._tables.place(table.name)
        copy = row_statements.copy_in(place, row_statements.HELD_COLUMNS)
        self._session.copy(copy, [b"".join(parts)])
        self._remember(sink, batch, epoch, len(rows))

    def _remember(self, sink: Sink, batch: Batch, epoch: int, size: int) -> None:
        entries = self._held.setdefault(sink.stream, [])
        sink.holds = True
        encoder = batch.origin.encoder if batch.origin else None
        numbers = (self._number, self._number)
        kind = (batch.layout, batch.is_staged, batch.removes)
        held = Held(epoch, *kind, encoder, batch.lines, numbers, size)
        if entries and entries[-1].epoch == epoch and entries[-1].takes(held, self._limit):
            entries[-1] = entries[-1].with_others(held)
        else:
            entries.append(held)

    def _table(self, sink: Sink) -> Table:
        name = own("held", sink.stream)
        found = self._catalog.tables.get(name)
        if found is None:
            create = row_statements.create_held(self._tables.place(name))
            self._session.execute(create, doing="creating a table for rows that are held back")
            found = self._catalog.tables[name] = Table(name, {}, {}, 0, [], exists=True)
        return found

    def release(self, sink: Sink, epoch: int) -> Iterator[Batch]:
        """Yield the batches that a STATE covers, oldest first; what was yielded is forgotten."""
        entries = self._held.get(sink.stream, [])
        while entries and entries[0].epoch <= epoch:
            held = entries.pop(0)
            while entries and entries[0].epoch <= epoch and held.takes(entries[0], self._limit):
                held = held.with_others(entries.pop(0))
            batch = self._read(self._table(sink), held)
            self._forget(sink, held)
            yield batch

    def _forget(self, sink: Sink, held: Held) -> None:
        table = self._table(sink)
        sink.holds = bool(self._held[sink.stream])
        if sink.holds:
            place = self._tables.place(table.name)
            self._session.execute(row_statements.delete_held(place, *held.numbers))
        else:
            self._tables.forget(table)

    def _read(self, table: Table, held: Held) -> Batch:
        place = self._tables.place(table.name)
        rows: list[bytes] = []
        origin = Origin(held.encoder) if held.encoder else None
        for packed, lines in self._session.copy_out(row_statements.copy_held(place, *held.numbers)):
            rows += ROWS.decode(packed or b"")
            if origin is not None and lines is not None:
                origin.add_packed(lines)
        return Batch(rows, held.layout, held.is_staged, held.lines, held.removes, origin)

    def drop_staged(self, sink: Sink) -> None:
        """Forget what was gathered of a version that another one takes the place of."""
        staged = [held for held in self._held.get(sink.stream, []) if held.is_staged]
        for held in staged:
            self._held[sink.stream].remove(held)
            self._forget(sink, held)

    def become_live(self, sink: Sink) -> None:
        """What was gathered of a version that is live now goes to the live table."""
        entries = self._held.get(sink.stream, [])
        entries[:] = [held._replace(is_staged=False) for held in entries]
