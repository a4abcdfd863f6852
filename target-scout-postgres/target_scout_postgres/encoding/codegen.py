"""The fast way from RECORD lines to rows of binary COPY: a function generated for one layout.

It takes a run of lines of its stream and stops at the first that is not as usual. It decodes with a
type of msgspec's, and never builds objects and arrays as Python objects.
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.binary_copy import NULL_FIELD
from target_scout_postgres.encoding.column_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    JSONB,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMPTZ,
    UUID,
)
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.encoding.timestamps import (
    EPOCH,
    EPOCH_DAY,
    NAIVE_EPOCH,
    microseconds,
    since_epoch,
)
from target_scout_postgres.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_scout_postgres.encoding.layout import Layout, Place

COUNT = struct.Struct("!H").pack
LENGTHS = tuple(binary_copy.LENGTH(size) for size in range(4096))
JSONB_LENGTHS = tuple(binary_copy.LENGTH(size + 1) + b"\x01" for size in range(4096))
EXTRACTED_AT = "_sdc_extracted_at"
UNIX_EPOCH_MICROSECONDS = 946_684_800_000_000
NULL = Raw(b"null")
MISFIT = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    struct.error,
    ValueError,
    OverflowError,
    RecursionError,
    RefusedError,
)

# How msgspec decodes a property for a column type. What it cannot decode goes the exact way.
DECODED: dict[str, Any] = {
    TEXT: str,
    BIGINT: int,
    NUMERIC: Raw,
    BOOLEAN: bool,
    DATE: dt.date,
    TIME: str,
    TIMESTAMPTZ: dt.datetime,
    UUID: str,
    JSONB: Raw,
}

# Types of a fixed width: struct code, width, statement that makes {v} the number to pack.
FIXED = {
    BIGINT: ("q", 8, ""),
    TIMESTAMPTZ: (
        "q",
        8,
        "t = {v}.tzinfo; "
        "d = {v} - EPOCH if t is UTC else {v} - NAIVE if t is None else SINCE({v}); "
        "{v} = d.days * 86400000000 + d.seconds * 1000000 + d.microseconds",
    ),
    DATE: ("i", 4, "{v} = {v}.toordinal() - DAY"),
    BOOLEAN: ("?", 1, ""),
}

WHOLE = "whole numeric"  # an integer property in a numeric column
CONVERTED = "converted"  # a key whose column became text or jsonb: always encoded the exact way

# Types whose field is a head {f} and the value itself, which are joined without a copy between.
TWO_PARTS = (TEXT, JSONB)

# Statements that put the field of {v} into {f}, when it is not null.
OTHERS = {
    TEXT: "{v} = {v}.encode(); n = len({v}); {f} = LENGTHS[n] if n < 4096 else LENGTH(n)",
    UUID: "{f} = UUID({v})",
    TIME: "{f} = TIME({v})",
    NUMERIC: "{f} = NUMERIC(bytes({v}))",
    WHOLE: "{f} = WHOLE(bytes({v}))",
    JSONB: "n = len({v}); {f} = JSONB_LENGTHS[n] if n < 4096 else JSONB(n)",
    CONVERTED: "{f} = EXACT{n}(bytes({v}))",
}


def uuid_field(value: str) -> bytes:
    """Encode a UUID in the usual form; any other raises ValueError."""
    if len(value) != 36 or value[8:24:5] != "----":
        raise ValueError
    encoded = bytes.fromhex(value.replace("-", ""))
    if len(encoded) != 16:
        raise ValueError
    return b"\0\0\0\x10" + encoded


def time_field(value: str) -> bytes:
    """Encode a time of day."""
    try:
        return binary_copy.time(msgspec.json.encode(value))
    except RefusedError:
        raise ValueError from None


def numeric_field(raw: bytes) -> bytes:
    """Encode a number exactly; what is none raises ValueError."""
    try:
        return binary_copy.numeric(raw)
    except RefusedError:
        raise ValueError from None


def whole_field(raw: bytes) -> bytes:
    """Encode a whole number; what is none, or written as a fraction, raises ValueError."""
    if not raw.removeprefix(b"-").isdigit():
        raise ValueError
    return numeric_field(raw)


def jsonb_length(size: int) -> bytes:
    """Return what stands before a jsonb text of this size."""
    return binary_copy.LENGTH(size + 1) + b"\x01"


NAMES = {
    "MICROSECONDS": microseconds,
    "DAY": EPOCH_DAY,
    "UTC": dt.UTC,
    "NAIVE": NAIVE_EPOCH,
    "SINCE": since_epoch,
    "EPOCH": EPOCH,
    "LENGTHS": LENGTHS,
    "LENGTH": binary_copy.LENGTH,
    "JSONB_LENGTHS": JSONB_LENGTHS,
    "JSONB": jsonb_length,
    "UUID": uuid_field,
    "TIME": time_field,
    "NUMERIC": numeric_field,
    "WHOLE": whole_field,
    "NULL": NULL_FIELD,
    "NULL_JSON": NULL,
    "MISFIT": MISFIT,
    "EIGHT": binary_copy.EIGHT,
    "COMPARABLE": binary_copy.comparable,
    "join": b"".join,
}


def may_be_none(place: Place) -> bool:
    """Tell whether a record may lack a value for a place, or have null there."""
    return place.source.nullable or not place.source.required


def _is_converted(place: Place) -> bool:
    return place.type == TEXT != place.source.type


def _form(place: Place) -> str:
    """Return which of the statements above makes the field of a place."""
    if _is_converted(place):
        return CONVERTED
    return WHOLE if (place.source.type, place.type) == (BIGINT, NUMERIC) else place.type


class Generator:
    """Writes the function of one layout."""

    def __init__(self, layout: Layout, groups: list[list[int]]) -> None:
        self.layout = layout
        self._groups = groups
        self.keeps_extraction = any(name == EXTRACTED_AT for name, _ in layout.metadata)

    def function(self) -> Callable[..., int]:
        """Return the function: it takes lines and returns where it stopped."""
        source = "\n".join(self._source())
        names = NAMES | {"decode": self._decoder().decode, "COUNT": COUNT(len(self.layout.columns))}
        for group in self._groups:
            codes = ["i" + FIXED[self.layout.places[n].type][0] for n in group]
            names[f"PACK{group[0]}"] = struct.Struct("!" + "".join(codes)).pack
        for n, place in enumerate(self.layout.places):
            if _is_converted(place):
                names[f"EXACT{n}"] = binary_copy.EXACT[place.source.type, place.type]
        exec(source, names)  # noqa: S102 - holds no text of the input
        return names["consume"]  # type: ignore[return-value]  # defined by the source

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        members: list[Any] = []
        for number, place in enumerate(self.layout.places):
            kind = Raw if _is_converted(place) else DECODED[place.type]
            kind = kind | None if may_be_none(place) and kind is not Raw else kind
            name = f"f{number}"
            members.append((name, kind) if place.source.required else (name, kind, None))
        rename = {f"f{n}": place.source.name for n, place in enumerate(self.layout.places)}
        if self.layout.mark is None:
            members.append(("deleted", Raw, None))
            rename["deleted"] = DELETED_AT
        record = msgspec.defstruct("Record", members, rename=rename, kw_only=True, gc=False)
        envelope: list[Any] = [("record", record), ("version", Any, None)]
        if self.keeps_extraction:
            envelope.append(("time_extracted", dt.datetime | None, None))
        return msgspec.json.Decoder(msgspec.defstruct("Envelope", envelope, gc=False))

    def _source(self) -> list[str]:
        """Return the lines of the generated function."""
        places = list(enumerate(self.layout.places))
        lines = [
            "def consume(lines, start, stop, prefix, version, rows, suffix):",
            "    at = start",
            "    try:",
            "        for at in range(start, stop):",
            "            line = lines[at]",
            "            if not line.startswith(prefix): return at",
            "            message = decode(line)",
            "            if message.version != version: return at",
            "            r = message.record",
        ]
        body = [f"v{n} = r.f{n}" for n, _ in places]
        for n, place in places:
            if place.type in (NUMERIC, JSONB) or _is_converted(place):
                body += self._null_check(n, place)
        body += self._mark_source() + self._key_source()
        grouped = {n for group in self._groups for n in group}
        for group in self._groups:
            body += self._group_source(group)
        for n, place in places:
            if n not in grouped:
                body += self._field_source(n, place)
        body.append(self._store_source())
        lines += [" " * 12 + line for line in body]
        lines += ["    except MISFIT:", "        return at", "    return stop"]
        return lines

    def _null_check(self, n: int, place: Place) -> list[str]:
        """Return the line that makes JSON's null None, or leaves it to the exact way."""
        is_null = f"if v{n} is not None and len(v{n}) == 4 and v{n} == NULL_JSON:"
        if place.source.required and not place.source.nullable:
            return [f"{is_null} return at"]
        return [f"{is_null} v{n} = None"]

    def _mark_source(self) -> list[str]:
        """Return the line that leaves a record marked as deleted to the exact way."""
        mark = self.layout.mark
        if mark is None:
            return ["if r.deleted is not None and r.deleted != NULL_JSON: return at"]
        place = self.layout.places.index(mark)
        return [f"if v{place} is not None: return at"] if self.layout.removes else []

    def _key_source(self) -> list[str]:
        """Return the line that computes the key by which a batch keeps the last record."""
        if not self.layout.key:
            return []
        numbers = {place.column: n for n, place in enumerate(self.layout.places)}
        parts = []
        for place in self.layout.key_places:
            n = numbers[place.column]
            if place.type in (NUMERIC, JSONB):
                parts.append(f"COMPARABLE(bytes(v{n}), {place.type!r})")
            elif _is_converted(place):
                parts.append(f"EXACT{n}(bytes(v{n}))[4:].decode()")
            else:
                parts.append(KEY_PARTS.get(place.type, "v{n}").format(n=n))
        return [f"key = {parts[0] if len(parts) == 1 else '(' + ', '.join(parts) + ')'}"]

    def _group_source(self, numbers: list[int]) -> list[str]:
        """Return lines that pack the columns of a group at once, unless one is null."""
        group = [(n, self.layout.places[n]) for n in numbers]
        prepare = [FIXED[place.type][2].format(v=f"v{n}") for n, place in group]
        arguments = ", ".join(f"{FIXED[place.type][1]}, v{n}" for n, place in group)
        together = [line for line in prepare if line]
        together.append(f"f{numbers[0]} = PACK{numbers[0]}({arguments})")
        apart = [line for n, place in group for line in self._field_source(n, place)]
        apart.append(f"f{numbers[0]} = {' + '.join(f'f{n}' for n in numbers)}")
        test = " or ".join(f"v{n} is None" for n, place in group if may_be_none(place)) or "False"
        return [
            f"if {test}:",
            *("    " + line for line in apart),
            "else:",
            *("    " + line for line in together),
        ]

    def _field_source(self, n: int, place: Place) -> list[str]:
        if place.type in FIXED:
            code, width, prepare = FIXED[place.type]
            pack = f"f{n} = PACK{code.replace('?', 'b')}({width}, v{n})"
            prepare = prepare.format(v=f"v{n}")
            statement = f"{prepare}; {pack}" if prepare else pack
        else:
            statement = OTHERS[_form(place)].format(v=f"v{n}", f=f"f{n}", n=n)
        if not may_be_none(place):
            return [statement]
        empty = f"; v{n} = b''" if _form(place) in TWO_PARTS else ""
        return [f"if v{n} is None: f{n} = NULL{empty}", f"else: {statement}"]

    def _store_source(self) -> str:
        parts = ["COUNT"]
        inside = {n for group in self._groups for n in group[1:]}
        for n, place in enumerate(self.layout.places):
            if n not in inside:
                parts += [f"f{n}", f"v{n}"] if _form(place) in TWO_PARTS else [f"f{n}"]
        if self.layout.nulls:
            parts.append(repr(NULL_FIELD * len(self.layout.nulls)))
        if self.keeps_extraction:
            parts.append(
                "NULL if message.time_extracted is None "
                "else EIGHT(8, MICROSECONDS(message.time_extracted))"
            )
        if self.layout.metadata:
            parts.append("suffix")
        row = f"join(({', '.join(parts)},))"
        return f"rows[key] = {row}" if self.layout.key else f"rows.append({row})"


NAMES |= {
    "PACKq": binary_copy.EIGHT,
    "PACKi": binary_copy.FOUR,
    "PACKb": struct.Struct("!i?").pack,
}

# Keys are equal in a batch exactly when Postgres finds them equal.
KEY_PARTS = {
    TIMESTAMPTZ: "MICROSECONDS(v{n})",
    UUID: "UUID(v{n})",
    TIME: "TIME(v{n})",
    DATE: "v{n}.toordinal()",
}
