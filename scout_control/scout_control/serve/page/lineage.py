"""From which table of the source each other table of a dataset is made. Pure.

The names are those that the dbt project gives: ``stg_SYSTEM__STREAM`` for the staging view of a
stream, and the kind of record before the name of each generated table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    Table = Mapping[str, Any]

STAGING = re.compile(r"stg_[a-z0-9]+__(?P<stream>.+)")
STREAM_OF_PREFIX = {"case_": "cases", "form_": "forms", "visit_": "visits"}
MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A stream of the source, and the tables that are made of it."""

    stream: str
    loaded: Table | None
    """The table into which it is loaded."""
    staging: Table | None
    typed: tuple[Table, ...]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """All tables of a dataset, in the order in which they are made."""

    lines: tuple[Line, ...]
    others: tuple[Table, ...]
    """Made of several of these, or by models of one's own."""


def of(tables: Sequence[Table], streams: Collection[str]) -> Lineage:
    """Return the lineage of the tables of a dataset.

    Args:
        tables: Those of its data dictionary.
        streams: The streams that were loaded into it.
    """
    staging: dict[str, Table] = {}
    typed: dict[str, list[Table]] = {}
    loaded: dict[str, Table] = {}
    others = []
    for each in tables:
        name = each["table"]
        if name in streams:
            loaded[name] = each
        elif (found := STAGING.fullmatch(name)) and found["stream"] in streams:
            staging[found["stream"]] = each
        elif (stream := _stream_of(each)) in streams:
            typed.setdefault(stream, []).append(each)
        else:
            others.append(each)
    lines = [
        Line(
            stream=stream,
            loaded=loaded.get(stream),
            staging=staging.get(stream),
            typed=tuple(typed.get(stream, ())),
        )
        for stream in streams
    ]
    # Those with typed tables first: they are what people look for.
    lines.sort(key=lambda each: (-len(each.typed), each.stream))
    return Lineage(lines=tuple(lines), others=tuple(others))


def kinds(lineage: Lineage) -> tuple[tuple[str, Sequence[Table]], ...]:
    """Return the tables by what they are, those that people read first."""
    typed = [table for line in lineage.lines for table in line.typed]
    groups = (
        ("Typed tables", typed),
        ("Relations and your own models", lineage.others),
        ("Staging views", [line.staging for line in lineage.lines if line.staging]),
        ("As loaded from the source", [line.loaded for line in lineage.lines if line.loaded]),
    )
    return tuple((title, found) for title, found in groups if found)


def _stream_of(table: Table) -> str:
    """Return the stream from whose records a generated table is made; empty for another table."""
    if table.get("kind") != MODEL:
        return ""
    found = (each for begin, each in STREAM_OF_PREFIX.items() if table["table"].startswith(begin))
    return next(found, "")
