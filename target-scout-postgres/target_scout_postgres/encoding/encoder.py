"""From RECORD lines to rows of binary COPY, for one stream and one layout.

`generator` makes the fast way once a first record has come; `exact_row` is the exact one, for all
records that are not as usual. Both give the same bytes. Knows nothing of connections.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.binary_copy import NULL_FIELD
from target_scout_postgres.encoding.codegen import (
    COUNT,
    EXTRACTED_AT,
    FIXED,
    NULL,
    UNIX_EPOCH_MICROSECONDS,
    Generator,
    may_be_none,
)
from target_scout_postgres.encoding.column_types import DATE, JSONB, NUMERIC, TEXT, TIME, UUID
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.encoding.timestamps import EPOCH_DAY
from target_scout_postgres.errors import RefusedError, RefusedKeyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_scout_postgres.encoding.layout import Layout, Place

UNUSUAL = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')


class Marked(msgspec.Struct):
    """The property by which a source says that a row is deleted."""

    deleted_at: Raw = msgspec.field(name=DELETED_AT, default=NULL)


class UnnamedMarkError(Exception):
    """A record is marked as deleted by a property that its stream's schema does not name."""


class Encoder:
    """Turns RECORD lines of one stream into rows for one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.has_metadata = bool(layout.metadata)
        self.keeps_extraction = any(name == EXTRACTED_AT for name, _ in layout.metadata)
        self._count = COUNT(len(layout.columns))
        self._nulls = NULL_FIELD * len(layout.nulls)
        self._groups: list[list[int]] = []
        self.consume: Callable[..., int] | None = None
        self._awaits_first = self._is_plain()
        is_named = any(part.name == DELETED_AT for part in layout.overflow)
        self._has_no_mark = bool(layout.places) and layout.mark is None and not is_named

    def _learn(self, values: dict[str, Raw]) -> None:
        """Generate the fast way, now that a first record shows which columns tend to be null."""
        self._awaits_first = False
        run: list[int] = []
        for n, place in enumerate(self.layout.places):
            is_there = values.get(place.source.name, NULL) != NULL
            if place.type in FIXED and (is_there or not may_be_none(place)):
                run.append(n)
                continue
            self._groups += [run] if len(run) > 1 else []
            run = []
        self._groups += [run] if len(run) > 1 else []
        self.consume = Generator(self.layout, self._groups).function()

    def _is_plain(self) -> bool:
        """Tell whether the fast way can be generated: msgspec allows no escapes in names."""
        names = [place.source.name for place in self.layout.places]
        return not self.layout.has_overflow and not any(UNUSUAL.search(name) for name in names)

    def exact_row(self, record: Raw, extracted: Raw, suffix: bytes) -> tuple[Any, bytes]:
        """Return the key and the row of one record.

        Raises:
            RefusedError: The record does not fit; the text names the property.
            UnnamedMarkError: The layout has no column for the mark of a deleted row.
            fields.TooWideError: An integer needs a wider column; the text is the property's name.
        """
        try:
            values = msgspec.json.decode(record, type=dict[str, Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RefusedError(
                "the record is not a JSON object, or its text is not UTF-8"
            ) from None
        if self._has_no_mark and values.get(DELETED_AT, NULL) != NULL:
            raise UnnamedMarkError
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

    def is_removal(self, record: bytes) -> bool:
        """Return whether a record says that the row of its key is deleted."""
        if not self.layout.removes or DELETED_AT.encode() not in record:
            return False
        return msgspec.json.decode(record, type=Marked).deleted_at != NULL

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
            return binary_copy.EXACT[place.source.type, place.type](raw)
        except RefusedError as error:
            raise RefusedError(f"the property {place.source.name} {error}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise RefusedError(f"the property {place.source.name} is not UTF-8") from None
        except binary_copy.TooWideError:
            raise binary_copy.TooWideError(place.source.name) from None

    def _exact_key(self, found: list[tuple[str, bytes | None]]) -> Any:
        """Return the same key as the generated function does."""
        if not found:
            return None
        raws = dict(found)
        parts = [_key_part(raws[place.column] or b"", place) for place in self.layout.key_places]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _overflow(self, values: dict[str, Raw]) -> bytes:
        if not self.layout.places:
            return binary_copy.jsonb(msgspec.json.encode(values))
        rest = {p.name: values[p.name] for p in self.layout.overflow if p.name in values}
        return binary_copy.jsonb(msgspec.json.encode(rest)) if rest else NULL_FIELD


def _key_part(raw: bytes, place: Place) -> Any:
    if place.type in (NUMERIC, JSONB):
        try:
            return binary_copy.comparable(raw, place.type)
        except RefusedError as error:
            raise RefusedError(f"the property {place.source.name} {error}") from None
    field = binary_copy.EXACT[place.source.type, place.type](raw)
    if place.type == TEXT:
        return field[4:].decode()
    if place.type in (UUID, TIME):
        return field
    number = int.from_bytes(field[4:], "big", signed=True)
    return number + EPOCH_DAY if place.type == DATE else number


def _extracted(raw: Raw) -> bytes:
    if not raw or bytes(raw) == b"null":
        return NULL_FIELD
    try:
        return binary_copy.timestamptz(bytes(raw))
    except (RefusedError, msgspec.MsgspecError):
        return NULL_FIELD


def metadata_suffix(
    metadata: tuple[tuple[str, str], ...], received: float, version: int | None, started: float
) -> bytes:
    """Return the fields of the _sdc_ columns that are the same for a run of records."""
    moment = binary_copy.EIGHT(8, int(received * 1_000_000) - UNIX_EPOCH_MICROSECONDS)
    known = {
        "_sdc_received_at": moment,
        "_sdc_batched_at": moment,
        "_sdc_deleted_at": NULL_FIELD,
        "_sdc_sequence": binary_copy.EIGHT(8, int(received * 1000)),
        "_sdc_table_version": NULL_FIELD if version is None else binary_copy.EIGHT(8, version),
        "_sdc_sync_started_at": binary_copy.EIGHT(8, int(started * 1000)),
    }
    return b"".join(known[name] for name, _ in metadata if name != EXTRACTED_AT)
