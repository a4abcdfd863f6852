"""Generates the models of one dataset schema, and tells which of them there is work for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.modelling import planning, reading, state, statements
from scout_control.modelling.planning import CaseType, FormType
from scout_control.modelling.shapes import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a type

    from scout_control.modelling.reading import Extent, Now
    from scout_control.modelling.shapes import Model, Path, Seen
    from scout_control.modelling.state import Built
    from scout_control.modelling.statements import Source

CASE_TYPES = "SELECT name, properties FROM case_types ORDER BY name"
DEFINITIONS = """
    SELECT app_id, xmlns, app_name, name, case_type, uses FROM form_definitions
     ORDER BY app_name, app_id, xmlns
"""
QUESTIONS = """
    SELECT xmlns, path, type, tag, label, is_group, repeat, options FROM form_questions
     ORDER BY app_id, xmlns, position
"""
STREAMS = ("cases", "forms")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """The models of a dataset and what is known of their rows."""

    models: tuple[Model, ...]
    built: Mapping[str, Built]
    extents: Mapping[tuple[str, str], Extent]
    moment: Now

    def is_due(self, model: Model) -> bool:
        """Tell whether a model's rows or the model itself changed since it was built."""
        was = self.built.get(model.table.key)
        if was is None or was.fingerprint != model.fingerprint or was.name != model.table.name:
            return True
        extent = self.extents.get((model.table.kind, model.table.scope))
        rows, written = (extent.rows, extent.written) if extent else (0, 0)
        return was.rows != rows or written >= was.watermark

    def rows(self, model: Model) -> int:
        """Return how many records a model is made of."""
        extent = self.extents.get((model.table.kind, model.table.scope))
        return extent.rows if extent else 0


def generate(cursor: Cursor) -> Generated:
    """Generate the models of the current schema; what data shows is remembered there."""
    moment = reading.now(cursor)
    there = reading.tables(cursor)
    state.create(cursor)
    built = state.built(cursor)
    extents = {
        (kind, scope): extent
        for kind in statements.KINDS
        if _is_usable(there, kind)
        for scope, extent in reading.extents(cursor, kind, moment).items()
    }
    _look(cursor, there, extents, moment)
    seen = state.seen(cursor)
    domain = _domain(cursor, there)
    questions, by_case_type = _questions(cursor, there)
    tables = planning.plan(
        _case_types(cursor, there, extents, seen, by_case_type),
        _form_types(cursor, there, extents, seen, questions),
        domain,
        state.memory(built),
        reserved=set(there) - {each.name for each in built.values()},
    )
    models = tuple(
        statements.model(table, there[statements.KINDS[table.kind].stream]) for table in tables
    )
    return Generated(models=models, built=built, extents=extents, moment=moment)


def _is_usable(there: Mapping[str, Source], kind: str) -> bool:
    """Tell whether a stream was loaded with what models are made of."""
    source = there.get(statements.KINDS[kind].stream)
    needed = {statements.KINDS[kind].scope, statements.KINDS[kind].document}
    return source is not None and bool(source.keys) and needed <= source.columns


def _look(
    cursor: Cursor,
    there: Mapping[str, Source],
    extents: Mapping[tuple[str, str], Extent],
    moment: Now,
) -> None:
    """See what changed data looks like."""
    marks = state.marks(cursor)
    for kind, rule in statements.KINDS.items():
        written = max(
            (extent.written for (of, _), extent in extents.items() if of == kind), default=0
        )
        since = int(marks.get(f"seen {rule.stream}", "0"))
        if not _is_usable(there, kind) or written < since:
            continue
        if kind == "case":
            properties, indices = reading.look_at_cases(
                cursor, since, moment, has_indices="indices" in there["cases"].columns
            )
            state.remember(
                cursor,
                "cases",
                (
                    (scope, (key,), one)
                    for scope, of in properties.items()
                    for key, one in of.items()
                ),
            )
            state.remember(
                cursor,
                "indices",
                ((scope, (key,), one) for scope, of in indices.items() for key, one in of.items()),
            )
        else:
            forms = reading.look_at_forms(cursor, since, moment)
            state.remember(
                cursor,
                "forms",
                ((scope, path, one) for scope, of in forms.items() for path, one in of.items()),
            )
        state.mark(cursor, f"seen {rule.stream}", str(moment.oldest))


