"""The tables of our own that tell of runs: `_scout_loads`, `_scout_rejects`, `_scout_streams`.

Written in the transactions of the rows that they tell of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import psycopg2

from target_scout_postgres.postgres import load_log_statements, statements
from target_scout_postgres.postgres.load_log_statements import LOADS, REJECTS, STREAMS
from target_scout_postgres.postgres.schema_snapshot import Catalog, Standing, Table

if TYPE_CHECKING:
    from psycopg2.sql import Identifier

    from target_scout_postgres.postgres.schema_manager import Tables
    from target_scout_postgres.postgres.session import Session


class Load(NamedTuple):
    """What a run has loaded of a stream so far."""

    stream: str
    rows: int
    bytes: int
    started_at: datetime
    version: int | None
    status: str  # running, completed, failed, interrupted


class Reject(NamedTuple):
    """A refused record; its line is 0 where an earlier run may have read it."""

    stream: str
    line: int
    reason: str
    record: bytes | None


class Books:
    """Writes the tables of our own."""

    def __init__(self, session: Session, catalog: Catalog, tables: Tables, run_id: str) -> None:
        self._session = session
        self._catalog = catalog
        self._tables = tables
        self._run_id = run_id

    @property
    def are_there(self) -> bool:
        """Tell whether the dataset schema has been read, and any run has loaded into it."""
        return LOADS in self._catalog.tables

    def open(self) -> None:
        """Mark the loads of runs that died; nobody else loads now."""
        if self.are_there:
            self._session.begin()
            close = load_log_statements.close_dead_loads(self._place(LOADS))
            self._session.execute(close, [self._run_id], doing="reading the books")

    def _place(self, name: str) -> Identifier:
        if name not in self._catalog.tables:
            place = self._tables.place(name)
            create = load_log_statements.create_book(place, name)
            self._session.execute(create, doing=f"creating the table {name}")
            if role := self._session.settings.reader_role:
                self._session.execute(statements.grant_table(place, role), doing="granting")
            self._catalog.tables[name] = Table(name, {}, {}, 0, [], exists=True)
        return self._tables.place(name)

    def keep(self, loads: Sequence[Load]) -> None:
        """Keep how far this run has come."""
        for load in loads:
            values = [
                self._run_id,
                load.stream,
                load.rows,
                load.bytes,
                load.started_at,
                load.status == "completed",
                load.version,
                load.status,
            ]
            self._session.execute(
                load_log_statements.keep_load(self._place(LOADS)), values, doing="keeping the books"
            )

    def rows_of(self, stream: str) -> int | None:
        """Return how many rows earlier runs have brought of a stream; None if none completed."""
        if not self.are_there:
            return None
        self._session.begin()
        read = load_log_statements.rows_of_stream(self._place(LOADS))
        ((rows,),) = self._session.execute(read, [stream, self._run_id], doing="reading the books")
        return None if rows is None else int(rows)

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Keep refused records."""
        if not rejects:
            return
        keep = load_log_statements.keep_rejects(self._place(REJECTS))
        try:
            self._session.attempt(keep, [self._run_id, *_columns(rejects)])
        except (psycopg2.DataError, psycopg2.errors.ProgramLimitExceeded):
            if len(rejects) == 1:  # text that is JSON and nothing for jsonb: kept as a string
                rejects = [rejects[0]._replace(record=_as_string(rejects[0].record))]
                self._session.execute(keep, [self._run_id, *_columns(rejects)])
                return
            middle = len(rejects) // 2
            self.reject(rejects[:middle])
            self.reject(rejects[middle:])

    def versions(self, stream: str, standing: Standing) -> None:
        """Keep which version of a stream is live, and which one is being gathered."""
        self._session.begin()
        keep = load_log_statements.keep_versions(self._place(STREAMS))
        values = [stream, *standing._replace(seen=list(standing.seen))]
        self._session.execute(keep, values, doing="keeping versions")
        self._catalog.versions[stream] = standing

    def fail(self) -> None:
        """Mark what this run was loading as failed."""
        fail = load_log_statements.fail_loads(self._place(LOADS))
        self._session.execute(fail, [self._run_id], doing="keeping the books")


def _as_string(record: bytes | None) -> bytes | None:
    if record is None:
        return None
    return msgspec.json.encode(record.decode("utf-8", "replace").replace("\x00", ""))


def _columns(rejects: Sequence[Reject]) -> list[list[object]]:
    texts = [one.record.decode("utf-8", "replace") if one.record else None for one in rejects]
    return [
        [one.stream for one in rejects],
        [one.line for one in rejects],
        [one.reason.replace("\x00", "") for one in rejects],
        list(texts),
    ]
