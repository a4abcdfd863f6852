"""Types of answers: from what an application calls a question to SQL that reads its text.

No cast can fail: a text is cast only when it has the form that the type asks for, so that a bad
answer becomes null on every version of Postgres and in every locale. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

DAY = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-9]))"
)
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
# A year 0 is none, and 29 February is not a day of every year.
REAL_DAY = (
    "(left({v}, 4) <> '0000' and (substr({v}, 6, 5) <> '02-29' or left({v}, 4)::int % 4 = 0 "
    "and (left({v}, 4)::int % 100 <> 0 or left({v}, 4)::int % 400 = 0)))"
)
NUMBER = r"[+-]?(?:[0-9]{1,200}(?:\.[0-9]{0,200})?|\.[0-9]{1,200})(?:[eE][+-]?[0-9]{1,2})?"
# Java writes a double below 0.001 or from 10,000,000 on with an exponent: -1.97E-4, 1.2E7.
EXPONENT = r"(?:[eE][+-]?[0-9]{1,2})?"
DEGREES = rf"[+-]?[0-9]{{1,3}}(?:\.[0-9]{{0,30}})?{EXPONENT}"
PLACE = rf"{DEGREES} {DEGREES}(?: [+-]?[0-9]{{1,9}}(?:\.[0-9]{{0,30}})?{EXPONENT}){{0,2}}"

# Keyboards and spreadsheets write blanks that are no space, marks that are not seen, digits of
# other scripts and wide ones, and a minus sign that is no hyphen. Escapes of Postgres' E'' texts.
BLANKS = r"\t\r\n\u00a0\u2007\u2009\u202f\u3000"
MARKS = r"\u200b\u200e\u200f\u2060\ufeff"
SCRIPTS = (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0AE6, 0x0E50, 0x1040, 0x17E0, 0xFF10)
SIGNS = {0x2212: "-", 0xFF0D: "-", 0xFF0B: "+", 0xFF0E: ".", 0x066B: ".", 0xFF1A: ":", 0xFF0F: "/"}
DIGITS = "".join(rf"\u{zero + digit:04x}" for zero in SCRIPTS for digit in range(10))
ODD = DIGITS + "".join(rf"\u{sign:04x}" for sign in SIGNS)
PLAIN = "0123456789" * len(SCRIPTS) + "".join(SIGNS.values())
TIDY = (
    f"btrim(regexp_replace(translate({{v}}, E'{ODD}{BLANKS}{MARKS}', '{PLAIN}{' ' * 8}'), "
    "' +', ' ', 'g'))"
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One type of answers: its column type, and the SQL that reads a text ``{v}``."""

    column_type: str
    sql: str | None = None
    """None: the text itself, of which nothing is unreadable."""
    is_tidied: bool = True
    """Whether what cannot be read is read once more with plain digits and blanks."""

    def read(self, value: str) -> str:
        """Return the SQL that reads a value."""
        if self.sql is None:
            return value
        read = self.sql.replace("{v}", value)
        if not self.is_tidied:
            return read
        tidy, again = TIDY.replace("{v}", value), self.sql.replace("{v}", "tidied.v")
        once_more = f"select {again} from (select {tidy} as v offset 0) as tidied"  # noqa: S608 - from constants
        return f"coalesce({read}, case when {value} ~ '[^ -~]|  ' then ({once_more}) end)"


ANSWERS = {
    "text": Answer(column_type="text"),
    "json": Answer(column_type="jsonb"),
    "integer": Answer(
        column_type="bigint",
        # Spreadsheets and calculations write whole numbers as 12.0 or 1.2E7, too.
        sql=r"case when {v} ~ '^[+-]?[0-9]{1,18}$' then {v}::bigint "
        f"when {{v}} ~ '^{NUMBER}$' then case when {{v}}::numeric % 1 = 0 "
        "and abs({v}::numeric) < 9223372036854775807 then {v}::numeric::bigint end end",
    ),
    "number": Answer(
        column_type="numeric", sql=f"case when {{v}} ~ '^{NUMBER}$' then {{v}}::numeric end"
    ),
    "date": Answer(
        column_type="date",
        # A date that went through a spreadsheet comes back with midnight.
        sql=f"case when {{v}} ~ '^{DAY}(?:[T ]00:00(?::00(?:\\.0*)?)?{ZONE}?)?$' and {REAL_DAY} "
        "then left({v}, 10)::date end",
    ),
    "moment": Answer(
        column_type="timestamptz",
        sql=f"case when {{v}} ~ '^{DAY}[T ]{CLOCK}{ZONE}?$' and {REAL_DAY} then "
        f"case when {{v}} ~ '{ZONE}$' and {{v}} !~ '^{DAY}[T ]{CLOCK}$' then {{v}}::timestamptz "
        "else {v}::timestamp at time zone 'UTC' end end",
    ),
    "time": Answer(
        column_type="time",
        sql=f"case when {{v}} ~ '^{CLOCK}{ZONE}?$' then substring({{v}} from '^{CLOCK}')::time end",
    ),
    "choices": Answer(
        column_type="text[]",
        sql=rf"array_remove(regexp_split_to_array({{v}}, E'[ {BLANKS}]+'), '')",
        is_tidied=False,
    ),
    "place": Answer(column_type="text", sql=f"case when {{v}} ~ '^{PLACE}$' then {{v}} end"),
}
PLACE_PARTS = ("latitude", "longitude", "altitude", "accuracy")

# What applications call types of questions, without signs and in lower case; the rest is text.
BY_QUESTION = {
    "int": "integer",
    "integer": "integer",
    "long": "integer",
    "double": "number",
    "decimal": "number",
    "date": "date",
    "datetime": "moment",
    "time": "time",
    "mselect": "choices",
    "multiselect": "choices",
    "geopoint": "place",
    "gps": "place",
}
GROUPS = frozenset({"group", "repeat", "fieldlist", "modeliteration"})


def bare(name: str | None) -> str:
    """Return a type's name without signs and in lower case."""
    return "".join(filter(str.isalnum, name or "")).lower()


def of_question(name: str | None) -> str:
    """Return the type of the answers to a type of question."""
    return BY_QUESTION.get(bare(name), "text")


def part_of_place(value: str, number: int) -> str:
    """Return the SQL of one number of a place that has been read."""
    return f"nullif(split_part({value}, ' ', {number + 1}), '')::double precision"
