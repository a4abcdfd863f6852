"""The column types, which of them can be widened to which others, and the SQL casts for that.

Pure: no database, no records.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

TIMESTAMPTZ: Final = "timestamptz"
DATE: Final = "date"
TIME: Final = "time"
UUID: Final = "uuid"
TEXT: Final = "text"
BIGINT: Final = "bigint"
NUMERIC: Final = "numeric"
BOOLEAN: Final = "boolean"
JSONB: Final = "jsonb"

# (from, to): types that hold every value of another one, with the cast for existing rows.
WIDENINGS = {
    (BIGINT, NUMERIC): "{column}::numeric",
    (DATE, TIMESTAMPTZ): "{column}::timestamp AT TIME ZONE 'UTC'",
    (UUID, TEXT): "{column}::text",
}

# A column that is already wider than the schema asks for stays and takes the narrower values.
ALREADY_HOLDS = {(NUMERIC, BIGINT), (TEXT, UUID), (TIMESTAMPTZ, DATE)}

# A key must stay one column, or each entity would become two rows. What nothing above widens
# becomes text, in which equal values have one spelling (that of `binary_copy.any_as_text`).
AS_KEY_TEXT = {
    BIGINT: "{column}::text",
    NUMERIC: "trim_scale({column})::text",
    BOOLEAN: "{column}::text",
    DATE: "{column}::text",
    TIME: "{column}::text",
    UUID: "{column}::text",
    TIMESTAMPTZ: "to_jsonb({column}) #>> '{{}}'",
}
HOLDS_ANY_KEY = (TEXT, JSONB)

# Types of columns that another target or a person created, and the lossless cast to one of these.
FOREIGN_TYPES = {
    "smallint": (BIGINT, "{column}::bigint"),
    "integer": (BIGINT, "{column}::bigint"),
    "real": (NUMERIC, "{column}::text::numeric"),  # the shortest digits that round-trip
    "double precision": (NUMERIC, "{column}::text::numeric"),
    "numeric": (NUMERIC, "{column}::numeric"),
    "character varying": (TEXT, "{column}::text"),
    "character": (TEXT, "{column}::text"),
    "bpchar": (TEXT, "{column}::text"),
    "citext": (TEXT, "{column}::text"),
    "name": (TEXT, "{column}::text"),
    "timestamp without time zone": (TIMESTAMPTZ, "{column} AT TIME ZONE 'UTC'"),
    "timestamp with time zone": (TIMESTAMPTZ, "{column}::timestamptz"),
    "time without time zone": (TIME, "{column}::time"),
    "json": (JSONB, "{column}::jsonb"),
}
TYPE_MODIFIER = re.compile(r"\(\d+(,-?\d+)?\)")  # of varchar(20), numeric(10,2), timestamp(0)

# How format_type() spells the types above.
CATALOG_NAMES = {
    "timestamp with time zone": TIMESTAMPTZ,
    "time without time zone": TIME,
    "bigint": BIGINT,
    "numeric": NUMERIC,
    "boolean": BOOLEAN,
    "jsonb": JSONB,
    "text": TEXT,
    "date": DATE,
    "uuid": UUID,
}


OWN_TYPES = frozenset(CATALOG_NAMES.values())


class Fit(NamedTuple):
    """The type that a column needs for certain values, and the cast; None: no change needed."""

    type: str
    cast: str | None


def fit(present: str, wanted: str, *, is_key: bool = False) -> Fit | None:
    """Return the type that a column needs for values of a type; None if there is no such type."""
    native, cast = present, None
    if present not in OWN_TYPES:
        foreign = FOREIGN_TYPES.get(TYPE_MODIFIER.sub("", present))
        if foreign is None:
            return None
        native, cast = foreign
    if native == wanted or (native, wanted) in ALREADY_HOLDS:
        return Fit(native, cast)
    if is_key and native in HOLDS_ANY_KEY:
        return Fit(native, cast)
    if widening := WIDENINGS.get((native, wanted)):
        return Fit(wanted, _nested(widening, cast))
    if is_key and (widening := AS_KEY_TEXT.get(native)):
        return Fit(TEXT, _nested(widening, cast))
    return None


def _nested(outer: str, inner: str | None) -> str:
    return outer if inner is None else outer.replace("{column}", f"({inner})")


def cast_expression(present: str, wanted: str) -> str | None:
    """Return the expression that casts a column from one of our types to another; None: none."""
    if present == wanted:
        return "{column}"
    if cast := WIDENINGS.get((present, wanted)):
        return cast
    return AS_KEY_TEXT.get(present) if wanted == TEXT else None
