"""What is known of case types and forms: from the streams of applications, then from the data."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_dbt.dataset import introspection
from scout_dbt.planning import form_tables
from scout_dbt.planning.case_tables import CaseType
from scout_dbt.planning.form_tables import FormType
from scout_dbt.planning.record_types import FORM, VISIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.introspection import Extent
    from scout_dbt.planning.model_sql import Source
    from scout_dbt.planning.tables import Path, Question, Seen

CASE_TYPES = "SELECT domain, name, properties FROM case_types ORDER BY domain, name"
DEFINITIONS = """
    SELECT domain, xmlns, app_name, name, case_type, uses FROM form_definitions
     ORDER BY app_name, app_id, domain, xmlns
"""
QUESTIONS = """
    SELECT xmlns, path, type, tag, label, is_group, repeat, options FROM form_questions
     ORDER BY app_id, domain, xmlns, position
"""


@dataclass(frozen=True, kw_only=True)
class Applications:
    """What applications say of forms and case types."""

    definitions: list[Any]
    case_types: list[Any]
    questions: Mapping[str, list[Question]]
    """By xmlns."""

    def questions_on(self) -> dict[str, list[Question]]:
        """Return the questions of the forms that work on a case type, by case type."""
        found: dict[str, list[Question]] = defaultdict(list)
        for _, xmlns, _, _, own, uses in self.definitions:
            for case_type in {own, *(each.get("case_type") for each in uses or [])} - {None}:
                found[case_type] += self.questions.get(xmlns, [])
        return found


def read(cursor: Cursor, there: Mapping[str, Source]) -> Applications:
    """Read what applications say, as far as it was loaded."""
    questions: dict[str, list[Question]] = defaultdict(list)
    for xmlns, *row in introspection.rows(cursor, QUESTIONS, there, "form_questions"):
        questions[xmlns].append(introspection.question(tuple(row)))
    return Applications(
        definitions=introspection.rows(cursor, DEFINITIONS, there, "form_definitions"),
        case_types=introspection.rows(cursor, CASE_TYPES, there, "case_types"),
        questions=questions,
    )


def case_types(
    told: Applications,
    extents: Mapping[str, Extent],
    seen: Mapping[str, Mapping[Path, Seen]],
    indices: Mapping[str, Mapping[Path, Seen]],
) -> Iterator[CaseType]:
    """Yield the case types that applications tell of or that there are cases of."""
    properties: dict[str, set[str]] = defaultdict(set)
    domains = _domains(extents)
    for domain, name, said in told.case_types:
        properties[name] |= {str(each) for each in said or []}
        domains[name].add(domain)
    questions = told.questions_on()
    for name in sorted({*properties, *seen, *extents}):
        yield CaseType(
            name=name,
            domains=sorted(domains[name]),
            properties=properties[name],
            seen={path[0]: one for path, one in seen.get(name, {}).items()},
            indices=[path[0] for path in indices.get(name, {})],
            questions=questions.get(name, []),
        )


def form_types(
    cursor: Cursor,
    told: Applications,
    extents: Mapping[str, Extent],
    seen: Mapping[str, Mapping[Path, Seen]],
) -> Iterator[FormType]:
    """Yield the forms that applications tell of or that were submitted."""
    wishes: dict[str, str] = {}
    titles: dict[str, str] = {}
    domains = _domains(extents)
    for domain, xmlns, app, form, _, uses in told.definitions:
        module = next((each.get("module_name") for each in uses or []), None)
        wishes.setdefault(xmlns, form_tables.wish_of(module, form, xmlns))
        titles.setdefault(xmlns, " > ".join(word for word in (app, module, form) if word))
        domains[xmlns].add(domain)
    names = {*wishes, *seen, *extents}
    own = introspection.titles(cursor, FORM, sorted(names - set(wishes)))
    for xmlns in sorted(names):
        yield FormType(
            xmlns=xmlns,
            wish=wishes.get(xmlns) or form_tables.wish_of(None, own.get(xmlns), xmlns),
            title=titles.get(xmlns) or own.get(xmlns) or form_tables.tail_of(xmlns),
            domains=sorted(domains[xmlns]),
            questions=told.questions.get(xmlns, []),
            seen=seen.get(xmlns, {}),
        )


def visit_types(
    cursor: Cursor, extents: Mapping[str, Extent], seen: Mapping[str, Mapping[Path, Seen]]
) -> Iterator[FormType]:
    """Yield the forms that came with visits; what their applications say, Connect does not show."""
    names = {*seen, *extents}
    own = introspection.titles(cursor, VISIT, sorted(names))
    domains = _domains(extents)
    for xmlns in sorted(names):
        yield FormType(
            kind="visit",
            xmlns=xmlns,
            wish=form_tables.wish_of(None, own.get(xmlns), xmlns),
            title=own.get(xmlns) or form_tables.tail_of(xmlns),
            domains=sorted(domains[xmlns]),
            seen=seen.get(xmlns, {}),
        )


def _domains(extents: Mapping[str, Extent]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for scope, extent in extents.items():
        found[scope] |= set(extent.domains)
    return found
