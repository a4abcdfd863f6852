"""Names of alias schemas, which people type: made of the ids of project, source and user.

They need no quotes in SQL, and cannot be taken for a minted name (``data_...``) or a schema of
Postgres or of control.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scout_control.rules.naming import slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BYTES = 63
"""The longest identifier of Postgres."""
FALLBACK = "dataset"
"""For ids that leave no letter or digit of ASCII."""
MAX_NUMBER = 999
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
RESERVED_PREFIXES = ("pg_", "data_")
"""Of Postgres, and of minted schema names."""
RESERVED_NAMES = frozenset(
    ("public", "information_schema", "scout_control", "scout_meltano", "template0", "template1")
)
# Reserved in SQL, also where only as the name of a function or type: a test asks Postgres for them.
WORDS = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign freeze from full grant group having ilike in
    initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window
    with
"""
KEYWORDS = frozenset(WORDS.split())


def candidates(parts: Sequence[str]) -> Iterator[str]:
    """Yield names for an alias schema in the order of preference: ``river_hq``, ``river_hq_2``...

    Args:
        parts: The ids of project, source and user, as far as there are any.
    """
    name = "_".join(filter(None, map(slug, parts))) or FALLBACK
    # An underscore leads away from keywords, reserved prefixes and names that begin with a digit.
    name = f"_{name}" if find_error(name) else name
    yield name
    yield from (f"{name}_{number}" for number in range(2, MAX_NUMBER + 1))


def find_error(name: str) -> str | None:
    """Return what is wrong with the name of an alias schema, as the rest of a sentence, or None."""
    if not PLAIN.fullmatch(name):
        return "must consist of the letters a to z, digits and _, and not begin with a digit"
    if len(name) > MAX_BYTES:
        return f"must not be longer than {MAX_BYTES} characters"
    if name.startswith(RESERVED_PREFIXES):
        return f"must not begin with {' or '.join(RESERVED_PREFIXES)}, which are reserved"
    if name in KEYWORDS | RESERVED_NAMES:
        return "must not be a reserved word"
    return None
