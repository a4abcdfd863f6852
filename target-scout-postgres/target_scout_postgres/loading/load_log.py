"""The load log: `_scout_loads`, `_scout_rejects` and `_scout_streams`.

Written in the transactions of the rows that it describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_scout_postgres.postgres import load_log_statements
from target_scout_postgres.postgres.load_log_statements import LOADS, REJECTS, STREAMS
from target_scout_postgres.postgres.rejected_rows import find_rejected
from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot, StreamVersions, Table

if TYPE_CHECKING:
    from psycopg2.sql import Identifier

    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.postgres.session import Session

READING = "reading the load log"
WRITING = "writing the load log"


class LoadStatus(StrEnum):
    """The status of a load in `_scout_loads`."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Load(NamedTuple):
    """What a run has loaded into a stream so far."""

    stream: str
    rows: int
    bytes: int
    started_at: datetime
    version: int | None
    status: LoadStatus


class RejectedRecord(NamedTuple):
    """A rejected record; its line is 0 if an earlier run may have read it."""

    stream: str
    line: int
    reason: str
    record: bytes | None


class LoadLog:
    """Reads and writes the load log."""

    def __init__(self, session: Session, snapshot: SchemaSnapshot, ddl: Ddl, run_id: str) -> None:
        self._session = session
        self._snapshot = snapshot
        self._ddl = ddl
        self._run_id = run_id

    @property
    def exists(self) -> bool:
        """Return whether any run has loaded into the dataset schema, as far as it was read."""
        return LOADS in self._snapshot.tables

    def mark_interrupted(self) -> None:
        """Mark the loads of runs that were killed."""
        # Not created here: a run that loads nothing leaves nothing behind.
        if self.exists:
            self._session.begin()
            mark = load_log_statements.mark_interrupted(self._table(LOADS))
            self._session.execute(mark, [self._run_id], doing=READING)

    def _table(self, name: str) -> Identifier:
        """Return the qualified name of a table of the log; create the table if missing."""
        qualified = self._ddl.qualified(name)
        if name not in self._snapshot.tables:
            create = load_log_statements.create_table(qualified, name)
            self._session.execute(create, doing=f"creating the table {name}")
            self._ddl.grant(name)
            self._snapshot.tables[name] = Table(name, exists=True)
        return qualified

    def save(self, loads: Sequence[Load]) -> None:
        """Insert or update the progress of this run."""
        for load in loads:
            values = [
                self._run_id,
                load.stream,
                load.rows,
                load.bytes,
                load.started_at,
                load.status is LoadStatus.COMPLETED,
                load.version,
                load.status.value,
            ]
            save = load_log_statements.save_load(self._table(LOADS))
            self._session.execute(save, values, doing=WRITING)

    def rows_of(self, stream: str) -> int | None:
        """Return how many rows of a stream earlier runs loaded; None if none of them completed."""
        if not self.exists:
            return None
        self._session.begin()
        read = load_log_statements.rows_of_stream(self._table(LOADS))
        ((rows,),) = self._session.execute(read, [stream, self._run_id], doing=READING)
        return None if rows is None else int(rows)

    def save_rejects(self, rejects: Sequence[RejectedRecord]) -> None:
        """Insert rejected records."""
        if not rejects:
            return
        insert = load_log_statements.insert_rejects(self._table(REJECTS))

        def attempt(numbers: range) -> None:
            some = rejects[numbers.start : numbers.stop]
            self._session.run_in_savepoint(insert, [self._run_id, *_columns(some)])

        for number, _ in find_rejected(range(len(rejects)), attempt):
            # JSON that jsonb rejects, such as numbers out of range, is kept as a string.
            reject = rejects[number]
            as_string = reject._replace(record=_as_string(reject.record))
            values = [self._run_id, *_columns([as_string])]
            self._session.execute(insert, values, doing=WRITING)

    def save_versions(self, stream: str, versions: StreamVersions) -> None:
        """Save which version of a stream is active and which one is being loaded."""
        self._session.begin()
        save = load_log_statements.save_versions(self._table(STREAMS))
        values = [stream, *versions._replace(seen=list(versions.seen))]
        self._session.execute(save, values, doing="saving versions")
        self._snapshot.versions[stream] = versions

    def mark_failed(self) -> None:
        """Mark the running loads of this run as failed."""
        mark = load_log_statements.mark_failed(self._table(LOADS))
        self._session.execute(mark, [self._run_id], doing=WRITING)


def _as_string(record: bytes | None) -> bytes | None:
    if record is None:
        return None
    return msgspec.json.encode(record.decode("utf-8", "replace").replace("\x00", ""))


def _columns(rejects: Sequence[RejectedRecord]) -> list[list[object]]:
    return [
        [each.stream for each in rejects],
        [each.line for each in rejects],
        [each.reason.replace("\x00", "") for each in rejects],
        [each.record.decode("utf-8", "replace") if each.record else None for each in rejects],
    ]
