"""From RECORD lines to rows of binary COPY: one decoder and one generated function per stream.

The generated function takes a run of lines of its stream and stops at the first that is not as
usual; `exact_row` then encodes that one the slow way, or says why it must be refused. Object and
array values stay the bytes that came. Knows nothing of connections.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from target_scout_postgres import fields
from target_scout_postgres.column_types import (
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
from target_scout_postgres.errors import RefusedError, RefusedKeyError
from target_scout_postgres.fields import NULL_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_scout_postgres.layout import Layout, Place

COUNT = struct.Struct("!H").pack
LENGTHS = tuple(fields.LENGTH(size) for size in range(4096))
JSONB_LENGTHS = tuple(fields.LENGTH(size + 1) + b"\x01" for size in range(4096))
NAIVE_EPOCH = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - a date-time without a zone is UTC
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
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
        "d = {v} - (NAIVE if {v}.tzinfo is None else EPOCH); "
        "{v} = d.days * 86400000000 + d.seconds * 1000000 + d.microseconds",
    ),
    DATE: ("i", 4, "{v} = {v}.toordinal() - DAY"),
    BOOLEAN: ("?", 1, ""),
}

WHOLE = "whole numeric"  # an integer property in a numeric column

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
}


def microseconds(moment: dt.datetime) -> int:
    """Return the microseconds from 2000-01-01 UTC; without a zone the moment is UTC."""
    passed = moment - (NAIVE_EPOCH if moment.tzinfo is None else EPOCH)
    return passed.days * 86_400_000_000 + passed.seconds * 1_000_000 + passed.microseconds


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
        return fields.time(msgspec.json.encode(value))
    except RefusedError:
        raise ValueError from None


def numeric_field(raw: bytes) -> bytes:
    """Encode a number exactly; what is none raises ValueError."""
    try:
        return fields.numeric(raw)
    except RefusedError:
        raise ValueError from None


def whole_field(raw: bytes) -> bytes:
    """Encode a whole number; what is none, or written as a fraction, raises ValueError."""
    if not raw.removeprefix(b"-").isdigit():
        raise ValueError
    return fields.numeric(raw)


def jsonb_length(size: int) -> bytes:
    """Return what stands before a jsonb text of this size."""
    return fields.LENGTH(size + 1) + b"\x01"


NAMES = {
    "MICROSECONDS": microseconds,
    "DAY": fields.EPOCH_DAY,
    "NAIVE": NAIVE_EPOCH,
    "EPOCH": EPOCH,
    "LENGTHS": LENGTHS,
    "LENGTH": fields.LENGTH,
    "JSONB_LENGTHS": JSONB_LENGTHS,
    "JSONB": jsonb_length,
    "UUID": uuid_field,
    "TIME": time_field,
    "NUMERIC": numeric_field,
    "WHOLE": whole_field,
    "NULL": NULL_FIELD,
    "NULL_JSON": NULL,
    "MISFIT": MISFIT,
    "EIGHT": fields.EIGHT,
    "COMPARABLE": fields.comparable,
    "join": b"".join,
}


class Encoder:
    """Turns RECORD lines of one stream into rows for one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.has_metadata = bool(layout.metadata)
        self.keeps_extraction = EXTRACTED_AT in layout.metadata
        self._count = COUNT(len(layout.columns))
        self._nulls = NULL_FIELD * len(layout.nulls)
        self._groups: list[list[int]] = []
        self.consume: Callable[..., int] | None = None
        self._awaits_first = self._is_plain()

    def _learn(self, values: dict[str, Raw]) -> None:
        """Generate the fast way, now that a first record shows which columns tend to be null."""
        self._awaits_first = False
        run: list[int] = []
        for n, place in enumerate(self.layout.places):
            is_there = values.get(place.source.name, NULL) != NULL
            if place.type in FIXED and (is_there or not _may_be_none(place)):
                run.append(n)
                continue
            self._groups += [run] if len(run) > 1 else []
            run = []
        self._groups += [run] if len(run) > 1 else []
        self.consume = self._generated()

    def _is_plain(self) -> bool:
        """Tell whether the fast way can be generated: msgspec allows no escapes in names."""
        names = [place.source.name for place in self.layout.places]
        return not self.layout.has_overflow and not any(UNUSUAL.search(name) for name in names)

    # -- the fast way ---------------------------------------------------------------------------

    def _generated(self) -> Callable[..., int]:
        source = "\n".join(self._source())
        names = NAMES | {"decode": self._decoder().decode, "COUNT": self._count}
        for group in self._groups:
            codes = ["i" + FIXED[self.layout.places[n].type][0] for n in group]
            names[f"PACK{group[0]}"] = struct.Struct("!" + "".join(codes)).pack
        exec(source, names)  # noqa: S102 - holds no text of the input
        return names["consume"]  # type: ignore[return-value]  # defined by the source

    def _decoder(self) -> msgspec.json.Decoder[Any]:
        members: list[Any] = []
        for number, place in enumerate(self.layout.places):
            kind = DECODED[place.type]
            kind = kind | None if _may_be_none(place) and kind is not Raw else kind
            name = f"f{number}"
            members.append((name, kind) if place.source.required else (name, kind, None))
        rename = {f"f{n}": place.source.name for n, place in enumerate(self.layout.places)}
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
            if place.type in (NUMERIC, JSONB):
                body += self._null_check(n, place)
        body += self._key_source()
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
        test = " or ".join(f"v{n} is None" for n, place in group if _may_be_none(place)) or "False"
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
            is_whole = (place.source.type, place.type) == (BIGINT, NUMERIC)
            form = OTHERS[WHOLE if is_whole else place.type]
            statement = form.format(v=f"v{n}", f=f"f{n}")
        if not _may_be_none(place):
            return [statement]
        empty = f"; v{n} = b''" if place.type in TWO_PARTS else ""
        return [f"if v{n} is None: f{n} = NULL{empty}", f"else: {statement}"]

    def _store_source(self) -> str:
        parts = ["COUNT"]
        inside = {n for group in self._groups for n in group[1:]}
        for n, place in enumerate(self.layout.places):
            if n not in inside:
                parts += [f"f{n}", f"v{n}"] if place.type in TWO_PARTS else [f"f{n}"]
        if self.layout.nulls:
            parts.append(repr(self._nulls))
        if self.keeps_extraction:
            parts.append(
                "NULL if message.time_extracted is None "
                "else EIGHT(8, MICROSECONDS(message.time_extracted))"
            )
        if self.has_metadata:
            parts.append("suffix")
        row = f"join(({', '.join(parts)},))"
        return f"rows[key] = {row}" if self.layout.key else f"rows.append({row})"

    # -- the exact way --------------------------------------------------------------------------

    def exact_row(self, record: Raw, extracted: Raw, suffix: bytes) -> tuple[Any, bytes]:
        """Return the key and the row of one record.

        Raises:
            RefusedError: The record does not fit; the text names the property.
            fields.TooWideError: An integer needs a wider column; the text is the property's name.
        """
        try:
            values = msgspec.json.decode(record, type=dict[str, Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RefusedError(
                "the record is not a JSON object, or its text is not UTF-8"
            ) from None
        if self._awaits_first:
            self._learn(values)
        parts = [self._count]
        key = []
        for place in self.layout.places:
            raw = self._value(place, values)
            parts.append(self._exact_field(place, raw))
            if place.column in self.layout.key:
                key.append((place.column, raw))
        parts.append(self._nulls)
        if self.keeps_extraction:
            parts.append(_extracted(extracted))
        parts.append(suffix)
        if self.layout.has_overflow:
            parts.append(self._overflow(values))
        return self._exact_key(key), b"".join(parts)

    def _value(self, place: Place, values: dict[str, Raw]) -> bytes | None:
        source = place.source
        if source.name not in values:
            if source.required:
                raise self._lack(place, "missing")
            return None
        raw = bytes(values[source.name])
        if raw != b"null":
            return raw
        if source.required and not source.nullable:
            raise self._lack(place, "null")
        return None

    def _lack(self, place: Place, how: str) -> RefusedError:
        if place.column in self.layout.key:
            return RefusedKeyError(f"the key property {place.source.name} is {how}")
        return RefusedError(f"the required property {place.source.name} is {how}")

    def _exact_field(self, place: Place, raw: bytes | None) -> bytes:
        if raw is None:
            return NULL_FIELD
        try:
            return fields.EXACT[place.source.type, place.type](raw)
        except RefusedError as error:
            raise RefusedError(f"the property {place.source.name} {error}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RefusedError(f"the property {place.source.name} is not UTF-8") from None
        except fields.TooWideError:
            raise fields.TooWideError(place.source.name) from None

    def _exact_key(self, found: list[tuple[str, bytes | None]]) -> Any:
        """Return the same key as the generated function does."""
        if not found:
            return None
        raws = dict(found)
        parts = [_key_part(raws[place.column] or b"", place) for place in self.layout.key_places]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _overflow(self, values: dict[str, Raw]) -> bytes:
        if not self.layout.places:
            return fields.jsonb(msgspec.json.encode(values))
        rest = {p.name: values[p.name] for p in self.layout.overflow if p.name in values}
        return fields.jsonb(msgspec.json.encode(rest)) if rest else NULL_FIELD


UNUSUAL = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
NAMES |= {
    "PACKq": fields.EIGHT,
    "PACKi": fields.FOUR,
    "PACKb": struct.Struct("!i?").pack,
}

# Keys are equal in a batch exactly when Postgres finds them equal.
KEY_PARTS = {
    TIMESTAMPTZ: "MICROSECONDS(v{n})",
    UUID: "UUID(v{n})",
    TIME: "TIME(v{n})",
    DATE: "v{n}.toordinal()",
}


def _may_be_none(place: Place) -> bool:
    return place.source.nullable or not place.source.required


def _key_part(raw: bytes, place: Place) -> Any:
    if place.type in (NUMERIC, JSONB):
        return fields.comparable(raw, place.type)
    field = fields.EXACT[place.source.type, place.type](raw)
    if place.type == TEXT:
        return field[4:].decode()
    if place.type in (UUID, TIME):
        return field
    number = int.from_bytes(field[4:], "big", signed=True)
    return number + fields.EPOCH_DAY if place.type == DATE else number


def _extracted(raw: Raw) -> bytes:
    if not raw or bytes(raw) == b"null":
        return NULL_FIELD
    try:
        return fields.timestamptz(bytes(raw))
    except (RefusedError, msgspec.MsgspecError):
        return NULL_FIELD


def metadata_suffix(
    names: tuple[str, ...], received: float, version: int | None, started: float
) -> bytes:
    """Return the fields of the _sdc_ columns that are the same for a run of records."""
    moment = fields.EIGHT(8, int(received * 1_000_000) - UNIX_EPOCH_MICROSECONDS)
    known = {
        "_sdc_received_at": moment,
        "_sdc_batched_at": moment,
        "_sdc_deleted_at": NULL_FIELD,
        "_sdc_sequence": fields.EIGHT(8, int(received * 1000)),
        "_sdc_table_version": NULL_FIELD if version is None else fields.EIGHT(8, version),
        "_sdc_sync_started_at": fields.EIGHT(8, int(started * 1000)),
    }
    return b"".join(known[name] for name in names if name != EXTRACTED_AT)
