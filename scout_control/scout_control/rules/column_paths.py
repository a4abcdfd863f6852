"""Paths of rules for columns: which names they concern, and how Postgres finds those in JSON. Pure.

They mean what they mean to the loader: in a name, ``*`` and ``?`` stand for any characters, ``**``
between dots for any number of names. Arrays have no names.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY_DEPTH = "**"
WILDCARDS = re.compile(r"[*?]")
AT_DEPTH, ANY_NAME = ".**", ".*"

Names = tuple[str, ...]
"""The names of a path, or of what is left of one below a column."""


def matches(pattern: str, name: str) -> bool:
    """Return whether a name is one that a pattern stands for."""
    return re.fullmatch(_expression(pattern), name, re.DOTALL) is not None


def covers(path: str, other: str) -> bool:
    """Return whether a path concerns what another one names, or something that contains it.

    Wildcards of the other one are taken for names.
    """
    names = _without_end(path.split("."))
    at = _skipping(names, {0})
    for name in other.split("."):
        if len(names) in at:
            return True
        at = _step(names, at, name)
    return len(names) in at


def below(path: str, column: str) -> set[Names]:
    """Return what is left of a path below a column; an empty tuple where it names the column.

    Without anything, the path does not concern the column.
    """
    names = _without_end(path.split("."))
    at = _skipping(names, {0})
    parted = at
    for part in column.split("."):  # a rule cannot tell a dot in a name from one between names
        parted = _step(names, parted, part)
    reached = parted | _step(names, at, column)
    # Any depth may stand for no name, so what follows it alone adds nothing.
    least = (each for each in reached if each - 1 not in reached or names[each - 1] != ANY_DEPTH)
    return {tuple(names[each:]) for each in least} | ({()} if len(names) in reached else set())


def json_paths(names: Names) -> list[str]:
    """Return the JSON paths with which Postgres finds what these names lead to."""
    parted = "$" + "".join(map(_accessor, names))
    if len(names) == 1:
        return [parted]
    # The same as one name that has dots in it.
    return [parted, "$" + _accessor(".".join(names))]


def _accessor(name: str) -> str:
    if name == ANY_DEPTH:
        return AT_DEPTH
    if not WILDCARDS.search(name):
        return f".{json.dumps(name)}"
    if not name.strip("*"):
        return ANY_NAME
    expression = json.dumps(f"^{_expression(name)}$")
    # Of anything but objects, keyvalue is an error; a filter leads through arrays.
    members = '? (@.type() == "object").keyvalue()'
    return f' {members} ? (@.key like_regex {expression} flag "s").value'


def _expression(pattern: str) -> str:
    parts = re.split(r"([*?])", pattern)
    return "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)


def _without_end(names: Sequence[str]) -> list[str]:
    """Return names without any depth at the end, which concerns everything below."""
    kept = list(names)
    while len(kept) > 1 and kept[-1] == ANY_DEPTH:
        kept.pop()
    return kept


def _step(names: Sequence[str], at: set[int], name: str) -> set[int]:
    return _skipping(names, {following for each in at for following in _after(names, each, name)})


def _skipping(names: Sequence[str], at: set[int]) -> set[int]:
    """Return positions with those behind any depth, which may stand for no name at all."""
    found = set(at)
    for each in range(len(names)):
        if each in found and names[each] == ANY_DEPTH:
            found.add(each + 1)
    return found


def _after(names: Sequence[str], at: int, name: str) -> Sequence[int]:
    if at == len(names):
        return ()
    if names[at] == ANY_DEPTH:
        return (at,)
    return (at + 1,) if matches(names[at], name) else ()
