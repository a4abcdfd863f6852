"""What the parsing side hands to the writing side: batches, checkpoints, and where rows go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from target_scout_postgres.encoding.layout import Layout
from target_scout_postgres.loading.load_log import Load, Reject
from target_scout_postgres.loading.source_lines import Origin
from target_scout_postgres.postgres.schema_snapshot import Table


class Batch(NamedTuple):
    """Rows of one stream for one place, encoded for the layout that the stream had then."""

    rows: Sequence[bytes]
    layout: Layout
    is_staged: bool  # for the new version that is being gathered, not for the live table
    lines: tuple[int, int]  # where in the input they came from
    removes: bool = False  # some of the rows say that the row of their key is deleted
    origin: Origin | None = None  # the lines themselves, where refused records are kept


class Sink:
    """Where the rows of one stream go."""

    def __init__(self, stream: str, live: Table) -> None:
        self.stream = stream
        self.live = live
        self.layout = Layout((), ())
        self.stage: Table | None = None
        self.holds = False  # rows wait for a STATE: the key of its tables changes with them


class Checkpoint(NamedTuple):
    """What must be committed together."""

    loads: Sequence[Load]
    activated: Sequence[tuple[Sink, int | None]] = ()  # and the version
    rejects: Sequence[Reject] = ()
    complete: Sequence[Sink] = ()  # their tables must be there, also without a record
