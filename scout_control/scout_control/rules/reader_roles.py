"""Roles of the database that a dataset cannot be shared with, by their names alone.

A reader executes what a writer left in views, with its own privileges. So roles that can do more
than read are left out: those of Postgres itself, and those that Scout uses.
"""

from __future__ import annotations

import re

from scout_control.rules.naming import PERSON_PREFIX

MAX_BYTES = 63
RESERVED = frozenset({"public", "none"})
"""What GRANT takes for something else than a role, even in quotes."""
MINTED = re.compile(
    r"data_(?:[a-z0-9_]+_[0-9a-f]{8}|[0-9a-f]{8}|[0-9a-f]{16})_(?:ro|rw|query|login)"
)
"""A role that Scout made for a dataset, of this installation or of another."""


def find_error(name: str) -> str | None:
    """Return why a dataset cannot be shared with a role, as the rest of a sentence, or None."""
    if not name or not name.isprintable() or len(name.encode(errors="replace")) > MAX_BYTES:
        return (
            f"is not the name of a role: these have 1 to {MAX_BYTES} bytes, all of them printable"
        )
    if name in RESERVED:
        return "does not name one role"
    if name.startswith("pg_"):
        return "is a role of Postgres itself, whose members would read the data, too"
    if name.startswith(PERSON_PREFIX) or MINTED.fullmatch(name):
        return "is a role that Scout made for itself"
    return None
