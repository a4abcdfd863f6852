"""What the author of a rejected query can do about it, by Postgres' code of the error.

Codes and positions are the same in every language of the server; its messages are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.rules.query_limits import columns_query
from scout_control.rules.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = re.compile(r'(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))(\s*\.\s*)?')
PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
WORD = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')
MOST_TABLES = 3
ONE_SELECT = "A query is a single SELECT that only reads."
UNDEFINED_TABLES = frozenset({"42P01", "3F000"})
UNDEFINED_COLUMN = "42703"
FORBIDDEN = "42501"
LOOK = "If it happens again, look for the cause: scout doctor"
NO_SELECT = frozenset({"42601", "0A000", "25006"})
LOCKED = "55P03"
LIMITS = "54"
"""The class of what exceeds a limit of Postgres itself."""
UNBOUND = "08P01"
"""The protocol says so of a statement with parameters: no one gives them values."""
CORRECT = {
    "22": "Correct the value or the cast.",
    LIMITS: "Correct the statement: ask for less, or build smaller values.",
    UNBOUND: "Correct the statement: write values in place of parameters such as $1.",
}
"""What to do by the class or the code of an error that is the statement's fault."""
OF_THE_SERVER = frozenset({"08", "40", "53", "55", "57", "58", "F0", "XX"})
"""Classes of errors that another query, or another session, may also meet."""
TOO_LARGE = frozenset({"53200", "53400", "XX000"})
"""Of memory: mostly of a value that is too large, which Postgres has no class for."""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A query as its author wrote it, and what Postgres says about it."""

    statement: str
    dataset: str
    sqlstate: str | None
    message: str = ""
    hint: str | None = None
    position: int | None = None
    """Where in the statement, from 0; its length or more where the fault shows at the end."""


def needs_tables(sqlstate: str | None) -> bool:
    """Return whether the remedy depends on which tables there are."""
    return sqlstate == UNDEFINED_COLUMN or sqlstate in UNDEFINED_TABLES


def remedy(rejection: Rejection, tables: Sequence[str] = ()) -> str:
    """Return what to do about a rejected query, given the tables of its dataset."""
    state = rejection.sqlstate or ""
    if state in {UNDEFINED_COLUMN, FORBIDDEN, *UNDEFINED_TABLES}:
        return _remedy_of_name(rejection, tables)
    if state == LOCKED:
        return "Another session holds a lock on the table. Try again in a minute."
    if state in NO_SELECT:
        return _joined(_place(rejection), rejection.hint, ONE_SELECT)
    if state[:2] in {"", *OF_THE_SERVER} and state != UNBOUND:
        tried = "Ask for less, or build smaller values." if state in TOO_LARGE else "Try again."
        return rejection.hint or f"{tried} {LOOK}"
    return _joined(_correction(rejection, state), _place(rejection))


def _correction(rejection: Rejection, state: str) -> str:
    """Return what to correct; hints about limits are for who runs the server."""
    if rejection.hint and state[:2] != LIMITS:
        return rejection.hint
    return CORRECT.get(state) or CORRECT.get(state[:2], "Correct the statement.")


def _remedy_of_name(rejection: Rejection, tables: Sequence[str]) -> str:
    describe = f"scout describe {quote(rejection.dataset)}"
    if rejection.sqlstate == FORBIDDEN:
        return (
            f"Only {rejection.dataset} can be read. Name its tables without a schema; "
            f"they are listed by: {describe} --tables"
        )
    if rejection.sqlstate == UNDEFINED_COLUMN:
        named = _named_tables(rejection.statement, tables)
        commands = [f"{describe} --table {quote(each)}" for each in named]
        look = "; ".join(commands) or f"{describe} --tables"
        return _joined(rejection.hint, f"Look which columns there are: {look}")
    meant = _meant(rejection, tables)
    return _joined(meant, rejection.hint, f"Look which tables it has: {describe} --tables")


def position_in(
    statement: str, *, position: int | None, internal: tuple[str, int] | None
) -> int | None:
    """Return where in a statement an error is, from 0, given where it is in what was executed.

    Args:
        statement: As its author wrote it.
        position: The place in the query that wraps it, from 1.
        internal: The query that a plan was asked with, and the place in it.
    """
    start = len(columns_query(b"\0").partition(b"\0")[0])
    if position is not None:
        return max(0, position - 1 - start)
    if internal is None:
        return None
    wrapped, at = internal
    written = wrapped[wrapped.find("(\n") + 2 : wrapped.rfind("\n)")]
    before = statement.rfind(written) if written else -1
    return None if before < 0 else max(0, before + at - 1 - wrapped.find("(\n") - 2)


def _joined(*sentences: str | None) -> str:
    return " ".join(each for each in sentences if each)


def _place(rejection: Rejection) -> str:
    """Return a sentence that says where the fault is; empty if unknown."""
    position, statement = rejection.position, rejection.statement
    if position is None:
        return ""
    if position >= len(statement.rstrip().rstrip(";")):
        return "The fault shows at the end: something before it is missing or not closed."
    before = statement[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n")
    return f"Look at line {line}, column {column}."


def _meant(rejection: Rejection, tables: Sequence[str]) -> str:
    """Return a sentence that names the table that a missing one probably means, as SQL."""
    name = missing_name(rejection)
    known = {_as_sql(each): each for each in tables}
    return did_you_mean([name], known) if name else ""


def missing_name(rejection: Rejection) -> str | None:
    """Return the name of the missing table, without its schema."""
    if rejection.position is None:
        return None
    names = []
    at: int = rejection.position
    while match := NAME.match(rejection.statement, at):
        names.append(_unquoted(match))
        at = match.end()
        if not match[3]:
            break
    # In ``table.column``, only the table is missing, and the message names only that.
    told = (each for each in reversed(names) if _is_told(each, rejection.message))
    return next(told, names[0] if names else None)


def _is_told(name: str, message: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) is not None


def _named_tables(statement: str, tables: Sequence[str]) -> list[str]:
    """Return the tables of a dataset that a statement names."""
    words = dict.fromkeys(_unquoted(match) for match in WORD.finditer(statement))
    return [each for each in words if each in tables][:MOST_TABLES]


def _unquoted(match: re.Match[str]) -> str:
    return match[1].replace('""', '"') if match[1] else match[2].lower()


def _as_sql(name: str) -> str:
    if PLAIN_NAME.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'
