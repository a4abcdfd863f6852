"""What the parsing side hands to the writing side: batches, checkpoints, and where rows go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from target_scout_postgres.books import Load, Reject
from target_scout_postgres.catalog import Table
from target_scout_postgres.layout import Layout


class Batch(NamedTuple):
    """Rows of one stream for one place."""

    rows: Sequence[bytes]
    is_staged: bool  # for the new version that is being gathered, not for the live table
    lines: tuple[int, int]  # where in the input they came from


class Held(NamedTuple):
    """Rows without key that no STATE covers yet, in a table that readers do not look at."""

    table: Table
    columns: tuple[str, ...]
    is_staged: bool


class Sink:
    """Where the rows of one stream go."""

    def __init__(self, stream: str, live: Table) -> None:
        self.stream = stream
        self.live = live
        self.layout = Layout((), ())
        self.stage: Table | None = None
        self.held: list[Held] = []


class Checkpoint(NamedTuple):
    """What must be committed together."""

    loads: Sequence[Load]
    released: Sequence[tuple[Sink, int]] = ()  # held rows up to an epoch
    activated: Sequence[tuple[Sink, int | None]] = ()  # and the version
    rejects: Sequence[Reject] = ()
    complete: Sequence[Sink] = ()  # their tables must be there, also without a record
