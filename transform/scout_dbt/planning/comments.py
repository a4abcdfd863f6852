"""Comments of generated tables and columns: first what it is, last where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_dbt.planning import labels, question_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scout_dbt.planning.tables import Path, Question

LONGEST_OPTIONS = 600
LONGEST_OPTION = 80
MOST_DOMAINS = 5
ORIGIN = "From: "
HIDDEN = "databindonly"  # as applications call the type of a hidden value
CASE_BLOCK = "Case block: what the form does with cases, as JSON"


def comment(what: str, origin: Iterable[str]) -> str:
    """Return a comment: what it is as a sentence, then where it comes from."""
    return f"{_sentence(what)} {ORIGIN}{', '.join(origin)}"


def origin(system: str, domains: Sequence[str]) -> str:
    """Return the domains and the system that records come from, as the last part of comments."""
    named = [labels.name(each) for each in domains[:MOST_DOMAINS]]
    more = len(domains) - len(named)
    named += [f"and {more} more"] if more > 0 else []
    return f"domain {', '.join(named) or 'unknown'}, {system}"


def answer(question: Question | None, path: Path) -> str:
    """Return what the column of an answer is: the label of its question, or its own name."""
    text = question_text(question) or _own_name(path)
    if question is not None and question_types.normalized(question.type) == HIDDEN:
        text += " (hidden value)"
    return with_options(text, question)


def case_property(name: str, question: Question | None) -> str:
    """Return what the column of a case property is: its name, and the label of its question."""
    text = question_text(question)
    named = labels.name(name)
    # Labels that only repeat the name: phone number of phone_number.
    is_repeated = labels.words(text) == labels.words(named)
    return with_options(f"{named}: {text}" if text and not is_repeated else named, question)


def question_text(question: Question | None) -> str:
    """Return the label of a question; empty if it has none, or only punctuation."""
    text = labels.label(question.label, question.translations) if question else ""
    return text if text.strip(" :.-_*[]()") else ""


def typed(text: str, question: Question | None) -> str:
    """Return where an answer is from, with the type of its question."""
    return f"{text} ({labels.name(question.type)})" if question and question.type else text


def with_options(text: str, question: Question | None) -> str:
    """Return a text with the options of a question; the first ones if there are many."""
    if question is None or not question.options:
        return text
    shown: list[str] = []
    for value, label in question.options:
        shown.append(_option(value, label))
        if sum(map(len, shown)) > LONGEST_OPTIONS:
            shown.pop()
            break
    more = len(question.options) - len(shown)
    listed = "; ".join([*shown, *([f"and {more} more"] if more else [])])
    return f"{_sentence(text)} Options: {listed}"


def _sentence(text: str) -> str:
    text = text.rstrip(" :")
    return text if text.endswith(("?", "!", ".")) else f"{text}."


def _option(value: str, label: str | None) -> str:
    named, text = (
        labels.name(value, LONGEST_OPTION),
        labels.cut(labels.label(label), LONGEST_OPTION),
    )
    return f"{named} = {text}" if text and text != named else named


def _own_name(path: Path) -> str:
    last = path[-1] if path else ""
    if last.startswith("@"):
        return f"{labels.name(last[1:])} (attribute)"
    return labels.name(last.lstrip("#")) or "Text"
