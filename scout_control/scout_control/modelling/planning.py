"""From questions, properties and what the data shows to tables. Pure.

A path of the data is a repeat when the application says so or when the data ever held a list there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scout_control.modelling import answers
from scout_control.modelling.names import assigned, shortened, slug
from scout_control.modelling.shapes import Column, Path, Question, Seen, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MOST_COLUMNS = 1500
MOST_BYTES = 7000  # a row of Postgres fits into one page, whatever is moved out of it
POINTER_BYTES = 28  # what a long value leaves in the row
OWN_COLUMNS = ("_scout_unreadable", "position", "value")
CASE_COLUMNS = (
    *("case_id", "domain", "case_name", "external_id", "owner_id", "opened_at", "modified_at"),
    *("server_modified_at", "indexed_at", "is_closed", "closed_at"),
)
FORM_COLUMNS = (
    *("form_id", "domain", "app_id", "build_id", "user_id", "username", "started_at", "ended_at"),
    *("received_at", "server_modified_at", "indexed_at", "edited_at", "is_archived"),
)
NOT_PROPERTIES = frozenset({"name", "case_name"})  # the case's own name, in a column of its own
META: Path = ("meta",)
NAMESPACE = ("@xmlns",)


@dataclass(frozen=True, kw_only=True)
class CaseType:
    """What is known of one case type."""

    name: str
    properties: Iterable[str] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    indices: Iterable[str] = ()
    questions: Sequence[Question] = ()
    """Those of the forms that work on it; a property is named like the question that fills it."""


@dataclass(frozen=True, kw_only=True)
class FormType:
    """What is known of one xmlns."""

    xmlns: str
    wish: str
    title: str
    questions: Sequence[Question] = ()
    seen: Mapping[Path, Seen] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """Names that were given before, by the key of the table."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def plan(
    case_types: Iterable[CaseType],
    form_types: Iterable[FormType],
    domain: str,
    memory: Memory,
    reserved: Iterable[str] = (),
) -> list[Table]:
    """Return all tables of a dataset, named and with their columns."""
    drafts = [
        *(_case_table(each, domain) for each in case_types),
        *(table for each in form_types for table in _form_tables(each, domain)),
    ]
    parts = [part for draft in drafts for part in _parts(draft, memory)]
    wishes = {part.key: part.name for part in parts}
    names = assigned(wishes, memory.tables, reserved)
    return [_named(replace(each, name=names[each.key]), memory) for each in parts]


def _case_table(case: CaseType, domain: str) -> Table:
    about = f"External: CommCare, domain {domain}, case type {case.name}"
    types = _types_by_leaf(case.questions)
    known = {
        name for name in case.properties if "/" not in name and name not in NOT_PROPERTIES
    } | set(case.seen)
    columns = []
    for name in sorted(known):
        question = types.get(name)
        widest = case.seen[name].widest if name in case.seen else 0
        columns.append(
            Column(
                key=name,
                name=slug(name),
                path=(name,),
                answer=answers.of_question(question.type) if question else "text",
                comment=f"{about}, property {name}" + _words(question),
                widest=widest,
            )
        )
    indices = tuple(
        Column(
            key=f"index {name}",
            name=f"{slug(name)}_case_id",
            path=(name, "case_id"),
            answer="text",
            comment=f"{about}, index {name}: the case that it refers to",
        )
        for name in sorted(case.indices)
    )
    return Table(
        name=f"case_{slug(case.name)}",
        kind="case",
        scope=case.name,
        columns=tuple(columns),
        indices=indices,
        comment=f"{about}. One row per case as it stands now.",
    )


def _types_by_leaf(questions: Sequence[Question]) -> dict[str, Question]:
    """Return the questions whose name says the same type wherever it is asked."""
    found: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        if question.path and not _is_group(question):
            found[question.path[-1]].append(question)
    return {
        name: several[0]
        for name, several in found.items()
        if len({answers.of_question(each.type) for each in several}) == 1
    }


