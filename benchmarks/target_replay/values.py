"""Conversion of JSON values to columns, derived from the target's README alone.

Shares no code with the target. A value in its canonical form is a text that begins with ``'`` for a
string and with ``#`` for a number (with its digits as written), a bool, a list or a dict of them.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import re
import uuid
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

TYPES = {
    "boolean": "boolean",
    "integer": "bigint",
    "number": "numeric",
    "object": "jsonb",
    "array": "jsonb",
    "string": "text",
}
FORMATS = {"date-time": "timestamptz", "date": "date", "time": "time", "uuid": "uuid"}
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
DAY = r"\s*(?P<y>\d{4})(?P<sep>[-/])(?P<m>\d\d?)(?P=sep)(?P<d>\d\d?)"
CLOCK = (
    r"(?P<H>\d\d?):?(?P<M>\d\d)(?::?(?P<S>\d\d)(?:[.,](?P<f>\d+))?)?"
    r"\s*(?:\+00:00(?=\+00:00|Z))?(?P<zone>Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?\s*"
)
DATE_TIME = re.compile(rf"{DAY}(?:[Tt\s]\s*{CLOCK})?\s*\Z")
TIME = re.compile(rf"\s*T?{CLOCK}\Z")
MOST_DIGITS = 131_072  # of numeric, before the point


class UnfitError(Exception):
    """A value does not fit its type."""


def decode(line: bytes) -> Any:
    """Return the JSON of a line, its numbers exact; NaN and Infinity are not JSON."""
    return json.loads(
        line.decode(), parse_float=Decimal, parse_int=Decimal, parse_constant=_not_json
    )


def _not_json(_: str) -> None:
    raise ValueError


def cleaned(value: Any) -> Any:
    """Return a JSON value that Postgres can store: without NUL and lone surrogates."""
    if isinstance(value, str):
        return LONE_SURROGATE.sub("\ufffd", value.replace("\0", ""))
    if isinstance(value, dict):
        return {cleaned(name): cleaned(part) for name, part in value.items()}
    return [cleaned(part) for part in value] if isinstance(value, list) else value


def canonical(value: Any) -> Any:
    """Return any JSON value in its canonical form."""
    if isinstance(value, Decimal):
        return "#" + _plain(value)
    if isinstance(value, str):
        return "'" + value
    if isinstance(value, list):
        return [canonical(part) for part in value]
    if isinstance(value, dict):
        return {name: canonical(part) for name, part in value.items()}
    return value


def _plain(number: Decimal) -> str:
    """Return the digits of a number without exponent; Postgres has no negative zero."""
    if number.adjusted() >= MOST_DIGITS:
        raise UnfitError("is a number beyond the range of numeric")
    return f"{abs(number) if number == 0 else number:f}"


def column_type(part: Any, root: dict[str, Any]) -> str:
    """Return the column type of a property's JSON schema."""
    kinds = {kind for kind in _kinds(part, root) if kind[0] != "null"}
    names = {name for name, _ in kinds}
    if names == {"integer", "number"}:
        return "numeric"
    if len(names) != 1:
        return "jsonb"
    name = names.pop()
    forms = {FORMATS.get(form or "") for _, form in kinds}
    plain = TYPES.get(name, "jsonb")
    return (forms.pop() or plain) if name == "string" and len(forms) == 1 else plain


def allows_null(part: Any, root: dict[str, Any]) -> bool:
    """Return whether a property's JSON schema allows null."""
    kinds = _kinds(part, root)
    return not kinds or ("null", None) in kinds


def _kinds(part: Any, root: dict[str, Any]) -> set[tuple[str, str | None]]:
    """Return the types of a JSON schema and of its alternatives, each with its format."""
    if not isinstance(part, dict):
        return set()
    if "$ref" in part:
        return _kinds(_referenced(part["$ref"], root), root)
    names = part.get("type")
    names = names if isinstance(names, list) else [names] if names else []
    if names:
        return {(name, part.get("format") if name == "string" else None) for name in names}
    found: set[tuple[str, str | None]] = set()
    for word in ("anyOf", "oneOf", "allOf"):
        for option in part.get(word) or []:
            found |= _kinds(option, root)
    return found


def _referenced(pointer: str, root: Any) -> Any:
    for step in pointer.removeprefix("#/").split("/"):
        root = root.get(step) if isinstance(root, dict) else None
    return root