def _domain(cursor: Cursor, there: Mapping[str, Source]) -> str:
    for stream in ("applications", *STREAMS):
        if stream in there and "domain" in there[stream].columns:
            cursor.execute(f"SELECT domain FROM {stream} LIMIT 1")  # noqa: S608 - a fixed name
            if found := cursor.fetchone():
                return str(found[0])
    return "unknown"


def _questions(
    cursor: Cursor, there: Mapping[str, Source]
) -> tuple[dict[str, list[Question]], dict[str, list[Question]]]:
    """Return questions by xmlns and by the case types that the forms work on."""
    by_xmlns: dict[str, list[Question]] = defaultdict(list)
    for xmlns, *row in reading.rows(cursor, QUESTIONS, there, "form_questions"):
        by_xmlns[xmlns].append(reading.question(tuple(row)))
    by_case_type: dict[str, list[Question]] = defaultdict(list)
    for row in reading.rows(cursor, DEFINITIONS, there, "form_definitions"):
        xmlns, uses = row[1], row[5]
        for case_type in {row[4], *(each.get("case_type") for each in uses or [])} - {None}:
            by_case_type[case_type] += by_xmlns[xmlns]
    return by_xmlns, by_case_type


def _case_types(
    cursor: Cursor,
    there: Mapping[str, Source],
    extents: Mapping[tuple[str, str], Extent],
    seen: Mapping[str, Mapping[str, Mapping[Path, Seen]]],
    questions: Mapping[str, list[Question]],
) -> Iterable[CaseType]:
    if not _is_usable(there, "case"):
        return
    told: dict[str, set[str]] = defaultdict(set)
    for case_type, properties in reading.rows(cursor, CASE_TYPES, there, "case_types"):
        told[case_type] |= {str(each) for each in properties or []}
    names = {*told, *seen["cases"], *(scope for kind, scope in extents if kind == "case")}
    for name in sorted(names):
        yield CaseType(
            name=name,
            properties=told[name],
            seen={path[0]: one for path, one in seen["cases"].get(name, {}).items()},
            indices=[path[0] for path in seen["indices"].get(name, {})],
            questions=questions.get(name, []),
        )


def _form_types(
    cursor: Cursor,
    there: Mapping[str, Source],
    extents: Mapping[tuple[str, str], Extent],
    seen: Mapping[str, Mapping[str, Mapping[Path, Seen]]],
    questions: Mapping[str, list[Question]],
) -> Iterable[FormType]:
    if not _is_usable(there, "form"):
        return
    wishes: dict[str, str] = {}
    titles: dict[str, str] = {}
    for _, xmlns, app, form, _, uses in reading.rows(
        cursor, DEFINITIONS, there, "form_definitions"
    ):
        module = next((each.get("module_name") for each in uses or []), None)
        wishes.setdefault(xmlns, planning.wish_of(module, form, xmlns))
        titles.setdefault(xmlns, " > ".join(word for word in (app, module, form) if word))
    names = {*wishes, *seen["forms"], *(scope for kind, scope in extents if kind == "form")}
    own = reading.titles(cursor, sorted(names - set(wishes)))
    for xmlns in sorted(names):
        yield FormType(
            xmlns=xmlns,
            wish=wishes.get(xmlns) or planning.wish_of(None, own.get(xmlns), xmlns),
            title=titles.get(xmlns) or own.get(xmlns) or planning.tail_of(xmlns),
            questions=questions.get(xmlns, []),
            seen=seen["forms"].get(xmlns, {}),
        )
