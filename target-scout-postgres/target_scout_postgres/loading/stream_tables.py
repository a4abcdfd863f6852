"""What the parsing thread passes to the writer thread: batches, checkpoints, destinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from target_scout_postgres.encoding.layout import Layout
from target_scout_postgres.loading.load_log import Load, RejectedRecord
from target_scout_postgres.loading.source_lines import SourceLines
from target_scout_postgres.postgres.schema_snapshot import Table


class RowBatch(NamedTuple):
    """Rows of one stream for one table, encoded for the layout that the stream had then."""

    rows: Sequence[bytes]
    layout: Layout
    is_staged: bool  # for the version being staged, not for the live table
    lines: tuple[int, int]  # first and last line of the input
    has_deletions: bool = False  # some rows mark the row of their key as deleted
    source: SourceLines | None = None  # if rejected records are kept


class StreamTables:
    """The tables that the rows of one stream go to."""

    def __init__(self, stream: str, live: Table) -> None:
        self.stream = stream
        self.live = live
        self.layout = Layout((), ())
        self.stage: Table | None = None
        self.has_withheld = False  # rows wait for a STATE: the key may change only after them


class Checkpoint(NamedTuple):
    """Everything that must be committed in one transaction."""

    loads: Sequence[Load]
    activated: Sequence[tuple[StreamTables, int | None]] = ()  # with the version
    rejects: Sequence[RejectedRecord] = ()
    completed: Sequence[StreamTables] = ()  # their tables must exist, even without a record
