"""The table of a case type: a column per property and per index. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scout_dbt.planning import question_types, questions
from scout_dbt.planning.naming import slug
from scout_dbt.planning.tables import Column, Question, Seen, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOT_PROPERTIES = frozenset({"name", "case_name"})  # the case's own name, in a column of its own


@dataclass(frozen=True, kw_only=True)
class CaseType:
    """What is known of one case type."""

    name: str
    domains: Sequence[str] = ()
    properties: Iterable[str] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    indices: Iterable[str] = ()
    questions: Sequence[Question] = ()
    """Those of the forms that work on it; a property is named like the question that fills it."""

    @property
    def about(self) -> str:
        """Return how comments begin."""
        domains = ", ".join(self.domains) or "unknown"
        return f"External: CommCare, domain {domains}, case type {self.name or '(none)'}"


def draft(case: CaseType) -> Table:
    """Return the table of a case type, with the names that its columns would like to have."""
    asked = questions.by_leaf(case.questions)
    told = {name for name in case.properties if "/" not in name and name not in NOT_PROPERTIES}
    return Table(
        name=f"case_{slug(case.name)}",
        kind="case",
        scope=case.name,
        columns=tuple(
            _property(case, name, asked.get(name)) for name in sorted(told | set(case.seen))
        ),
        indices=tuple(_index(case, name) for name in sorted(case.indices)),
        comment=f"{case.about}. One row per case as it stands now.",
    )


def _property(case: CaseType, name: str, question: Question | None) -> Column:
    return Column(
        key=name,
        name=slug(name),
        path=(name,),
        answer=question_types.of_question(question.type) if question else "text",
        comment=f"{case.about}, property {name}" + questions.words(question),
        widest=case.seen[name].widest if name in case.seen else 0,
    )


def _index(case: CaseType, name: str) -> Column:
    return Column(
        key=f"index {name}",
        name=f"{slug(name)}_case_id",
        path=(name, "case_id"),
        answer="text",
        comment=f"{case.about}, index {name}: the case that it refers to",
    )
