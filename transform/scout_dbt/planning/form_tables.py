"""The tables of a form: one for the submissions, one for each repeat group in it. Pure.

A path of the data is a repeat when the application says so or when the data ever held a list there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scout_dbt.planning import question_types, questions
from scout_dbt.planning.naming import shortened, slug
from scout_dbt.planning.tables import Column, Path, Question, Seen, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

META: Path = ("meta",)
NAMESPACE: Path = ("@xmlns",)
RECORDS = {"form": ("CommCare", "submitted form"), "visit": ("CommCare Connect", "visit")}


@dataclass(frozen=True, kw_only=True)
class FormType:
    """What is known of the forms of one xmlns: submitted to CommCare, or come with visits."""

    kind: str = "form"
    xmlns: str
    wish: str
    """What its table would like to be called, after the kind."""
    title: str
    domains: Sequence[str] = ()
    questions: Sequence[Question] = ()
    seen: Mapping[Path, Seen] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """Return how comments begin."""
        system, _ = RECORDS[self.kind]
        domains = ", ".join(self.domains) or "unknown"
        return f"External: {system}, domain {domains}, form {self.title}"


def drafts(form: FormType) -> list[Table]:
    """Return the tables of a form, with the names that their columns would like to have."""
    asked = questions.by_path(form.questions)
    repeats = _repeats(asked, form.seen)
    columns: dict[tuple[Path, ...], dict[str, Column]] = {(): {}}
    for repeat in repeats:
        columns.setdefault(_around(repeat, repeats, is_inclusive=True), {})
    for path in [*asked, *sorted(set(form.seen) - set(asked), key=_place)]:
        if not path or path[:1] == META or path == NAMESPACE:
            continue
        seen = form.seen.get(path, Seen())
        for around, column in _columns_at(path, asked.get(path), seen, repeats, form.about):
            columns[around][column.key] = column
    return [_table(form, around, found) for around, found in columns.items()]


def _place(path: Path) -> tuple[bool, Path]:
    """Return what sorts paths that no application knows: answers before cases and attributes."""
    last = path[-1] if path else ""
    return last == "case" or last.startswith(("@", "#")), path


def _table(form: FormType, around: tuple[Path, ...], columns: Mapping[str, Column]) -> Table:
    name = f"{form.kind}_{form.wish}"
    _, record = RECORDS[form.kind]
    row = f"entry of the repeat group /data/{'/'.join(around[-1])}" if around else record
    return Table(
        name=f"{name}__{_slug_of(around[-1])}" if around else name,
        kind=form.kind,
        scope=form.xmlns,
        repeats=around,
        columns=tuple(columns.values()),
        comment=f"{form.about} ({form.xmlns}). One row per {row}.",
    )


def _repeats(asked: Mapping[Path, Question], seen: Mapping[Path, Seen]) -> frozenset[Path]:
    said = {path for path, question in asked.items() if questions.is_repeat(question)}
    said |= {question.repeat for question in asked.values() if question.repeat}
    shown = {path for path, each in seen.items() if each.is_many and not each.is_case}
    return frozenset(path for path in said | shown if path and path[:1] != META)


def _around(path: Path, repeats: frozenset[Path], *, is_inclusive: bool) -> tuple[Path, ...]:
    """Return the repeats around a path, the outermost first."""
    longest = len(path) if is_inclusive else len(path) - 1
    return tuple(path[:length] for length in range(1, longest + 1) if path[:length] in repeats)


def _columns_at(
    path: Path, question: Question | None, seen: Seen, repeats: frozenset[Path], about: str
) -> Iterator[tuple[tuple[Path, ...], Column]]:
    """Yield the columns that a path needs, each with the repeats around it."""
    is_answer = question is not None and not questions.is_group(question)
    if not (is_answer or seen.is_scalar or seen.is_case):
        return
    around = _around(path, repeats, is_inclusive=False)
    inside = path[len(around[-1]) if around else 0 :]
    read_as = question_types.of_question(question.type) if question and is_answer else "text"
    column = Column(
        key="/".join(path),
        name=_slug_of(inside),
        path=inside,
        answer="json" if seen.is_case else read_as,
        comment=f"{about}, question /data/{'/'.join(path)}" + questions.words(question),
        widest=seen.widest,
        is_tree=seen.is_object or seen.is_many,
    )
    if path not in repeats or is_answer:
        yield around, column
    if path in repeats and (is_answer or seen.is_scalar):
        yield (*around, path), replace(column, name="value", path=())


def _slug_of(path: Path) -> str:
    """Return the wished name of a path; what the root says of itself is not an answer."""
    if len(path) == 1 and path[0].startswith(("@", "#")):
        return f"form_{slug(path[0])}"
    return slug("_".join(path)) if path else "value"


def wish_of(module: str | None, form: str | None, xmlns: str) -> str:
    """Return what a form's table would like to be called, after its kind."""
    words = [word for word in (module, form) if word]
    return shortened(slug("_".join(words) if words else tail_of(xmlns)), xmlns)


def tail_of(xmlns: str) -> str:
    """Return the last part of an xmlns: the only name of a form that no application knows."""
    return xmlns.rstrip("/").rpartition("/")[2] or "unknown"
