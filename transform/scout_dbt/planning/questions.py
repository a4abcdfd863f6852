"""What the questions of applications say about paths and properties."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from scout_dbt.planning import question_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_dbt.planning.tables import Path, Question


def is_group(question: Question) -> bool:
    """Return whether a question only contains others."""
    return (
        question.is_group
        or question_types.normalized(question.tag) in question_types.GROUPS
        or question_types.normalized(question.type) in question_types.GROUPS
    )


def is_repeat(question: Question) -> bool:
    """Return whether a question contains others any number of times."""
    names = {question_types.normalized(question.tag), question_types.normalized(question.type)}
    return "repeat" in names


def by_path(questions: Sequence[Question]) -> dict[Path, Question]:
    """Return one question per path; a text question where applications disagree on the type."""
    found: dict[Path, Question] = {}
    for question in questions:
        if not question.path:
            continue
        first = found.setdefault(question.path, question)
        if question_types.value_type_of(first.type) != question_types.value_type_of(question.type):
            found[question.path] = replace(first, type="Text")
    return found


def by_leaf(questions: Sequence[Question]) -> dict[str, Question]:
    """Return one question per last step of a path, where all questions there have one type.

    Case properties are named like the questions that fill them; a name that is used with
    different types says nothing about the property.
    """
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        if question.path and not is_group(question):
            found[question.path[-1]].append(question)
    return {
        name: several[0]
        for name, several in found.items()
        if len({question_types.value_type_of(each.type) for each in several}) == 1
    }
