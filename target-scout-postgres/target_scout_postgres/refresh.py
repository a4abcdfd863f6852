"""Full refresh: a version is gathered in a stage and takes the live table's place by difference.

One transaction deletes what the new version lacks, replaces what differs, and inserts what is new:
the table keeps its identity, and each reader sees the whole old or the whole new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from target_scout_postgres import logs, statements
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
        """Write the rows of a source over those of a table; raise psycopg2's own errors."""
        if table.has_key(key):
            self._session.attempt(statements.upsert(place, source, columns, key))
            return
        self._session.attempt(statements.delete_matching(place, source, key))
        self._session.attempt(statements.insert_all(place, source, columns))

    def begin(self, sink: Sink, version: int | None) -> None:
        """Begin to gather a version, or go on with it; what was gathered of another is dropped."""
        active, loading = self._catalog.versions.get(sink.stream, (None, None))
        stage = self._tables.stage_of(sink.live)
        if loading != version or version is None:
            if stage.exists:
                self._tables.forget(stage)
                stage = self._tables.stage_of(sink.live)
            for held in sink.held:
                if held.is_staged:
                    self._session.execute(
                        statements.truncate(self._tables.place(held.table.name)),
                        doing="dropping rows of an older version",
                    )
        sink.stage = stage
        if version is not None:
            self._books.versions(sink.stream, active, version)

    def activate(self, sink: Sink, version: int | None, *, is_marked: bool) -> None:
        """Let a gathered version take the live table's place, in the open transaction."""
        stage = sink.stage or self._tables.stage_of(sink.live)
        key = sink.layout.key
        if not stage.exists:
            self._tables.create(stage)
            stage.is_new = False
        live = self._tables.place(sink.live.name)
        source = self._tables.place(stage.name)
        self._session.execute(statements.analyze(source), doing="activating a version")
        if is_marked:
            mark = statements.mark_missing(live, source, key, DELETED_AT)
            self._session.execute(mark, doing="activating a version")
        else:
            delete = (
                statements.delete_missing(live, source, key) if key else statements.delete_all(live)
            )
            self._session.execute(delete, doing="activating a version")
        columns = tuple(stage.columns)
        if key:
            self.merge(live, sink.live, source, columns, key)
        else:
            insert = statements.insert_all(live, source, columns)
            self._session.execute(insert, doing="activating a version")
        self._tables.forget(stage)
        sink.stage = None
        sink.held = [held._replace(is_staged=False) for held in sink.held]
        self._books.versions(sink.stream, version, None)
        logs.info(f"{sink.stream}: version {version} is active")
