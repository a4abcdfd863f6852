"""Full refresh: a version is gathered in a stage and takes the live table's place by difference.

One transaction deletes what the new version lacks, replaces what differs, and inserts what is new:
the table keeps its identity, and each reader sees the whole old or the whole new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg2.sql import SQL

from target_scout_postgres import logs, statements
from target_scout_postgres.catalog import Standing
from target_scout_postgres.layout import DELETED_AT

if TYPE_CHECKING:
    from psycopg2.sql import Composable

    from target_scout_postgres.books import Books
    from target_scout_postgres.catalog import Catalog, Table
    from target_scout_postgres.session import Session
    from target_scout_postgres.sink import Sink
    from target_scout_postgres.tables import Tables


class Refresh:
    """Merges rows and activates versions."""

    def __init__(self, session: Session, catalog: Catalog, tables: Tables, books: Books) -> None:
        self._session = session
        self._catalog = catalog
        self._tables = tables
        self._books = books

    def merge(
        self,
        place: Composable,
        table: Table,
        source: Composable,
        columns: Sequence[str],
        key: tuple[str, ...],
    ) -> None:
        """Write the rows of a batch over those of a table; raise psycopg2's own errors."""
        if table.has_key(key):
            upsert = statements.upsert(place, source, columns, key)
            self._session.run(SQL(statements.JOIN_BY_KEY) + upsert)
            return
        delete = statements.delete_matching(place, source, key)
        self._session.run(SQL(statements.JOIN_FREELY) + delete)
        self._session.run(statements.insert_all(place, source, columns))

    def begin(self, sink: Sink, version: int | None, *, is_announced: bool) -> None:
        """Begin to gather a version, or go on with it; what was gathered of another is dropped."""
        active, loading, _ = self._catalog.versions.get(sink.stream, Standing())
        stage = self._tables.stage_of(sink.live, sink.layout)
        if loading != version or version is None:
            if stage.exists:
                self._tables.forget(stage)
                stage = self._tables.stage_of(sink.live, sink.layout)
            for held in sink.held:
                if held.is_staged:
                    self._session.execute(
                        statements.truncate(self._tables.place(held.table.name)),
                        doing="dropping rows of an older version",
                        table=held.table.name,
                    )
        sink.stage = stage
        if version is not None:
            self._books.versions(sink.stream, Standing(active, version, is_announced))

    def activate(self, sink: Sink, version: int | None, *, is_marked: bool) -> None:
        """Let a gathered version take the live table's place, in the open transaction."""
        key = sink.layout.key
        stage = sink.stage or self._tables.stage_of(sink.live, sink.layout)
        if not stage.exists:
            self._tables.create(stage)
            if key:
                self._tables.add_key(stage, key)
            stage.is_new = False
        if sink.live.exists:
            self._replace(sink, stage, is_marked=is_marked)
            self._tables.forget(stage)
        else:
            self._tables.become(stage, sink.live)
        sink.stage = None
        sink.held = [held._replace(is_staged=False) for held in sink.held]
        self._books.versions(sink.stream, Standing(version))
        logs.info(f"{sink.stream}: version {version} is active")

    def _replace(self, sink: Sink, stage: Table, *, is_marked: bool) -> None:
        """Turn the rows of the live table into those of a stage, touching only what differs."""
        key = sink.layout.key
        live = self._tables.place(sink.live.name)
        source = self._tables.place(stage.name)
        columns = [name for name in stage.columns if name in sink.live.columns]
        changes: list[Composable] = [SQL(statements.JOIN_FREELY), statements.analyze(source)]
        if is_marked:
            changes.append(statements.mark_missing(live, source, key, DELETED_AT))
        elif key:
            changes.append(statements.delete_missing(live, source, key))
        else:
            changes.append(statements.delete_all(live))
        if not key:
            changes.append(statements.insert_all(live, source, columns))
        elif sink.live.has_key(key):
            changes.append(statements.upsert(live, source, columns, key))
        else:
            changes.append(statements.delete_matching(live, source, key))
            changes.append(statements.insert_all(live, source, columns))
        for change in changes:
            self._session.execute(change, doing=f"activating a version of {sink.live.name}")
