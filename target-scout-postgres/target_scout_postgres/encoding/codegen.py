"""The fast path from RECORD lines to rows of binary COPY: generates a function for one layout.

The function encodes lines of one stream and stops at the first that needs the exact path. It
decodes with a msgspec type made for the stream; objects and arrays stay undecoded bytes.
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.binary_copy import NULL_FIELD, pack_length
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
from target_scout_postgres.errors import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_scout_postgres.encoding.layout import ColumnMapping, Layout

pack_column_count = struct.Struct("!H").pack
# The lengths of most values, packed once: a lookup is cheaper than a call per value.
LENGTHS = tuple(pack_length(size) for size in range(4096))
JSONB_LENGTHS = tuple(pack_length(size + 1) + b"\x01" for size in range(4096))
EXTRACTED_AT = "_sdc_extracted_at"
UNIX_EPOCH_MICROSECONDS = 946_684_800_000_000
NULL = Raw(b"null")
# Whatever a line raises on the fast path, the exact path decides what it means.
NEEDS_EXACT_PATH = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    struct.error,
    ValueError,
    OverflowError,
    RecursionError,
    InvalidRecordError,
)

# The Python type that msgspec decodes a property to, by column type.
DECODED_TYPES: dict[str, Any] = {
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

# Fixed-width types: struct code, width, statement that turns {v} into the number to pack.
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
CONVERTED = "converted"  # a key whose column became text or jsonb: always encoded exactly

# Types whose field is a head {f} followed by the value itself, joined without an extra copy.
TWO_PARTS = (TEXT, JSONB)

# Statements that put the field of a non-null {v} into {f}.
STATEMENTS = {
    TEXT: "{v} = {v}.encode(); n = len({v}); {f} = LENGTHS[n] if n < 4096 else LENGTH(n)",
    UUID: "{f} = UUID({v})",
    TIME: "{f} = TIME({v})",
    NUMERIC: "{f} = NUMERIC(bytes({v}))",
    WHOLE: "{f} = WHOLE(bytes({v}))",
    JSONB: "n = len({v}); {f} = JSONB_LENGTHS[n] if n < 4096 else JSONB(n)",
    CONVERTED: "{f} = EXACT{n}(bytes({v}))",
}

# A key as a Python value; two are equal exactly when Postgres finds them equal.
KEY_EXPRESSIONS = {
    TIMESTAMPTZ: "MICROSECONDS(v{n})",
    UUID: "UUID(v{n})",
    TIME: "TIME(v{n})",
    DATE: "v{n}.toordinal()",
}


def uuid_field(value: str) -> bytes:
    """Encode a UUID in its canonical form; any other form raises ValueError."""
    if len(value) != 36 or value[8:24:5] != "----":
        raise ValueError
    encoded = bytes.fromhex(value.replace("-", ""))
    if len(encoded) != 16:
        raise ValueError
    return b"\0\0\0\x10" + encoded


def time_field(value: str) -> bytes:
    """Encode a time of day; invalid text raises ValueError."""
    try:
        return binary_copy.time(msgspec.json.encode(value))
    except InvalidRecordError:
        raise ValueError from None


def numeric_field(raw: bytes) -> bytes:
    """Encode a number exactly; anything else raises ValueError."""
    try:
        return binary_copy.numeric(raw)
    except InvalidRecordError:
        raise ValueError from None


def whole_field(raw: bytes) -> bytes:
    """Encode an integer; anything else, including 1.0, raises ValueError."""
    if not raw.removeprefix(b"-").isdigit():
        raise ValueError
    return numeric_field(raw)


def jsonb_length(size: int) -> bytes:
    """Return the head of a jsonb field whose text has this size."""
    return pack_length(size + 1) + b"\x01"


# The names that the generated source refers to.
NAMES: dict[str, Any] = {
    "MICROSECONDS": microseconds,
    "DAY": EPOCH_DAY,
    "UTC": dt.UTC,
    "NAIVE": NAIVE_EPOCH,
    "SINCE": since_epoch,
    "EPOCH": EPOCH,
    "LENGTHS": LENGTHS,
    "LENGTH": pack_length,
    "JSONB_LENGTHS": JSONB_LENGTHS,
    "JSONB": jsonb_length,
    "UUID": uuid_field,
    "TIME": time_field,
    "NUMERIC": numeric_field,
    "WHOLE": whole_field,
    "NULL": NULL_FIELD,
    "NULL_JSON": NULL,
    "NEEDS_EXACT_PATH": NEEDS_EXACT_PATH,
    "INT8": binary_copy.pack_int8,
    "COMPARABLE": binary_copy.comparable,
    "join": b"".join,
    "PACKq": binary_copy.pack_int8,
    "PACKi": binary_copy.pack_int4,
    "PACKb": struct.Struct("!i?").pack,
}


def is_optional(mapping: ColumnMapping) -> bool:
    """Return whether a record may lack the property, or have null there."""
    return mapping.source.nullable or not mapping.source.required


def _is_converted(mapping: ColumnMapping) -> bool:
    return mapping.type == TEXT != mapping.source.type


def _form(mapping: ColumnMapping) -> str:
    """Return the name of the statement in STATEMENTS that encodes the field."""
    if _is_converted(mapping):
        return CONVERTED
    is_whole = (mapping.source.type, mapping.type) == (BIGINT, NUMERIC)
    return WHOLE if is_whole else mapping.type


class CodeGenerator:
    """Writes the encoding function of one layout.

    Args:
        layout: The columns.
        groups: Numbers of adjacent fixed-width mappings that are packed by one struct call.
    """

    def __init__(self, layout: Layout, groups: list[list[int]]) -> None:
        self.layout = layout
        self._groups = groups
        self._has_extracted_at = any(name == EXTRACTED_AT for name, _ in layout.metadata)

    def function(self) -> Callable[..., int]:
        """Return a function that encodes lines, and returns the number of the one it stopped at."""
        count = pack_column_count(len(self.layout.columns))
        names = NAMES | {"decode": self._decoder().decode, "COUNT": count}
        for group in self._groups:
            codes = ["i" + FIXED[self.layout.mappings[n].type][0] for n in group]
            names[f"PACK{group[0]}"] = struct.Struct("!" + "".join(codes)).pack
        for n, mapping in enumerate(self.layout.mappings):
            if _is_converted(mapping):
                types = mapping.source.type, mapping.type
                names[f"EXACT{n}"] = binary_copy.FIELD_ENCODERS[types]
        exec("\n".join(self._source()), names)  # noqa: S102 - it holds only our names
        function: Callable[..., int] = names["encode_run"]
        return function

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        members: list[Any] = []
        for n, mapping in enumerate(self.layout.mappings):
            type_ = Raw if _is_converted(mapping) else DECODED_TYPES[mapping.type]
            type_ = type_ | None if is_optional(mapping) and type_ is not Raw else type_
            name = f"f{n}"
            members.append((name, type_) if mapping.source.required else (name, type_, None))
        rename = {f"f{n}": mapping.source.name for n, mapping in enumerate(self.layout.mappings)}
        if self.layout.deletion_mark is None:
            members.append(("deleted", Raw, None))
            rename["deleted"] = DELETED_AT
        record = msgspec.defstruct("Record", members, rename=rename, kw_only=True, gc=False)
        envelope: list[Any] = [("record", record), ("version", Any, None)]
        if self._has_extracted_at:
            envelope.append(("time_extracted", dt.datetime | None, None))
        return msgspec.json.Decoder(msgspec.defstruct("Envelope", envelope, gc=False))

    def _source(self) -> list[str]:
        mappings = list(enumerate(self.layout.mappings))
        lines = [
            "def encode_run(lines, start, stop, prefix, version, rows, suffix):",
            "    at = start",
            "    try:",
            "        for at in range(start, stop):",
            "            line = lines[at]",
            "            if not line.startswith(prefix): return at",
            "            message = decode(line)",
            "            if message.version != version: return at",
            "            r = message.record",
        ]
        body = [f"v{n} = r.f{n}" for n, _ in mappings]
        for n, mapping in mappings:
            if mapping.type in (NUMERIC, JSONB) or _is_converted(mapping):
                body += self._null_check(n, mapping)
        body += self._deletion_check() + self._key_source()
        grouped = {n for group in self._groups for n in group}
        for group in self._groups:
            body += self._group_source(group)
        for n, mapping in mappings:
            if n not in grouped:
                body += self._field_source(n, mapping)
        body.append(self._store_source())
        lines += [" " * 12 + line for line in body]
        lines += ["    except NEEDS_EXACT_PATH:", "        return at", "    return stop"]
        return lines

    def _null_check(self, n: int, mapping: ColumnMapping) -> list[str]:
        """Return the line that converts null to None, or stops for the exact path."""
        is_null = f"if v{n} is not None and len(v{n}) == 4 and v{n} == NULL_JSON:"
        if mapping.source.required and not mapping.source.nullable:
            return [f"{is_null} return at"]
        return [f"{is_null} v{n} = None"]

    def _deletion_check(self) -> list[str]:
        """Return the line that stops at a record marked as deleted."""
        mark = self.layout.deletion_mark
        if mark is None:
            return ["if r.deleted is not None and r.deleted != NULL_JSON: return at"]
        n = self.layout.mappings.index(mark)
        return [f"if v{n} is not None: return at"] if self.layout.deletes_marked else []

    def _key_source(self) -> list[str]:
        """Return the line that computes the key by which a batch keeps the last record."""
        if not self.layout.key:
            return []
        numbers = {mapping.column: n for n, mapping in enumerate(self.layout.mappings)}
        values = []
        for mapping in self.layout.key_mappings:
            n = numbers[mapping.column]
            if mapping.type in (NUMERIC, JSONB):
                values.append(f"COMPARABLE(bytes(v{n}), {mapping.type!r})")
            elif _is_converted(mapping):
                values.append(f"EXACT{n}(bytes(v{n}))[4:].decode()")
            else:
                values.append(KEY_EXPRESSIONS.get(mapping.type, "v{n}").format(n=n))
        return [f"key = {values[0] if len(values) == 1 else '(' + ', '.join(values) + ')'}"]

    def _group_source(self, numbers: list[int]) -> list[str]:
        """Return lines that pack a group of columns with one call, unless one of them is null."""
        group = [(n, self.layout.mappings[n]) for n in numbers]
        prepare = [FIXED[mapping.type][2].format(v=f"v{n}") for n, mapping in group]
        arguments = ", ".join(f"{FIXED[mapping.type][1]}, v{n}" for n, mapping in group)
        together = [line for line in prepare if line]
        together.append(f"f{numbers[0]} = PACK{numbers[0]}({arguments})")
        apart = [line for n, mapping in group for line in self._field_source(n, mapping)]
        apart.append(f"f{numbers[0]} = {' + '.join(f'f{n}' for n in numbers)}")
        tests = [f"v{n} is None" for n, mapping in group if is_optional(mapping)]
        return [
            f"if {' or '.join(tests) or 'False'}:",
            *("    " + line for line in apart),
            "else:",
            *("    " + line for line in together),
        ]

    def _field_source(self, n: int, mapping: ColumnMapping) -> list[str]:
        if mapping.type in FIXED:
            code, width, prepare = FIXED[mapping.type]
            pack = f"f{n} = PACK{code.replace('?', 'b')}({width}, v{n})"
            prepare = prepare.format(v=f"v{n}")
            statement = f"{prepare}; {pack}" if prepare else pack
        else:
            statement = STATEMENTS[_form(mapping)].format(v=f"v{n}", f=f"f{n}", n=n)
        if not is_optional(mapping):
            return [statement]
        empty = f"; v{n} = b''" if _form(mapping) in TWO_PARTS else ""
        return [f"if v{n} is None: f{n} = NULL{empty}", f"else: {statement}"]

    def _store_source(self) -> str:
        parts = ["COUNT"]
        packed_before = {n for group in self._groups for n in group[1:]}
        for n, mapping in enumerate(self.layout.mappings):
            if n not in packed_before:
                parts += [f"f{n}", f"v{n}"] if _form(mapping) in TWO_PARTS else [f"f{n}"]
        if self.layout.cleared:
            parts.append(repr(NULL_FIELD * len(self.layout.cleared)))
        if self._has_extracted_at:
            parts.append(
                "NULL if message.time_extracted is None "
                "else INT8(8, MICROSECONDS(message.time_extracted))"
            )
        if self.layout.metadata:
            parts.append("suffix")
        row = f"join(({', '.join(parts)},))"
        return f"rows[key] = {row}" if self.layout.key else f"rows.append({row})"
