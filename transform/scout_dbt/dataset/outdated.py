"""Marks tables that a build leaves behind, in their comments: readers are not to trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2 import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from scout_dbt.dataset.connection import Cursor

MARK = "OUT OF DATE"
END = ".\n"
"""After the mark, before the comment that the table had."""
COMMENTS = """
    SELECT relname, relkind, coalesce(obj_description(oid, 'pg_class'), ''), current_date::text
      FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%s)
       AND relkind IN ('r', 'v', 'm') AND pg_has_role(relowner, 'MEMBER')
"""
KINDS = {"r": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW"}


def mark(cursor: Cursor, reasons: Mapping[str, str]) -> None:
    """Mark tables and views as out of date, with the reason; the day of the first mark stays."""
    for name, kind, comment, today in _comments(cursor, reasons):
        before, was = split(comment)
        since = before.removeprefix(f"{MARK} since ").partition(":")[0] if before else today
        _comment(cursor, kind, name, f"{MARK} since {since}: {reasons[name]}{END}{was}")


def unmark(cursor: Cursor, names: Collection[str]) -> None:
    """Remove the mark of tables that were built."""
    for name, kind, comment, _ in _comments(cursor, names):
        before, was = split(comment)
        if before:
            _comment(cursor, kind, name, was)


def split(comment: str) -> tuple[str, str]:
    """Return the mark at the beginning of a comment, or an empty text, and the rest."""
    if not comment.startswith(f"{MARK} since "):
        return "", comment
    before, _, was = comment.partition(END)
    return before, was


def _comments(cursor: Cursor, names: Collection[str]) -> Iterator[tuple[str, str, str, str]]:
    cursor.execute(COMMENTS, [list(names)])
    yield from cursor.fetchall()


def _comment(cursor: Cursor, kind: str, name: str, text: str) -> None:
    statement = sql.SQL("COMMENT ON {} {} IS {}")
    literal = sql.Literal(text) if text else sql.SQL("NULL")
    cursor.execute(statement.format(sql.SQL(KINDS[kind]), sql.Identifier(name), literal))
