"""Limits the size of a query result inside the query itself, so that the excess is never sent.

The statement is wrapped in parentheses, so it can only be a single SELECT. It is evaluated once, in
the order that it requests.
"""

from __future__ import annotations

import re

EXPLAIN = re.compile(
    rb"(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\b"
    rb"(?:\s*\((?P<options>\s*(?:ANALY[ZS]E|VERBOSE|COSTS|SETTINGS|GENERIC_PLAN|BUFFERS|SERIALIZE|WAL"
    rb"|TIMING|SUMMARY|MEMORY|FORMAT)\b[\w\s,]*)\))?"
    rb"(?P<words>(?:\s+(?:ANALY[ZS]E|VERBOSE)\b)*)\s*",
    re.IGNORECASE | re.DOTALL,
)


def columns_query(statement: bytes) -> bytes:
    """Return a query for the columns of a statement, without rows."""
    return b"SELECT * FROM (\n%b\n) AS q LIMIT 0" % statement


def limited_query(statement: bytes, columns: int, max_bytes: int) -> bytes:
    """Return a query for the cumulative size of the rows as text, and for the rows.

    From the row on that exceeds the limit, all columns are null. Columns are renamed, since the
    names of a statement may repeat. OFFSET 0 keeps the server from evaluating anything twice.
    """
    names = [b"c%d" % number for number in range(columns)]
    alias = b"(%b)" % b", ".join(names) if names else b""
    kept = b"".join(b", CASE WHEN total <= %d THEN %b END" % (max_bytes, name) for name in names)
    return (
        b"SELECT total%b FROM (SELECT q.*, "
        b"pg_catalog.sum(pg_catalog.octet_length(q::pg_catalog.text)) "
        b"OVER (ROWS UNBOUNDED PRECEDING) AS total "
        b"FROM (SELECT * FROM (\n%b\n) AS q%b OFFSET 0) AS q) AS q" % (kept, statement, alias)
    )


def explain_query(statement: bytes) -> bytes | None:
    """Return the query for the plan of a statement that begins with EXPLAIN; None if it does not.

    The statement that is explained is wrapped like any other.
    """
    match = EXPLAIN.match(statement)
    if match is None:
        return None
    chosen = [match["options"] or b"", *(match["words"] or b"").split()]
    options = b", ".join(each for each in chosen if each)
    choice = b" (%b)" % options if options else b""
    return b"EXPLAIN%b SELECT * FROM (\n%b\n) AS q" % (choice, statement[match.end() :])
