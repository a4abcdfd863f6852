"""Names of schemas that people choose for a project's own tables."""

from __future__ import annotations

import re

MAX_BYTES = 63
"""The longest identifier of Postgres, which cuts longer ones to the name of another schema."""
RESERVED = frozenset({"information_schema", "scout_control", "scout_meltano"})
SPECIAL = "$user"
"""In a search path, even in quotes: a schema that is called like the role that looks."""
OF_DATASET = "must not be a schema of a dataset"
MINTED = re.compile(r"data_(?:[a-z0-9_]+_[0-9a-f]{8}|[0-9a-f]{8}|[0-9a-f]{16})")


def find_error(name: str) -> str | None:
    """Return what is wrong with the name of a schema, as the rest of a sentence, or None."""
    if not name.strip() or not name.isprintable() or name != name.strip():
        return "must be printable characters, without a space at either end"
    if len(name.encode(errors="replace")) > MAX_BYTES:
        return f"must not be longer than {MAX_BYTES} bytes"
    if name.lower().startswith("pg_") or name.lower() in RESERVED or name == SPECIAL:
        return "must not be a schema of Postgres or of Scout"
    if MINTED.fullmatch(name):
        return "must not be a name that Scout gives to the schemas of datasets"
    return None
