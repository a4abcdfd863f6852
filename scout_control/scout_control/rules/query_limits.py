"""Bounds what the answer to a query may weigh, in the query itself: what is not sent costs nothing.

The statement stands alone in parentheses, so that it can be nothing but one SELECT; it is evaluated
once, and in the order that it asks for.
"""

from __future__ import annotations


def described(statement: bytes) -> bytes:
    """Return a query for the columns of a statement, and for none of its rows."""
    return b"SELECT * FROM (\n%b\n) AS q LIMIT 0" % statement


def bounded(statement: bytes, columns: int, most_bytes: int) -> bytes:
    """Return a query for what the rows of a statement weigh so far, as text, and for the rows.

    From the row on that makes it too much, all columns are null. Names may repeat in a statement,
    so that columns are named anew. OFFSET 0 keeps the server from evaluating anything twice.
    """
    names = [b"c%d" % number for number in range(columns)]
    alias = b"(%b)" % b", ".join(names) if names else b""
    kept = b"".join(b", CASE WHEN total <= %d THEN %b END" % (most_bytes, name) for name in names)
    return (
        b"SELECT total%b FROM (SELECT q.*, "
        b"pg_catalog.sum(pg_catalog.octet_length(q::pg_catalog.text)) "
        b"OVER (ROWS UNBOUNDED PRECEDING) AS total "
        b"FROM (SELECT * FROM (\n%b\n) AS q%b OFFSET 0) AS q) AS q" % (kept, statement, alias)
    )
