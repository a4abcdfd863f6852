"""What an application says of questions. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from scout_dbt.planning import question_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_dbt.planning.tables import Path, Question


def is_group(question: Question) -> bool:
    """Tell whether a question only holds others."""
    return (
        question.is_group
        or question_types.bare(question.tag) in question_types.GROUPS
        or question_types.bare(question.type) in question_types.GROUPS
    )


def is_repeat(question: Question) -> bool:
    """Tell whether a question holds others any number of times."""
    return "repeat" in {question_types.bare(question.tag), question_types.bare(question.type)}


def words(question: Question | None) -> str:
    """Return what a comment says of a question: its type, its label, its options."""
    if question is None:
        return ""
    said = f" ({question.type})" if question.type else ""
    if question.label:
        said += f": {' '.join(question.label.split())}"
    if question.options:
        said += ". Options: " + "; ".join(f"{value} = {label}" for value, label in question.options)
    return said


def by_path(questions: Sequence[Question]) -> dict[Path, Question]:
    """Return one question for each path; where applications differ in its type it is text."""
    found: dict[Path, Question] = {}
    for question in questions:
        if not question.path:
            continue
        first = found.setdefault(question.path, question)
        if question_types.of_question(first.type) != question_types.of_question(question.type):
            found[question.path] = replace(first, type="Text")
    return found


def by_leaf(questions: Sequence[Question]) -> dict[str, Question]:
    """Return the questions whose name says the same type wherever it is asked."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        if question.path and not is_group(question):
            found[question.path[-1]].append(question)
    return {
        name: several[0]
        for name, several in found.items()
        if len({question_types.of_question(each.type) for each in several}) == 1
    }