def _is_group(question: Question) -> bool:
    return (
        question.is_group
        or answers.bare(question.tag) in answers.GROUPS
        or answers.bare(question.type) in answers.GROUPS
    )


def _is_repeat(question: Question) -> bool:
    return "repeat" in {answers.bare(question.tag), answers.bare(question.type)}


def _words(question: Question | None) -> str:
    """Return what a comment says of a question: its type, its label, its options."""
    if question is None:
        return ""
    said = f" ({question.type})" if question.type else ""
    if question.label:
        said += f": {' '.join(question.label.split())}"
    if question.options:
        said += ". Options: " + "; ".join(f"{value} = {label}" for value, label in question.options)
    return said


def _form_tables(form: FormType, domain: str) -> list[Table]:
    about = f"External: CommCare, domain {domain}, form {form.title} ({form.xmlns})"
    questions = _by_path(form.questions)
    repeats = _repeats(questions, form.seen)
    columns: dict[tuple[Path, ...], dict[str, Column]] = {(): {}}
    for repeat in repeats:
        columns.setdefault(_around(repeat, repeats, inclusive=True), {})
    for path in [*questions, *sorted(set(form.seen) - set(questions))]:
        if not path or path[:1] == META or path == NAMESPACE:
            continue
        question, seen = questions.get(path), form.seen.get(path, Seen())
        for around, column in _columns_at(path, question, seen, repeats, about):
            columns[around][column.key] = column
    return [
        Table(
            name=f"form_{form.wish}" if not around else f"form_{form.wish}__{_slug_of(around[-1])}",
            kind="form",
            scope=form.xmlns,
            repeats=around,
            columns=tuple(found.values()),
            comment=f"{about}. "
            + (
                f"One row per entry of the repeat group /data/{'/'.join(around[-1])}."
                if around
                else "One row per submitted form."
            ),
        )
        for around, found in columns.items()
    ]


def _by_path(questions: Sequence[Question]) -> dict[Path, Question]:
    """Return one question for each path; where applications differ in its type it is text."""
    found: dict[Path, Question] = {}
    for question in questions:
        if not question.path:
            continue
        first = found.setdefault(question.path, question)
        if answers.of_question(first.type) != answers.of_question(question.type):
            found[question.path] = replace(first, type="Text")
    return found


def _repeats(questions: Mapping[Path, Question], seen: Mapping[Path, Seen]) -> frozenset[Path]:
    said = {path for path, question in questions.items() if _is_repeat(question)}
    said |= {question.repeat for question in questions.values() if question.repeat}
    shown = {path for path, each in seen.items() if each.is_many and not each.is_case}
    return frozenset(path for path in said | shown if path and path[:1] != META)


def _around(path: Path, repeats: frozenset[Path], *, inclusive: bool) -> tuple[Path, ...]:
    """Return the repeats around a path, the outermost first."""
    longest = len(path) if inclusive else len(path) - 1
    return tuple(path[:length] for length in range(1, longest + 1) if path[:length] in repeats)


