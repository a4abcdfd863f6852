"""Maps types of questions to the SQL that converts their answers.

No cast can fail: a text is cast only when it has the form that the type requires, so that a bad
answer becomes null on every version of Postgres and in every locale.
"""

from __future__ import annotations

from dataclasses import dataclass

from scout_dbt.planning.tables import ValueType

DAY = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-9]))"
)
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
# Postgres has no year 0, and 29 February exists in leap years only.
REAL_DAY = (
    "(left({v}, 4) <> '0000' and (substr({v}, 6, 5) <> '02-29' or left({v}, 4)::int % 4 = 0 "
    "and (left({v}, 4)::int % 100 <> 0 or left({v}, 4)::int % 400 = 0)))"
)
NUMBER = r"[+-]?(?:[0-9]{1,200}(?:\.[0-9]{0,200})?|\.[0-9]{1,200})(?:[eE][+-]?[0-9]{1,2})?"
# Java writes doubles below 0.001 and from 10,000,000 up with an exponent: -1.97E-4, 1.2E7.
EXPONENT = r"(?:[eE][+-]?[0-9]{1,2})?"
DEGREES = rf"[+-]?[0-9]{{1,3}}(?:\.[0-9]{{0,30}})?{EXPONENT}"
GPS = rf"{DEGREES} {DEGREES}(?: [+-]?[0-9]{{1,9}}(?:\.[0-9]{{0,30}})?{EXPONENT}){{0,2}}"

# Keyboards and spreadsheets produce other blanks than the space, invisible marks, digits of other
# scripts and of full width, and minus signs that are no hyphens. All as escapes of E'' strings.
BLANKS = r"\t\r\n\u00a0\u2007\u2009\u202f\u3000"
INVISIBLE = r"\u200b\u200e\u200f\u2060\ufeff"
ZEROS = (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0AE6, 0x0E50, 0x1040, 0x17E0, 0xFF10)
SIGNS = {0x2212: "-", 0xFF0D: "-", 0xFF0B: "+", 0xFF0E: ".", 0x066B: ".", 0xFF1A: ":", 0xFF0F: "/"}
UNUSUAL = "".join(
    [
        *(rf"\u{zero + digit:04x}" for zero in ZEROS for digit in range(10)),
        *(rf"\u{sign:04x}" for sign in SIGNS),
    ]
)
USUAL = "0123456789" * len(ZEROS) + "".join(SIGNS.values())
# translate() drops the characters that have no counterpart: the invisible ones come last.
NORMALIZED = (
    f"btrim(regexp_replace(translate({{v}}, E'{UNUSUAL}{BLANKS}{INVISIBLE}', "
    f"'{USUAL}{' ' * 8}'), ' +', ' ', 'g'))"
)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How answers are read as one type: the column type, and the SQL that reads a text ``{v}``."""

    column_type: str
    sql: str | None = None
    """None: the text is kept as it is, so that nothing is unreadable."""
    is_normalized: bool = True
    """Whether an unreadable text is read again with usual digits, signs and blanks."""

    def apply(self, text: str) -> str:
        """Return the SQL that reads a text, given as SQL itself."""
        if self.sql is None:
            return text
        converted = self.sql.replace("{v}", text)
        if not self.is_normalized:
            return converted
        normalized, again = NORMALIZED.replace("{v}", text), self.sql.replace("{v}", "tidied.v")
        # Only texts with unusual characters pay for the second attempt.
        retry = f"select {again} from (select {normalized} as v offset 0) as tidied"  # noqa: S608 - from constants
        return f"coalesce({converted}, case when {text} ~ '[^ -~]|  ' then ({retry}) end)"


CONVERSIONS = {
    ValueType.TEXT: Conversion(column_type="text"),
    ValueType.JSON: Conversion(column_type="jsonb"),
    ValueType.INTEGER: Conversion(
        column_type="bigint",
        # Spreadsheets and calculations write whole numbers as 12.0 or 1.2E7, too.
        sql=r"case when {v} ~ '^[+-]?[0-9]{1,18}$' then {v}::bigint "
        f"when {{v}} ~ '^{NUMBER}$' then case when {{v}}::numeric % 1 = 0 "
        "and abs({v}::numeric) < 9223372036854775807 then {v}::numeric::bigint end end",
    ),
    ValueType.NUMBER: Conversion(
        column_type="numeric", sql=f"case when {{v}} ~ '^{NUMBER}$' then {{v}}::numeric end"
    ),
    ValueType.DATE: Conversion(
        column_type="date",
        # Spreadsheets add midnight to dates.
        sql=f"case when {{v}} ~ '^{DAY}(?:[T ]00:00(?::00(?:\\.0*)?)?{ZONE}?)?$' and {REAL_DAY} "
        "then left({v}, 10)::date end",
    ),
    ValueType.TIMESTAMP: Conversion(
        column_type="timestamptz",
        sql=f"case when {{v}} ~ '^{DAY}[T ]{CLOCK}{ZONE}?$' and {REAL_DAY} then "
        f"case when {{v}} ~ '{ZONE}$' and {{v}} !~ '^{DAY}[T ]{CLOCK}$' then {{v}}::timestamptz "
        "else {v}::timestamp at time zone 'UTC' end end",
    ),
    ValueType.TIME: Conversion(
        column_type="time",
        sql=f"case when {{v}} ~ '^{CLOCK}{ZONE}?$' then substring({{v}} from '^{CLOCK}')::time end",
    ),
    ValueType.CHOICES: Conversion(
        column_type="text[]",
        sql=rf"array_remove(regexp_split_to_array({{v}}, E'[ {BLANKS}]+'), '')",
        is_normalized=False,
    ),
    ValueType.GPS: Conversion(
        column_type="text", sql=f"case when {{v}} ~ '^{GPS}$' then {{v}} end"
    ),
}
GPS_PARTS = ("latitude", "longitude", "altitude", "accuracy")

# Types of questions as applications name them, in lower case without punctuation. Others are text.
VALUE_TYPES_BY_QUESTION = {
    "int": ValueType.INTEGER,
    "integer": ValueType.INTEGER,
    "long": ValueType.INTEGER,
    "double": ValueType.NUMBER,
    "decimal": ValueType.NUMBER,
    "date": ValueType.DATE,
    "datetime": ValueType.TIMESTAMP,
    "time": ValueType.TIME,
    "mselect": ValueType.CHOICES,
    "multiselect": ValueType.CHOICES,
    "geopoint": ValueType.GPS,
    "gps": ValueType.GPS,
}
GROUPS = frozenset({"group", "repeat", "fieldlist", "modeliteration"})


def normalized(name: str | None) -> str:
    """Return the name of a type in lower case, without punctuation."""
    return "".join(filter(str.isalnum, name or "")).lower()


def value_type_of(question_type: str | None) -> ValueType:
    """Return the type of the answers to a type of question."""
    return VALUE_TYPES_BY_QUESTION.get(normalized(question_type), ValueType.TEXT)


def gps_number(text: str, index: int) -> str:
    """Return the SQL of one number of a GPS text; ``index`` is that of GPS_PARTS."""
    return f"nullif(split_part({text}, ' ', {index + 1}), '')::double precision"
