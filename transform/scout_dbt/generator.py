"""Generates the models of a dataset schema, and decides which of them have to be built."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_dbt.dataset import applications, build_metadata, introspection, profiling
from scout_dbt.dataset.introspection import ScopeStats
from scout_dbt.planning import model_sql, table_plan
from scout_dbt.planning.record_types import RECORD_TYPES
from scout_dbt.planning.tables import RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.dataset.build_metadata import BuiltModel
    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.introspection import Snapshot
    from scout_dbt.planning.case_tables import CaseType
    from scout_dbt.planning.form_tables import FormType
    from scout_dbt.planning.model_sql import SourceTable
    from scout_dbt.planning.tables import Model, Path, PathProfile

Scopes = dict[RecordKind, dict[str, ScopeStats]]
NO_RECORDS = ScopeStats(0, 0)


@dataclass(frozen=True, kw_only=True)
class GeneratedModels:
    """The models of a dataset, and the data for deciding which of them have to be built."""

    models: tuple[Model, ...]
    built: Mapping[str, BuiltModel]
    """Models of earlier builds, by the key of their table."""
    scopes: Scopes
    streams: Mapping[str, str]
    """The loaded streams, each with a mark that changes when its rows do."""
    moment: Snapshot
    source_type: str

    def is_due(self, model: Model) -> bool:
        """Return whether a model or the records that it is built from changed since its build."""
        built = self.built.get(model.table.key)
        if built is None or not built.is_of(model):
            return True
        stats = self._stats(model)
        return not built.watermark or built.rows != stats.rows or stats.last_xid >= built.watermark

    def record_count(self, model: Model) -> int:
        """Return how many records a model is built from."""
        return self._stats(model).rows

    def _stats(self, model: Model) -> ScopeStats:
        return self.scopes.get(model.table.record_kind, {}).get(model.table.scope, NO_RECORDS)


def generate(cursor: Cursor, source_type: str) -> GeneratedModels:
    """Generate the models of the current schema, and store the profiles of its new data.

    Args:
        cursor: In the dataset schema.
        source_type: The source of the data as models name it: ``commcare`` or ``connect``.
    """
    # Taken first: rows that are written from here on count as new in the next build.
    moment = introspection.snapshot(cursor)
    tables = introspection.source_tables(cursor)
    build_metadata.create_tables(cursor)
    built = build_metadata.built_models(cursor, moment.oldest)
    generated = {each.name for each in built.values()}
    # Without a load log every table counts as loaded, the generated ones too.
    loaded = introspection.loaded_streams(cursor, tables) - generated
    streams = introspection.change_marks(cursor, loaded, moment)
    scopes: Scopes = {}
    for kind, record_type in RECORD_TYPES.items():
        source = tables.get(record_type.stream)
        if record_type.source == source_type and source and source.supports(record_type):
            scopes[kind] = _scopes(cursor, kind, source, streams, moment)
            _profile(cursor, kind, source, scopes[kind], moment)
    planned = table_plan.plan(
        *_case_and_form_types(cursor, tables, scopes),
        build_metadata.assigned_names(built),
        reserved=introspection.relation_names(cursor) - generated,
    )
    models = tuple(
        model_sql.model(table, tables[RECORD_TYPES[table.record_kind].stream]) for table in planned
    )
    return GeneratedModels(
        models=models,
        built=built,
        scopes=scopes,
        streams=streams,
        moment=moment,
        source_type=source_type,
    )


def _scopes(
    cursor: Cursor,
    kind: RecordKind,
    source: SourceTable,
    streams: Mapping[str, str],
    moment: Snapshot,
) -> dict[str, ScopeStats]:
    """Return the scopes of a stream; the stored ones if nothing was written since."""
    name, mark = f"extents {kind}", streams.get(source.stream)
    stored = json.loads(build_metadata.marks(cursor).get(name, "{}"))
    if mark and stored.get("of") == mark:
        return {
            scope: ScopeStats(each["rows"], each["written"], tuple(each["domains"]))
            for scope, each in stored["scopes"].items()
        }
    found = introspection.scopes(cursor, RECORD_TYPES[kind], source, moment)
    scopes = {
        scope: {"rows": stats.rows, "written": stats.last_xid, "domains": stats.domains}
        for scope, stats in found.items()
    }
    build_metadata.set_mark(cursor, name, json.dumps({"of": mark, "scopes": scopes}))
    return found


def _profile(
    cursor: Cursor,
    kind: RecordKind,
    source: SourceTable,
    scopes: Mapping[str, ScopeStats],
    moment: Snapshot,
) -> None:
    """Profile the rows that were written since the last time."""
    name = f"seen {source.stream}"
    since = int(build_metadata.marks(cursor).get(name, "0"))
    if since > moment.oldest:  # an id of another server, from which the schema was restored
        since = 0
    # Reading the documents is the most expensive step; most runs of a quiet dataset skip it.
    if max((stats.last_xid for stats in scopes.values()), default=0) < since:
        return
    if kind == RecordKind.CASE:
        properties, indices = profiling.profile_cases(
            cursor, since, moment, has_indices="indices" in source.columns
        )
        build_metadata.add_profiles(cursor, "cases", _by_path(properties))
        build_metadata.add_profiles(cursor, "indices", _by_path(indices))
    else:
        forms = profiling.profile_forms(cursor, RECORD_TYPES[kind], since, moment)
        profiles = (
            (xmlns, path, profile)
            for xmlns, paths in forms.items()
            for path, profile in paths.items()
        )
        build_metadata.add_profiles(cursor, source.stream, profiles)
    build_metadata.set_mark(cursor, name, str(moment.oldest))


def _by_path(
    profiles: Mapping[str, Mapping[str, PathProfile]],
) -> Iterator[tuple[str, Path, PathProfile]]:
    for scope, of_scope in profiles.items():
        for key, profile in of_scope.items():
            yield scope, (key,), profile


def _case_and_form_types(
    cursor: Cursor, tables: Mapping[str, SourceTable], scopes: Scopes
) -> tuple[list[CaseType], list[FormType]]:
    defined = applications.read(cursor, tables)
    profiles = build_metadata.path_profiles(cursor)
    cases: list[CaseType] = []
    forms: list[FormType] = []
    if (of_kind := scopes.get(RecordKind.CASE)) is not None:
        indices = profiles["indices"]
        cases += applications.case_types(defined, of_kind, profiles["cases"], indices)
    if (of_kind := scopes.get(RecordKind.FORM)) is not None:
        forms += applications.form_types(cursor, defined, of_kind, profiles["forms"])
    if (of_kind := scopes.get(RecordKind.VISIT)) is not None:
        forms += applications.visit_types(cursor, of_kind, profiles["visits"])
    return cases, forms
