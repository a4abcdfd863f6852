"""The logs of runs in the store: compressed chunks, bounded per run, removed with the run.

They are in the store because the worker of a run and the person who asks are often on different
machines. A chunk is a JSON array of entries.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, literal, select, text, tuple_
from sqlalchemy.types import LargeBinary

from scout_control.store.models import Run, RunLogChunk

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

CHUNK_CHARACTERS = 32_768
FIRST_CHUNKS, LAST_CHUNKS = 8, 24
"""What is kept of a long log: its beginning and its end, about a mebibyte of text together."""
MAX_CHUNK_BYTES = 8 << 20
"""A chunk that unpacks to more was not written by this program."""
# Only by the worker that holds the run, or one that lost it would write into its successor's log.
SAVE = text("""
    INSERT INTO scout_control.run_logs (run_id, attempt, chunk, written_at, lines)
    SELECT id, :attempt, :chunk, clock_timestamp(), :lines FROM scout_control.runs
     WHERE id = :run AND worker = :worker
    ON CONFLICT (run_id, attempt, chunk) DO UPDATE
       SET lines = excluded.lines, written_at = excluded.written_at
    RETURNING chunk
""").bindparams(bindparam("lines", type_=LargeBinary))
PRUNE = text("""
    DELETE FROM scout_control.run_logs AS log
     USING (
        SELECT attempt, chunk, row_number() OVER (ORDER BY attempt, chunk) AS position,
               count(*) OVER () AS number
          FROM scout_control.run_logs WHERE run_id = :run
     ) AS place
     WHERE log.run_id = :run AND (log.attempt, log.chunk) = (place.attempt, place.chunk)
       AND position > :first AND position <= number - :last
""")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a run's log."""

    at: str
    level: str
    source: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some entries, with where they are in the log."""

    attempt: int
    number: int
    entries: Sequence[Entry]
    total: int
    """How many entries the chunk has, of which the first may have been read before."""


def packed(entries: Iterable[Entry]) -> bytes:
    """Return entries as they are stored."""
    rows = [list(asdict(each).values()) for each in entries]
    return zlib.compress(json.dumps(rows, ensure_ascii=False).encode(errors="replace"), 6)


def unpacked(lines: bytes) -> list[Entry]:
    """Return the entries of stored lines; none if they are damaged or unreasonably large."""
    try:
        rows = json.loads(zlib.decompressobj().decompress(lines, MAX_CHUNK_BYTES))
        return [
            Entry(at=str(at), level=str(level), source=str(source), text=str(text))
            for at, level, source, text in rows
        ]
    except (zlib.error, ValueError, TypeError):
        return []


def save(
    session: Session, run_id: uuid.UUID, worker: str, place: tuple[int, int], lines: bytes
) -> bool:
    """Insert or replace a chunk; return whether the worker still holds the run."""
    attempt, chunk = place
    values: dict[str, Any] = {"attempt": attempt, "chunk": chunk, "lines": lines}
    found = session.execute(SAVE, {"run": run_id, "worker": worker, **values}).first()
    return found is not None


def prune(session: Session, run_id: uuid.UUID) -> None:
    """Remove the middle of a log that has become long."""
    session.execute(PRUNE, {"run": run_id, "first": FIRST_CHUNKS, "last": LAST_CHUNKS})


def read(
    session: Session, run_id: uuid.UUID, after: tuple[int, int, int] = (0, 0, 0)
) -> list[Chunk]:
    """Return the chunks of a log.

    Args:
        session: An open transaction.
        run_id: The run.
        after: The attempt, the chunk, and how many of its entries have been read before.
    """
    attempt, number, seen = after
    place = tuple_(RunLogChunk.attempt, RunLogChunk.chunk)
    statement = (
        select(RunLogChunk)
        .where(RunLogChunk.run_id == run_id, place >= tuple_(literal(attempt), literal(number)))
        .order_by(RunLogChunk.attempt, RunLogChunk.chunk)
    )
    chunks = []
    for row in session.scalars(statement):
        entries = unpacked(row.lines)
        first = seen if (row.attempt, row.chunk) == (attempt, number) else 0
        chunks.append(
            Chunk(
                attempt=row.attempt,
                number=row.chunk,
                entries=entries[first:],
                total=len(entries),
            )
        )
    return chunks


def delete_of_dataset(session: Session, dataset_id: uuid.UUID) -> None:
    """Delete the logs of a dataset's runs, but not the runs."""
    runs = select(Run.id).where(Run.dataset_id == dataset_id)
    session.execute(delete(RunLogChunk).where(RunLogChunk.run_id.in_(runs)))


def purge(session: Session, written_before: datetime) -> None:
    """Delete the logs of runs that wrote nothing since a time."""
    old = (
        select(RunLogChunk.run_id)
        .group_by(RunLogChunk.run_id)
        .having(func.max(RunLogChunk.written_at) < written_before)
    )
    session.execute(delete(RunLogChunk).where(RunLogChunk.run_id.in_(old)))