def _columns_at(
    path: Path,
    question: Question | None,
    seen: Seen,
    repeats: frozenset[Path],
    about: str,
) -> Iterator[tuple[tuple[Path, ...], Column]]:
    """Yield the columns that a path needs, each with the repeats around it."""
    is_answer = question is not None and not _is_group(question)
    if not (is_answer or seen.is_scalar or seen.is_case):
        return
    around = _around(path, repeats, inclusive=False)
    column = Column(
        key="/".join(path),
        name=_slug_of(path[len(around[-1]) if around else 0 :]),
        path=path[len(around[-1]) if around else 0 :],
        answer="json"
        if seen.is_case
        else answers.of_question(question.type if question and is_answer else None),
        comment=f"{about}, question /data/{'/'.join(path)}" + _words(question),
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


def _parts(table: Table, memory: Memory) -> Iterator[Table]:
    """Cut a table that Postgres could not hold into several, which share their key.

    A column stays in the part that it is in, as long as that holds it.
    """
    parts: list[_Part] = [_Part()]
    home = _homes(table, memory)
    for column in sorted(table.columns, key=lambda column: home.get(column.key, len(home))):
        wanted = home.get(column.key, len(parts) - 1)
        while len(parts) <= wanted or not parts[wanted].has_room(column):
            wanted += len(parts) > wanted
            if len(parts) <= wanted:
                parts.append(_Part())
        parts[wanted].take(column)
    for number, part in enumerate(parts):
        yield replace(
            table,
            name=table.name if number == 0 else f"{table.name}__part_{number + 1}",
            part=number,
            columns=tuple(part.columns),
            indices=table.indices if number == 0 else (),
            comment=table.comment
            + (f" Part {number + 1} of {len(parts)}: join them by key." if len(parts) > 1 else ""),
        )


def _homes(table: Table, memory: Memory) -> dict[str, int]:
    """Return the part that each column was in before."""
    homes: dict[str, int] = {}
    for number in range(len(memory.columns)):
        names = memory.columns.get(replace(table, part=number).key)
        if names is None:
            break
        homes |= dict.fromkeys(names, number)
    return homes


@dataclass
class _Part:
    """Columns that fit into one table of Postgres."""

    columns: list[Column] = field(default_factory=list)
    count: int = 0
    bytes: int = 0

    def has_room(self, column: Column) -> bool:
        count, width = _needs(column)
        return self.count + count <= MOST_COLUMNS - 40 and self.bytes + width <= MOST_BYTES

    def take(self, column: Column) -> None:
        count, width = _needs(column)
        self.columns.append(column)
        self.count += count
        self.bytes += width


def _needs(column: Column) -> tuple[int, int]:
    """Return how many columns and bytes a value takes at most, and while it is read."""
    if column.answer == "place":
        return 6, POINTER_BYTES + 4 * 8
    fixed = {"integer": 8, "date": 4, "moment": 8, "time": 8}.get(column.answer)
    if fixed:
        return 2, fixed
    long = column.answer in {"choices", "json"}
    bytes_ = POINTER_BYTES if long else min(column.widest + 4, POINTER_BYTES)
    return 1 if column.answer in {"text", "json"} else 2, bytes_


def _named(table: Table, memory: Memory) -> Table:
    """Give every column a name of its own."""
    fixed = CASE_COLUMNS if table.kind == "case" else FORM_COLUMNS
    positions = [f"position_{number + 1}" for number in range(len(table.repeats))]
    reserved = {*fixed, *OWN_COLUMNS, *positions} - ({"value"} if table.repeats else set())
    everything = (*table.indices, *table.columns)
    wishes: dict[str, str] = {}
    for column in everything:
        wishes[column.key] = column.name
        if column.answer == "place":
            for part in answers.PLACE_PARTS:
                wishes[f"{column.key}#{part}"] = f"{column.name}_{part}"
    names = assigned(wishes, memory.columns.get(table.key), reserved)
    return replace(
        table,
        columns=tuple(_with_name(each, names) for each in table.columns),
        indices=tuple(_with_name(each, names) for each in table.indices),
    )


def _with_name(column: Column, names: Mapping[str, str]) -> Column:
    parts = (
        tuple(names[f"{column.key}#{part}"] for part in answers.PLACE_PARTS)
        if column.answer == "place"
        else ()
    )
    return replace(column, name=names[column.key], parts=parts)


def wish_of(module: str | None, form: str | None, xmlns: str) -> str:
    """Return what a form's table would like to be called, after ``form_``."""
    words = [word for word in (module, form) if word]
    return shortened(slug("_".join(words) if words else tail_of(xmlns)), xmlns)


def tail_of(xmlns: str) -> str:
    """Return the last part of an xmlns: the only name of a form that no application knows."""
    return xmlns.rstrip("/").rpartition("/")[2] or "unknown"


def key_of(kind: str, scope: str) -> str:
    """Return the key of a table that is not part of another."""
    return json.dumps([kind, scope, [], 0], ensure_ascii=False)