def stored(value: Any, kind: str, column: str) -> Any:
    """Return the column's value for a property's value, both of these types.

    Raises:
        UnfitError: The value does not fit; the text tells why.
    """
    found = CONVERSIONS[kind](value)
    if column == kind or column in ("jsonb", "numeric"):
        return canonical(value) if column == "jsonb" else found
    if column == "timestamptz":
        return _midnight(found)
    return as_text(found)


def _midnight(found: str) -> str:
    return found if "T" in found else f"{found}T00:00:00+00:00"


def as_text(found: Any) -> str:
    """Return a key value whose column was widened to text."""
    if isinstance(found, bool):
        return "'true" if found else "'false"
    if not isinstance(found, str):
        return "'" + json.dumps(found, sort_keys=True, separators=(",", ":"))
    if found[0] == "'":
        return found
    whole, _, fraction = found[1:].partition(".")
    return f"'{whole}.{fraction.rstrip('0')}".rstrip(".")


# Conversions of existing values when a column is widened.
WIDENED = {
    ("bigint", "numeric"): lambda found: found,
    ("uuid", "text"): lambda found: found,
    ("date", "timestamptz"): _midnight,
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnfitError("is not a string")
    return "'" + value


def _whole(value: Any) -> str:
    if not isinstance(value, Decimal) or value != value.to_integral_value():
        raise UnfitError("is not an integer")
    return "#" + _plain(value).partition(".")[0]


def _number(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise UnfitError("is not a number")
    return "#" + _plain(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnfitError("is not a boolean")
    return value


def _uuid(value: Any) -> str:
    try:
        return f"'{uuid.UUID(value)}"
    except (ValueError, AttributeError, TypeError):
        raise UnfitError("is not a UUID") from None


def _date_time(value: Any) -> str:
    timestamp = _moment(value, "is not a date-time")
    return _trimmed(timestamp.isoformat())


def _date(value: Any) -> str:
    timestamp = _moment(value, "is not a date")
    if timestamp.time() != dt.time(0):
        raise UnfitError("is not a date")
    return f"'{timestamp.date()}"


def _time(value: Any) -> str:
    match = TIME.match(value) if isinstance(value, str) else None
    if not match:
        raise UnfitError("is not a time of day")
    passed = _passed(match)
    if match["H"] == "24" and passed == dt.timedelta(days=1):
        return "'24:00:00"
    timestamp = dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + passed
    return _trimmed(f"{timestamp.time().isoformat()}")


def _moment(value: Any, complaint: str) -> dt.datetime:
    if not isinstance(value, str):
        raise UnfitError(complaint)
    match = DATE_TIME.match(value)
    try:
        if not match:
            return email.utils.parsedate_to_datetime(value).astimezone(dt.UTC)
        day = dt.datetime(int(match["y"]), int(match["m"]), int(match["d"]), tzinfo=dt.UTC)
        return day + (_passed(match) if match["H"] else dt.timedelta())
    except (ValueError, TypeError, OverflowError):
        raise UnfitError(complaint) from None


def _passed(match: re.Match[str]) -> dt.timedelta:
    """Return the time since midnight of UTC."""
    hours, minutes, seconds = (int(match[part] or 0) for part in "HMS")
    fraction = Decimal(f"0.{(match['f'] or '0')[:9]}")
    micros = int((fraction * 1_000_000).to_integral_value(ROUND_HALF_UP))
    if hours > 24 or minutes > 59 or seconds > 60:
        raise UnfitError("is not a time of day")
    zone = (match["zone"] or "").upper()
    offset = 0
    if zone[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        ahead = int(digits[:2]) * 60 + int(digits[2:])
        if ahead >= 16 * 60:
            raise UnfitError("has an offset from UTC that no clock has")
        offset = -ahead if zone[0] == "-" else ahead
    return dt.timedelta(hours=hours, minutes=minutes - offset, seconds=seconds, microseconds=micros)


def _trimmed(text: str) -> str:
    """Format a fraction of a second as Postgres does: without trailing zeros."""
    return "'" + re.sub(r"(\.\d*?)0+(?=\+|\Z)", r"\1", text)


CONVERSIONS = {
    "text": _text,
    "bigint": _whole,
    "numeric": _number,
    "boolean": _boolean,
    "jsonb": canonical,
    "timestamptz": _date_time,
    "date": _date,
    "time": _time,
    "uuid": _uuid,
}
