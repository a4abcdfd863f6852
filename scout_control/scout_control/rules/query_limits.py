"""Limits the size of a query result inside the query itself, so that the excess is never sent.

The statement is wrapped in parentheses, so it can only be a single SELECT. It is evaluated once, in
the order that it requests.
"""

from __future__ import annotations


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
