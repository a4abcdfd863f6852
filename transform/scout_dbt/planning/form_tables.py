"""The tables of a form: one for the submissions, and one for each of its repeat groups.

A path is a repeat group when the application says so, or when the data ever held a list there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scout_dbt.planning import comments, labels, question_types, questions
from scout_dbt.planning.naming import shorten, slug
from scout_dbt.planning.tables import (
    Column,
    Path,
    PathProfile,
    Question,
    RecordKind,
    Table,
    ValueType,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

META: Path = ("meta",)
NAMESPACE: Path = ("@xmlns",)
SYSTEM_AND_RECORD = {
    RecordKind.FORM: ("CommCare", "submitted form"),
    RecordKind.VISIT: ("CommCare Connect", "visit"),
}


@dataclass(frozen=True, kw_only=True)
class FormType:
    """What is known about the forms of one xmlns, submitted to CommCare or delivered as visits."""

    record_kind: RecordKind = RecordKind.FORM
    xmlns: str
    preferred_name: str
    """Of its table, after the kind of record."""
    title: str
    """With its application and module."""
    form_name: str = ""
    """Without them."""
    domains: Sequence[str] = ()
    questions: Sequence[Question] = ()
    profiles: Mapping[Path, PathProfile] = field(default_factory=dict)

    @property
    def origin(self) -> tuple[str, str]:
        """Return the end of comments."""
        system, _ = SYSTEM_AND_RECORD[self.record_kind]
        return f"form {labels.name(self.title)}", comments.origin(system, self.domains)


def draft_tables(form: FormType) -> list[Table]:
    """Return the tables of a form, with the preferred names of their columns."""
    by_path = questions.by_path(form.questions)
    repeats = _repeats(by_path, form.profiles)
    columns: dict[tuple[Path, ...], dict[str, Column]] = {(): {}}
    for repeat in repeats:
        columns.setdefault(_enclosing(repeat, repeats, is_inclusive=True), {})
    unknown = sorted(set(form.profiles) - set(by_path), key=_sort_key)
    for path in [*by_path, *unknown]:
        if not path or path[:1] == META or path == NAMESPACE:
            continue
        profile = form.profiles.get(path, PathProfile())
        for around, column in _columns_at(path, by_path.get(path), profile, repeats, form):
            columns[around][column.key] = column
    return [
        _table(form, around, found, by_path.get(around[-1]) if around else None)
        for around, found in columns.items()
    ]


def _sort_key(path: Path) -> tuple[bool, Path]:
    """Sort paths that no application lists: answers before case blocks and attributes."""
    last = path[-1] if path else ""
    return last == "case" or last.startswith(("@", "#")), path


def _table(
    form: FormType,
    around: tuple[Path, ...],
    columns: Mapping[str, Column],
    question: Question | None,
) -> Table:
    name = f"{form.record_kind}_{form.preferred_name}"
    return Table(
        name=f"{name}__{_column_name(around[-1])}" if around else name,
        record_kind=form.record_kind,
        scope=form.xmlns,
        repeats=around,
        columns=tuple(columns.values()),
        comment=_table_comment(form, around, question),
        title=labels.name(form.form_name or form.title),
    )


def _table_comment(form: FormType, around: tuple[Path, ...], question: Question | None) -> str:
    _, record = SYSTEM_AND_RECORD[form.record_kind]
    named = labels.name(form.form_name or form.title)
    what = f"{named}: one row per {record}"
    origin = [f"xmlns {labels.name(form.xmlns)}", *form.origin]
    if around:
        entry = comments.question_text(question) or labels.name(around[-1][-1])
        what = f"{entry}, repeat group of {named}: one row per entry"
        origin = [f"repeat group {_json_path(around[-1])}", *origin]
    return comments.comment(what, origin)


def _json_path(path: Path) -> str:
    return labels.name(f"/data/{'/'.join(path)}")


def _repeats(
    by_path: Mapping[Path, Question], profiles: Mapping[Path, PathProfile]
) -> frozenset[Path]:
    defined = {path for path, question in by_path.items() if questions.is_repeat(question)}
    defined |= {question.repeat for question in by_path.values() if question.repeat}
    # Two adjacent case blocks are also a list, but not a repeat group.
    shown = {path for path, each in profiles.items() if each.is_list and not each.is_case_block}
    return frozenset(path for path in defined | shown if path and path[:1] != META)


def _enclosing(path: Path, repeats: frozenset[Path], *, is_inclusive: bool) -> tuple[Path, ...]:
    """Return the repeat groups around a path, outermost first."""
    longest = len(path) if is_inclusive else len(path) - 1
    return tuple(path[:length] for length in range(1, longest + 1) if path[:length] in repeats)


def _columns_at(
    path: Path,
    question: Question | None,
    profile: PathProfile,
    repeats: frozenset[Path],
    form: FormType,
) -> Iterator[tuple[tuple[Path, ...], Column]]:
    """Yield the columns for a path, each with the repeat groups around it."""
    is_answer = question is not None and not questions.is_group(question)
    if not (is_answer or profile.is_scalar or profile.is_case_block):
        return
    around = _enclosing(path, repeats, is_inclusive=False)
    inside = path[len(around[-1]) if around else 0 :]
    column = Column(
        key="/".join(path),
        name=_column_name(inside),
        path=inside,
        value_type=_value_type(question if is_answer else None, profile),
        comment=_column_comment(path, question, profile, form),
        max_bytes=profile.max_bytes,
        is_element=profile.is_object or profile.is_list,
    )
    if path not in repeats or is_answer:
        yield around, column
    # Entries of a repeat group that are plain values have no path below it.
    if path in repeats and (is_answer or profile.is_scalar):
        yield (*around, path), replace(column, name="value", path=())


def _column_comment(
    path: Path, question: Question | None, profile: PathProfile, form: FormType
) -> str:
    is_case_block = profile.is_case_block and question is None
    what = comments.CASE_BLOCK if is_case_block else comments.answer(question, path)
    place = comments.typed(f"question {_json_path(path)}", question)
    return comments.comment(what, (place, *form.origin))


def _value_type(question: Question | None, profile: PathProfile) -> ValueType:
    if profile.is_case_block:
        return ValueType.JSON
    return question_types.value_type_of(question.type) if question else ValueType.TEXT


def _column_name(path: Path) -> str:
    """Return the preferred name for a path; attributes of the form itself get a prefix."""
    if len(path) == 1 and path[0].startswith(("@", "#")):
        return f"form_{slug(path[0])}"
    return slug("_".join(path)) if path else "value"


def preferred_name_of(module: str | None, form: str | None, xmlns: str) -> str:
    """Return the preferred name of a form's table, after the kind of record."""
    words = [word for word in (module, form) if word]
    return shorten(slug("_".join(words) if words else last_segment(xmlns)), xmlns)


def last_segment(xmlns: str) -> str:
    """Return the last part of an xmlns: the best name of a form that no application lists."""
    return xmlns.rstrip("/").rpartition("/")[2] or "unknown"
