"""Full refresh: a version is gathered in a stage and takes the live table's place by difference.

One transaction deletes what the new version lacks, replaces what differs, and inserts what is new:
the table keeps its identity, and each reader sees the whole old or the whole new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import psycopg2
from msgspec import Raw
from psycopg2.sql import SQL

from target_scout_postgres import logs
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.postgres import rejected_rows, row_statements
from target_scout_postgres.postgres.schema_snapshot import Standing

if TYPE_CHECKING:
    from psycopg2.sql import Composable

    from target_scout_postgres.loading.load_log import Books
    from target_scout_postgres.loading.stream_tables import Sink
    from target_scout_postgres.postgres.primary_keys import Keys
    from target_scout_postgres.postgres.schema_manager import Tables
    from target_scout_postgres.postgres.schema_snapshot import Catalog, Table
    from target_scout_postgres.postgres.session import Session


class RefusedRow(NamedTuple):
    """A row of a version that Postgres refuses in the live table, and its record."""

    error: psycopg2.Error
    record: bytes


class Refresh:
    """Gathers and activates versions."""

    def __init__(
        self, session: Session, catalog: Catalog, tables: Tables, keys: Keys, books: Books
    ) -> None:
        self._session = session
        self._catalog = catalog
        self._tables = tables
        self._keys = keys
        self._books = books

    def begin(self, sink: Sink, standing: Standing, version: int | None) -> None:
        """Begin to gather a version, or go on with it; what was gathered of another is dropped."""
        stage = self._tables.stage_of(sink.live, sink.layout)
        if (standing.loading != version or version is None) and stage.exists:
            self._tables.forget(stage)
            stage = self._tables.stage_of(sink.live, sink.layout)
        sink.stage = stage
        if version is not None:
            self._books.versions(sink.stream, standing._replace(loading=version))

    def activate(self, sink: Sink, version: int | None, *, is_marked: bool) -> list[RefusedRow]:
        """Let a gathered version take the live table's place, in the open transaction.

        Returns the rows that Postgres refuses there: because of what others have added to the
        table, as the stage has taken them.
        """
        key = sink.layout.key
        stage = sink.stage or self._tables.stage_of(sink.live, sink.layout)
        refused: list[RefusedRow] = []
        if not stage.exists:
            self._tables.create(stage)
            if key:
                self._keys.add(stage, key)
            stage.is_new = False
        if sink.live.exists:
            refused = self._replace(sink, stage, is_marked=is_marked)
            self._tables.forget(stage)
        else:
            self._tables.become(stage, sink.live)
        sink.stage = None
        active, _, _, seen = self._catalog.versions.get(sink.stream, Standing())
        if active is not None and active != version and active not in seen:
            seen = [*seen, active]
        self._books.versions(sink.stream, Standing(version, seen=seen))
        logs.info(f"{sink.stream}: version {version} is active")
        return refused

    def _replace(self, sink: Sink, stage: Table, *, is_marked: bool) -> list[RefusedRow]:
        """Turn the rows of the live table into those of a stage, touching only what differs."""
        key = sink.layout.key
        live = self._tables.place(sink.live.name)
        source = self._tables.place(stage.name)
        changes: list[Composable] = [
            SQL(row_statements.JOIN_FREELY),
            row_statements.analyze(source),
        ]
        if is_marked:
            mark = sink.layout.deleted_at or DELETED_AT
            changes.append(row_statements.mark_missing(live, source, key, mark))
        elif key:
            changes.append(row_statements.delete_missing(live, source, key))
        else:
            changes.append(row_statements.delete_all(live))
        for change in changes:
            self._session.execute(change, doing=f"activating a version of {sink.live.name}")
        return self._filled(sink, stage)

    def _filled(self, sink: Sink, stage: Table) -> list[RefusedRow]:
        """Write the rows of a stage to the live table, all but those that Postgres refuses.

        They are written at once. Only when Postgres refuses some, the pages that they are on are
        looked for, and on these the rows.
        """
        source = self._tables.place(stage.name)
        schema = self._session.settings.default_target_schema
        try:
            try:
                with self._session.savepoint():
                    self._fill(sink, stage, source)
            except psycopg2.Error as error:
                if not rejected_rows.is_refusal(error):
                    raise
            else:
                return []
            ((pages,),) = self._session.run(row_statements.PAGES, [schema, stage.name])
            places = self._places_on_refused_pages(sink, stage, pages)
            found = rejected_rows.refused_of(
                range(len(places)),
                lambda some: self._fill_some(
                    sink, stage, row_statements.of_places(places[some.start : some.stop])
                ),
            )
            return self._as_records(sink, source, {places[one.number]: one.error for one in found})
        except psycopg2.Error as error:
            doing = f"activating a version of {sink.live.name}"
            raise self._session.refusal(error, doing, sink.live.name) from None

    def _places_on_refused_pages(self, sink: Sink, stage: Table, pages: int) -> list[str]:
        def attempt(some: range) -> None:
            self._fill_some(sink, stage, row_statements.of_pages(some.start, some.stop))

        source = self._tables.place(stage.name)
        return [
            place
            for page in rejected_rows.refused_of(range(pages), attempt)
            for (place,) in self._session.run(
                row_statements.places_of(
                    source, row_statements.of_pages(page.number, page.number + 1)
                )
            )
        ]

    def _fill_some(self, sink: Sink, stage: Table, condition: Composable) -> None:
        with self._session.savepoint():
            source = row_statements.some_of(self._tables.place(stage.name), condition)
            self._fill(sink, stage, source)

    def _fill(self, sink: Sink, stage: Table, source: Composable) -> None:
        """Write rows of a stage to the live table; raise psycopg2's own errors."""
        key = sink.layout.key
        live = self._tables.place(sink.live.name)
        columns = [name for name in stage.columns if name in sink.live.columns]
        has_index = bool(key) and sink.live.has_key(key)
        write = row_statements.write_over(live, source, columns, key, has_index=has_index)
        self._session.run(write)

    def _as_records(
        self, sink: Sink, source: Composable, errors: dict[str, psycopg2.Error]
    ) -> list[RefusedRow]:
        """Return refused rows with their records, as far as the stage has kept them."""
        if not errors:
            return []
        names = {place.column: place.source.name for place in sink.layout.places}
        found = self._session.run(row_statements.places_as_json(source, list(errors)))
        rows = [
            (errors[place], msgspec.json.decode(text, type=dict[str, Raw])) for place, text in found
        ]
        return [
            RefusedRow(
                error,
                msgspec.json.encode({names[name]: row[name] for name in row if name in names}),
            )
            for error, row in rows
        ]
