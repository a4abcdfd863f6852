"""The summary of a run in the log: what each stream brought, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from target_scout_postgres import logs

if TYPE_CHECKING:
    from target_scout_postgres.stream import Stream


def tell(streams: Iterable[Stream], refused: Mapping[str, int], removed_nuls: int) -> None:
    """Write it.

    Args:
        streams: The streams of the run.
        refused: How many records of each Postgres has refused.
        removed_nuls: How many NUL characters were removed.
    """
    for stream in streams:
        by_postgres = refused[stream.name]
        rows = max(0, stream.rows - by_postgres)
        logs.info(f"{stream.name}: {rows} records, {stream.bytes} bytes")
        if stream.refused + by_postgres:
            logs.warning(f"{stream.name}: {stream.refused + by_postgres} records refused")
        if stream.dropped:
            logs.warning(f"{stream.name}: {stream.dropped} records of older versions left out")
    if removed_nuls:
        logs.warning(f"{removed_nuls} NUL characters were removed")
