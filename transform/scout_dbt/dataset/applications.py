"""The case types and forms of a dataset: as defined by applications, completed from the data."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_dbt.dataset import introspection
from scout_dbt.planning import form_tables
from scout_dbt.planning.case_tables import CaseType
from scout_dbt.planning.form_tables import FormType
from scout_dbt.planning.record_types import FORM, VISIT
from scout_dbt.planning.tables import RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.dataset.connection import Cursor
    from scout_dbt.dataset.introspection import ScopeStats
    from scout_dbt.planning.model_sql import SourceTable
    from scout_dbt.planning.tables import Path, PathProfile, Question

CASE_TYPES = "SELECT domain, name, properties FROM case_types ORDER BY domain, name"
DEFINITIONS = """
    SELECT domain, xmlns, app_name, name, case_type, uses FROM form_definitions
     ORDER BY app_name, app_id, domain, xmlns
"""
QUESTIONS = """
    SELECT xmlns, path, type, tag, label, is_group, repeat, options,
           to_jsonb(form_questions) -> 'translations'
      FROM form_questions
     ORDER BY app_id, domain, xmlns, position
"""


@dataclass(frozen=True, kw_only=True)
class Applications:
    """What the applications of a dataset define, as rows of their streams."""

    definitions: list[Any]
    case_types: list[Any]
    questions: Mapping[str, list[Question]]
    """By xmlns."""

    def questions_by_case_type(self) -> dict[str, list[Question]]:
        """Return the questions of the forms that open or update cases of a type."""
        found: dict[str, list[Question]] = defaultdict(list)
        for _, xmlns, _, _, case_type, uses in self.definitions:
            used = {each.get("case_type") for each in uses or []}
            for name in {case_type, *used} - {None}:
                found[name] += self.questions.get(xmlns, [])
        return found

    def case_types_of_forms(self) -> dict[str, set[str]]:
        """Return the case types that each form works with, by xmlns."""
        found: dict[str, set[str]] = defaultdict(set)
        for _, xmlns, _, _, case_type, uses in self.definitions:
            found[xmlns] |= {case_type, *(each.get("case_type") for each in uses or [])} - {None}
        return found


def read(cursor: Cursor, tables: Mapping[str, SourceTable]) -> Applications:
    """Read the definitions of applications from the streams that were loaded."""
    questions: dict[str, list[Question]] = defaultdict(list)
    for xmlns, *row in introspection.stream_rows(cursor, QUESTIONS, tables, "form_questions"):
        questions[xmlns].append(introspection.to_question(tuple(row)))
    return Applications(
        definitions=introspection.stream_rows(cursor, DEFINITIONS, tables, "form_definitions"),
        case_types=introspection.stream_rows(cursor, CASE_TYPES, tables, "case_types"),
        questions=questions,
    )


def case_types(
    applications: Applications,
    scopes: Mapping[str, ScopeStats],
    profiles: Mapping[str, Mapping[Path, PathProfile]],
    indices: Mapping[str, Mapping[Path, PathProfile]],
) -> Iterator[CaseType]:
    """Yield the case types that applications define, or of which there are cases.

    Args:
        applications: What they define.
        scopes: The cases of each type.
        profiles: Of the properties, by case type; paths have one step.
        indices: Of the indices, by case type; paths have one step.
    """
    properties: dict[str, set[str]] = defaultdict(set)
    domains = _domains(scopes)
    for domain, name, listed in applications.case_types:
        properties[name] |= {str(each) for each in listed or []}
        domains[name].add(domain)
    questions = applications.questions_by_case_type()
    for name in sorted({*properties, *profiles, *scopes}):
        yield CaseType(
            name=name,
            domains=sorted(domains[name]),
            properties=properties[name],
            profiles={path[0]: profile for path, profile in profiles.get(name, {}).items()},
            indices=[path[0] for path in indices.get(name, {})],
            questions=questions.get(name, []),
        )


def form_types(
    cursor: Cursor,
    applications: Applications,
    scopes: Mapping[str, ScopeStats],
    profiles: Mapping[str, Mapping[Path, PathProfile]],
) -> Iterator[FormType]:
    """Yield the forms that applications define or that were submitted."""
    preferred: dict[str, str] = {}
    titles: dict[str, str] = {}
    names: dict[str, str] = {}
    domains = _domains(scopes)
    # Sorted by application: where several have a form, the first one names it.
    for domain, xmlns, app, form, _, uses in applications.definitions:
        module = next((each.get("module_name") for each in uses or []), None)
        preferred.setdefault(xmlns, form_tables.preferred_name_of(module, form, xmlns))
        titles.setdefault(xmlns, " > ".join(word for word in (app, module, form) if word))
        names.setdefault(xmlns, form or "")
        domains[xmlns].add(domain)
    all_xmlns = {*preferred, *profiles, *scopes}
    submitted = introspection.form_titles(cursor, FORM, sorted(all_xmlns - set(preferred)))
    for xmlns in sorted(all_xmlns):
        title = submitted.get(xmlns)
        yield FormType(
            xmlns=xmlns,
            preferred_name=preferred.get(xmlns)
            or form_tables.preferred_name_of(None, title, xmlns),
            title=titles.get(xmlns) or title or form_tables.last_segment(xmlns),
            form_name=names.get(xmlns, ""),
            domains=sorted(domains[xmlns]),
            questions=applications.questions.get(xmlns, []),
            profiles=profiles.get(xmlns, {}),
        )


def visit_types(
    cursor: Cursor,
    scopes: Mapping[str, ScopeStats],
    profiles: Mapping[str, Mapping[Path, PathProfile]],
) -> Iterator[FormType]:
    """Yield the forms of visits; Connect does not show what their applications define."""
    all_xmlns = {*profiles, *scopes}
    titles = introspection.form_titles(cursor, VISIT, sorted(all_xmlns))
    domains = _domains(scopes)
    for xmlns in sorted(all_xmlns):
        title = titles.get(xmlns)
        yield FormType(
            record_kind=RecordKind.VISIT,
            xmlns=xmlns,
            preferred_name=form_tables.preferred_name_of(None, title, xmlns),
            title=title or form_tables.last_segment(xmlns),
            domains=sorted(domains[xmlns]),
            profiles=profiles.get(xmlns, {}),
        )


def _domains(scopes: Mapping[str, ScopeStats]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for scope, stats in scopes.items():
        found[scope] |= set(stats.domains)
    return found
