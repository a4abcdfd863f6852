"""Generates the models of one dataset schema, and tells which of them there is work for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from scout_dbt.dataset import applications, build_state, introspection, profiling
from scout_dbt.dataset.introspection import Extent
from scout_dbt.planning import model_sql, table_plan
from scout_dbt.planning.record_types import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.dataset.build_state import Built
    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.introspection import Now
    from scout_dbt.planning.case_tables import CaseType
    from scout_dbt.planning.form_tables import FormType
    from scout_dbt.planning.model_sql import Source
    from scout_dbt.planning.tables import Model, Path, Seen

Extents = dict[str, dict[str, Extent]]
NOTHING = Extent(0, 0)


@dataclass(frozen=True, kw_only=True)
class Generated:
    """The models of a dataset and what is known of their rows."""

    models: tuple[Model, ...]
    built: Mapping[str, Built]
    extents: Extents
    """By kind and scope."""
    streams: Mapping[str, str]
    """The tables that were loaded, each with what changes when a row of it does."""
    moment: Now
    source_type: str

    def is_due(self, model: Model) -> bool:
        """Tell whether a model's rows or the model itself changed since it was built."""
        was = self.built.get(model.table.key)
        if was is None or was.fingerprint != model.fingerprint or was.name != model.table.name:
            return True
        extent = self._extent(model)
        return not was.watermark or was.rows != extent.rows or extent.written >= was.watermark

    def rows(self, model: Model) -> int:
        """Return how many records a model is made of."""
        return self._extent(model).rows

    def _extent(self, model: Model) -> Extent:
        return self.extents.get(model.table.kind, {}).get(model.table.scope, NOTHING)


def generate(cursor: Cursor, source_type: str) -> Generated:
    """Generate the models of the current schema; what data shows is remembered there.

    Args:
        cursor: In the dataset schema.
        source_type: What the data is of, as models name it: ``commcare`` or ``connect``.
    """
    moment = introspection.now(cursor)
    there = introspection.tables(cursor)
    build_state.create(cursor)
    built = build_state.built(cursor, moment.oldest)
    own = {each.name for each in built.values()}
    streams = introspection.written(cursor, introspection.streams(cursor, there) - own, moment)
    extents: Extents = {}
    for kind, rule in KINDS.items():
        source = there.get(rule.stream)
        if rule.source == source_type and source and source.holds(rule):
            extents[kind] = _extents(cursor, kind, source, streams, moment)
            _look(cursor, kind, source, extents[kind], moment)
    tables = table_plan.plan(
        *_known(cursor, there, extents),
        build_state.memory(built),
        reserved=introspection.names(cursor) - own,
    )
    models = tuple(model_sql.model(table, there[KINDS[table.kind].stream]) for table in tables)
    return Generated(
        models=models,
        built=built,
        extents=extents,
        streams=streams,
        moment=moment,
        source_type=source_type,
    )


def _extents(
    cursor: Cursor, kind: str, source: Source, streams: Mapping[str, str], moment: Now
) -> dict[str, Extent]:
    """Return the scopes of a stream; those of the last time, if nothing was written since."""
    name, now = f"extents {kind}", streams.get(source.stream)
    known = json.loads(build_state.marks(cursor).get(name, "{}"))
    if now and known.get("of") == now:
        return {
            scope: Extent(each["rows"], each["written"], tuple(each["domains"]))
            for scope, each in known["scopes"].items()
        }
    found = introspection.extents(cursor, KINDS[kind], source, moment)
    scopes = {scope: asdict(each) for scope, each in found.items()}
    build_state.mark(cursor, name, json.dumps({"of": now, "scopes": scopes}))
    return found


def _look(
    cursor: Cursor, kind: str, source: Source, extents: Mapping[str, Extent], moment: Now
) -> None:
    """See what changed data looks like."""
    name = f"seen {source.stream}"
    since = int(build_state.marks(cursor).get(name, "0"))
    if since > moment.oldest:  # told on another server
        since = 0
    if max((extent.written for extent in extents.values()), default=0) < since:
        return
    if kind == "case":
        properties, indices = profiling.at_cases(
            cursor, since, moment, has_indices="indices" in source.columns
        )
        build_state.remember(cursor, "cases", _by_path(properties))
        build_state.remember(cursor, "indices", _by_path(indices))
    else:
        forms = profiling.at_forms(cursor, KINDS[kind], since, moment)
        found = ((scope, path, one) for scope, of in forms.items() for path, one in of.items())
        build_state.remember(cursor, source.stream, found)
    build_state.mark(cursor, name, str(moment.oldest))


def _by_path(found: Mapping[str, Mapping[str, Seen]]) -> Iterator[tuple[str, Path, Seen]]:
    for scope, of in found.items():
        for key, one in of.items():
            yield scope, (key,), one


def _known(
    cursor: Cursor, there: Mapping[str, Source], extents: Extents
) -> tuple[list[CaseType], list[FormType]]:
    """Return what is known of case types and forms."""
    told = applications.read(cursor, there)
    seen = build_state.seen(cursor)
    cases: list[CaseType] = []
    forms: list[FormType] = []
    if (of_kind := extents.get("case")) is not None:
        cases += applications.case_types(told, of_kind, seen["cases"], seen["indices"])
    if (of_kind := extents.get("form")) is not None:
        forms += applications.form_types(cursor, told, of_kind, seen["forms"])
    if (of_kind := extents.get("visit")) is not None:
        forms += applications.visit_types(cursor, of_kind, seen["visits"])
    return cases, forms
