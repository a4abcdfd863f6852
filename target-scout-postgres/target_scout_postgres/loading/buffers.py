"""The buffered rows of one stream, in segments that are written in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_scout_postgres.loading.source_lines import SourceLines
from target_scout_postgres.loading.stream_tables import RowBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_scout_postgres.encoding.encoder import Encoder


class BufferSegment:
    """Rows for one table; of one epoch, if they must wait for the STATE that ends it."""

    def __init__(
        self, encoder: Encoder, epoch: int, *, is_staged: bool, waits: bool, keeps_lines: bool
    ) -> None:
        self.epoch = epoch  # of the first row
        self.encoder = encoder
        self.is_staged = is_staged
        self.has_key = bool(encoder.layout.key)
        self.waits = waits
        self.rows: Any = {} if self.has_key else []  # rows by key: the last record of a key wins
        self.source = SourceLines(encoder) if keeps_lines else None
        self.has_deletions = False
        self.count = 0  # records; those with the same key are one row
        self.size = 0
        self.lines = (0, 0)

    def batch(self) -> RowBatch:
        """Return the rows as a batch."""
        rows = list(self.rows.values()) if self.has_key else self.rows
        layout = self.encoder.layout
        return RowBatch(rows, layout, self.is_staged, self.lines, self.has_deletions, self.source)


class StreamBuffer:
    """The buffered segments of one stream, its counts, and the epochs of its withheld batches."""

    def __init__(self, *, keeps_lines: bool) -> None:
        self.last: BufferSegment | None = None  # the segment that can still take rows
        self.buffered_rows = 0
        self.buffered_bytes = 0  # of input
        self.received_rows = 0  # in this run
        self.received_bytes = 0
        self.last_epoch = 0  # of the last record, or of a version that began later
        self.has_changed = True  # since the last checkpoint
        self.withheld: list[int] = []  # epochs of batches that wait for a STATE, oldest first
        self._keeps_lines = keeps_lines
        self._segments: list[BufferSegment] = []

    def new_segment(
        self, encoder: Encoder, epoch: int, *, is_staged: bool, waits: bool
    ) -> BufferSegment:
        """Begin a segment."""
        self.last = BufferSegment(
            encoder, epoch, is_staged=is_staged, waits=waits, keeps_lines=self._keeps_lines
        )
        self._segments.append(self.last)
        return self.last

    def add(self, segment: BufferSegment, number: int, lines: Sequence[bytes], epoch: int) -> int:
        """Count the lines of rows that were added to a segment; return their bytes.

        Called once for a run of lines. Flat, because runs are short where streams alternate.
        """
        count, size = len(lines), sum(map(len, lines))
        segment.lines = (segment.lines[0] or number, number + count - 1)
        segment.count += count
        segment.size += size
        if segment.source is not None:
            segment.source.add(number, lines)
        self.buffered_rows += count
        self.buffered_bytes += size
        self.received_rows += count
        self.received_bytes += size
        self.last_epoch = epoch
        self.has_changed = True
        return size

    def take(self, covered: int | None) -> list[BufferSegment]:
        """Remove and return the segments to hand over.

        Args:
            covered: The epoch that STATE covers. Rows that wait for a later one stay, and so does
                everything behind withheld batches. None: nothing stays.
        """
        taken: list[BufferSegment] = []
        kept: list[BufferSegment] = []
        for segment in self._segments:
            may_leave = covered is None or segment.epoch <= covered
            is_ready = may_leave or not (segment.waits or self.withheld)
            (taken if is_ready else kept).append(segment)
        self._segments = kept
        self.last = kept[-1] if kept else None
        self.buffered_bytes = sum(segment.size for segment in kept)
        self.buffered_rows = sum(segment.count for segment in kept)
        return taken

    def release_withheld(self, covered: int) -> bool:
        """Forget the withheld epochs that a STATE covers; return whether there were any."""
        if not self.withheld or self.withheld[0] > covered:
            return False
        self.withheld = [epoch for epoch in self.withheld if epoch > covered]
        return True

    def must_withhold(self, segment: BufferSegment, covered: int) -> bool:
        """Return whether rows must be withheld: no STATE covers them, or those before them."""
        return bool(self.withheld) or (segment.waits and segment.epoch > covered)

    def withhold(self, epoch: int) -> None:
        """Record a withheld batch."""
        if epoch not in self.withheld:
            self.withheld.append(epoch)

    def redirect_to_live(self) -> None:
        """Let the rows of a version that is now active go to the live table."""
        for segment in self._segments:
            segment.is_staged = False
