"""Full refresh: a version is loaded into a staging table, then merged into the live table.

One transaction deletes the rows that the new version lacks, replaces those that differ and inserts
the new ones: the table keeps its identity, and readers see the whole old or the whole new one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import psycopg2
from msgspec import Raw
from psycopg2.sql import SQL

from target_scout_postgres import logs
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.postgres import row_statements
from target_scout_postgres.postgres.rejected_rows import find_rejected, is_data_error
from target_scout_postgres.postgres.schema_snapshot import StreamVersions

if TYPE_CHECKING:
    from psycopg2.sql import Composable

    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.loading.load_log import LoadLog
    from target_scout_postgres.loading.stream_tables import StreamTables
    from target_scout_postgres.postgres.ddl import Ddl
    from target_scout_postgres.postgres.primary_keys import PrimaryKeys
    from target_scout_postgres.postgres.schema_manager import SchemaManager
    from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot, Table
    from target_scout_postgres.postgres.session import Session


class Removal(Enum):
    """What happens to live rows that are missing from a new version."""

    DELETE_MISSING = auto()
    MARK_MISSING = auto()
    DELETE_ALL = auto()


class ReplacementPlan(NamedTuple):
    """How a stage replaces the rows of a live table."""

    removal: Removal
    columns: tuple[str, ...]
    has_index: bool


class RejectedStageRow(NamedTuple):
    """A row of a version that Postgres rejects in the live table, and its record."""

    error: psycopg2.Error
    record: bytes


def plan_replacement(
    layout: Layout, live: Table, stage: Table, *, soft_delete: bool
) -> ReplacementPlan:
    """Return how a stage replaces the rows of a live table."""
    if soft_delete:
        removal = Removal.MARK_MISSING
    else:
        removal = Removal.DELETE_MISSING if layout.key else Removal.DELETE_ALL
    return ReplacementPlan(
        removal,
        # Columns that others have added to the live table keep their values.
        columns=tuple(name for name in stage.columns if name in live.columns),
        has_index=bool(layout.key) and live.has_unique_index(layout.key),
    )


def must_start_anew(stored: StreamVersions, version: int | None, stage: Table) -> bool:
    """Return whether a stage has rows of something other than the version that begins.

    A replacement without a version (None) is never continued: nothing tells its rows from those of
    an earlier run.
    """
    return stage.exists and (stored.loading != version or version is None)


class Refresh:
    """Stages and activates versions."""

    def __init__(
        self,
        session: Session,
        snapshot: SchemaSnapshot,
        schema_manager: SchemaManager,
        ddl: Ddl,
        primary_keys: PrimaryKeys,
        load_log: LoadLog,
    ) -> None:
        self._session = session
        self._snapshot = snapshot
        self._schema_manager = schema_manager
        self._ddl = ddl
        self._primary_keys = primary_keys
        self._load_log = load_log

    def begin(self, tables: StreamTables, stored: StreamVersions, version: int | None) -> None:
        """Begin or continue to stage a version; rows of another version are dropped."""
        stage = self._schema_manager.stage_of(tables.live, tables.layout)
        if must_start_anew(stored, version, stage):
            self._ddl.drop(stage)
            stage = self._schema_manager.stage_of(tables.live, tables.layout)
        tables.stage = stage
        if version is not None:
            self._load_log.save_versions(tables.stream, stored._replace(loading=version))

    def activate(
        self, tables: StreamTables, version: int | None, *, soft_delete: bool
    ) -> list[RejectedStageRow]:
        """Replace the rows of the live table with the staged version, in the open transaction.

        Returns the rows that Postgres rejects there although the stage took them: others have added
        a constraint or an index to the table.
        """
        stage = tables.stage or self._schema_manager.stage_of(tables.live, tables.layout)
        rejected: list[RejectedStageRow] = []
        if not stage.exists:  # a version without records
            self._ddl.create(stage)
            if tables.layout.key:
                self._primary_keys.add(stage, tables.layout.key)
            stage.is_new = False
        if tables.live.exists:
            # Not a rename: views, grants and older snapshots refer to the live table.
            rejected = self._replace(tables, stage, soft_delete=soft_delete)
            self._ddl.drop(stage)
        else:
            self._ddl.promote_stage(stage, tables.live)
        tables.stage = None
        self._save_activation(tables.stream, version)
        logs.info(f"{tables.stream}: version {version} is active")
        return rejected

    def _save_activation(self, stream: str, version: int | None) -> None:
        active, _, _, seen = self._snapshot.versions.get(stream, StreamVersions())
        if active is not None and active != version and active not in seen:
            seen = [*seen, active]
        self._load_log.save_versions(stream, StreamVersions(version, seen=seen))

    def _replace(
        self, tables: StreamTables, stage: Table, *, soft_delete: bool
    ) -> list[RejectedStageRow]:
        """Replace the rows of the live table with those of a stage, writing only differences."""
        layout = tables.layout
        plan = plan_replacement(layout, tables.live, stage, soft_delete=soft_delete)
        source = self._ddl.qualified(stage.name)
        doing = f"activating a version of {tables.live.name}"
        for statement in (
            # An earlier batch of this transaction may have forced joins by index.
            SQL(row_statements.JOIN_FREELY),
            # Autovacuum may not have seen the stage yet, and the planner would guess its size.
            row_statements.analyze(source),
            self._removal(plan.removal, tables, source),
        ):
            self._session.execute(statement, doing=doing)
        try:
            return self._merge_stage(tables, stage, plan)
        except psycopg2.Error as error:
            raise self._session.to_error(error, doing, tables.live.name) from None

    def _removal(self, removal: Removal, tables: StreamTables, source: Composable) -> Composable:
        live = self._ddl.qualified(tables.live.name)
        key = tables.layout.key
        if removal is Removal.MARK_MISSING:
            column = tables.layout.soft_delete_column or DELETED_AT
            return row_statements.mark_missing(live, source, key, column)
        if removal is Removal.DELETE_MISSING:
            return row_statements.delete_missing(live, source, key)
        return row_statements.delete_all(live)

    def _merge_stage(
        self, tables: StreamTables, stage: Table, plan: ReplacementPlan
    ) -> list[RejectedStageRow]:
        """Merge the rows of a stage into the live table, except those that Postgres rejects.

        All are merged at once. Only if Postgres rejects some, the pages that hold them are searched
        for, and then the rows on these pages: row by row, a stage of millions would take hours.
        """
        source = self._ddl.qualified(stage.name)
        schema = self._session.settings.default_target_schema

        def merge(rows: Composable) -> None:
            live = self._ddl.qualified(tables.live.name)
            with self._session.savepoint():
                self._session.run(
                    row_statements.merge(
                        live, rows, plan.columns, tables.layout.key, has_index=plan.has_index
                    )
                )

        def merge_pages(pages: range) -> None:
            condition = row_statements.on_pages(pages.start, pages.stop)
            merge(row_statements.filtered(source, condition))

        def merge_rows(numbers: range) -> None:
            condition = row_statements.has_ctid(ctids[numbers.start : numbers.stop])
            merge(row_statements.filtered(source, condition))

        try:
            merge(source)
        except psycopg2.Error as error:
            if not is_data_error(error):
                raise
        else:
            return []
        ((page_count,),) = self._session.run(row_statements.PAGES, [schema, stage.name])
        pages = [page for page, _ in find_rejected(range(page_count), merge_pages)]
        ctids = [ctid for page in pages for ctid in self._ctids_on(source, page)]
        rejected = find_rejected(range(len(ctids)), merge_rows)
        return self._as_records(tables, source, {ctids[n]: error for n, error in rejected})

    def _ctids_on(self, source: Composable, page: int) -> list[str]:
        statement = row_statements.ctids_of(source, row_statements.on_pages(page, page + 1))
        return [ctid for (ctid,) in self._session.run(statement)]

    def _as_records(
        self, tables: StreamTables, source: Composable, errors: dict[str, psycopg2.Error]
    ) -> list[RejectedStageRow]:
        """Return rejected rows with their records, as far as the stage has kept them."""
        if not errors:
            return []
        names = {mapping.column: mapping.source.name for mapping in tables.layout.mappings}
        rejected = []
        for ctid, text in self._session.run(row_statements.rows_by_ctid(source, list(errors))):
            row = msgspec.json.decode(text, type=dict[str, Raw])
            record = {names[name]: row[name] for name in row if name in names}
            rejected.append(RejectedStageRow(errors[ctid], msgspec.json.encode(record)))
        return rejected
