"""The table of a case type: a column per property and per index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scout_dbt.planning import comments, labels, question_types, questions
from scout_dbt.planning.naming import slug
from scout_dbt.planning.tables import (
    Column,
    PathProfile,
    Question,
    RecordKind,
    Table,
    ValueType,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAME_PROPERTIES = frozenset({"name", "case_name"})  # in the base column case_name


@dataclass(frozen=True, kw_only=True)
class CaseType:
    """What is known about a case type."""

    name: str
    domains: Sequence[str] = ()
    properties: Iterable[str] = ()
    """The properties that applications list."""
    profiles: Mapping[str, PathProfile] = field(default_factory=dict)
    """The profiles of the properties in the data, by name."""
    indices: Iterable[str] = ()
    questions: Sequence[Question] = ()
    """Of the forms that update the case; properties are named like the questions that fill them."""

    @property
    def origin(self) -> tuple[str, str]:
        """Return the end of comments."""
        named = labels.name(self.name) or "(none)"
        return f"case type {named}", comments.origin("CommCare", self.domains)

    @property
    def comment(self) -> str:
        """Return the comment of its table."""
        named = f"of type {labels.name(self.name)}" if self.name else "without a type"
        return comments.comment(
            f"Cases {named}, one row per case in its current state", self.origin
        )


def draft_table(case: CaseType) -> Table:
    """Return the table of a case type, with the preferred names of its columns."""
    by_leaf = questions.by_leaf(case.questions)
    # parent/name is a property of another case.
    listed = {name for name in case.properties if "/" not in name and name not in NAME_PROPERTIES}
    properties = sorted(listed | set(case.profiles))
    return Table(
        name=f"case_{slug(case.name)}",
        record_kind=RecordKind.CASE,
        scope=case.name,
        columns=tuple(_property(case, name, by_leaf.get(name)) for name in properties),
        indices=tuple(_index(case, name) for name in sorted(case.indices)),
        comment=case.comment,
        title=labels.name(case.name),
    )


def _property(case: CaseType, name: str, question: Question | None) -> Column:
    return Column(
        key=name,
        name=slug(name),
        path=(name,),
        value_type=question_types.value_type_of(question.type) if question else ValueType.TEXT,
        comment=comments.comment(
            comments.case_property(name, question),
            (comments.typed(f"property {labels.name(name)}", question), *case.origin),
        ),
        max_bytes=case.profiles[name].max_bytes if name in case.profiles else 0,
    )


def _index(case: CaseType, name: str) -> Column:
    return Column(
        key=f"index {name}",
        name=f"{slug(name)}_case_id",
        path=(name, "case_id"),
        value_type=ValueType.TEXT,
        comment=comments.comment(
            f"Id of the {labels.name(name)} case", (f"index {labels.name(name)}", *case.origin)
        ),
    )
