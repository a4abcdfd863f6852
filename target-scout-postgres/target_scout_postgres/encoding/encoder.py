"""Encodes RECORD lines as rows of binary COPY, for one stream and one layout.

`encode_run` is the generated fast path, generated at the first record; `encode_exactly`
takes every record that the fast path leaves. Both give the same bytes. Needs no connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.binary_copy import NULL_FIELD, pack_int8
from target_scout_postgres.encoding.codegen import (
    EXTRACTED_AT,
    FIXED,
    NULL,
    UNIX_EPOCH_MICROSECONDS,
    CodeGenerator,
    is_optional,
    pack_column_count,
)
from target_scout_postgres.encoding.column_types import DATE, JSONB, NUMERIC, TEXT, TIME, UUID
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.encoding.timestamps import EPOCH_DAY
from target_scout_postgres.errors import InvalidKeyError, InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_scout_postgres.encoding.layout import ColumnMapping, Layout

NEEDS_ESCAPE = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')


class DeletionMark(msgspec.Struct):
    """The property by which a source marks a row as deleted."""

    deleted_at: Raw = msgspec.field(name=DELETED_AT, default=NULL)


class UndeclaredDeletionError(Exception):
    """A record is marked as deleted by a property that its stream's schema does not have."""


class Encoder:
    """Encodes RECORD lines of one stream as rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.encode_run: Callable[..., int] | None = None  # None before the first record
        self._has_extracted_at = any(name == EXTRACTED_AT for name, _ in layout.metadata)
        self._count = pack_column_count(len(layout.columns))
        self._cleared = NULL_FIELD * len(layout.cleared)
        self._is_fast_path_due = self._allows_fast_path()
        is_in_overflow = any(part.name == DELETED_AT for part in layout.overflow)
        self._lacks_deletion_mark = (
            bool(layout.mappings) and layout.deletion_mark is None and not is_in_overflow
        )

    def _allows_fast_path(self) -> bool:
        # msgspec matches member names byte by byte: it cannot find a name written with escapes.
        names = [mapping.source.name for mapping in self.layout.mappings]
        return not self.layout.uses_overflow and not any(map(NEEDS_ESCAPE.search, names))

    def _generate_fast_path(self, values: dict[str, Raw]) -> None:
        """Generate the fast path; the first record shows which columns tend to be null."""
        self._is_fast_path_due = False
        groups: list[list[int]] = []
        group: list[int] = []
        for n, mapping in enumerate(self.layout.mappings):
            is_present = values.get(mapping.source.name, NULL) != NULL
            if mapping.type in FIXED and (is_present or not is_optional(mapping)):
                group.append(n)
                continue
            groups += [group] if len(group) > 1 else []
            group = []
        groups += [group] if len(group) > 1 else []
        self.encode_run = CodeGenerator(self.layout, groups).function()

    def encode_exactly(self, record: Raw, extracted: Raw, suffix: bytes) -> tuple[Any, bytes]:
        """Return the key and the row of one record.

        Raises:
            InvalidRecordError: The record does not fit; the text names the property.
            UndeclaredDeletionError: The layout has no column for the deletion mark.
            BigintOverflowError: An integer needs a wider column; the text is the property's name.
        """
        try:
            values = msgspec.json.decode(record, type=dict[str, Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise InvalidRecordError(
                "the record is not a JSON object, or its text is not UTF-8"
            ) from None
        if self._lacks_deletion_mark and values.get(DELETED_AT, NULL) != NULL:
            raise UndeclaredDeletionError
        if self._is_fast_path_due:
            self._generate_fast_path(values)
        parts = [self._count]
        key = {}
        for mapping in self.layout.mappings:
            raw = self._raw_value(mapping, values)
            parts.append(self._exact_field(mapping, raw))
            if mapping.column in self.layout.key:
                key[mapping.column] = raw or b""
        parts.append(self._cleared)
        if self._has_extracted_at:
            parts.append(_extracted_field(extracted))
        parts.append(suffix)
        if self.layout.uses_overflow:
            parts.append(self._overflow_field(values))
        return self._exact_key(key), b"".join(parts)

    def is_deletion(self, record: bytes) -> bool:
        """Return whether a record marks the row with its key as deleted."""
        if not self.layout.deletes_marked or DELETED_AT.encode() not in record:
            return False
        return msgspec.json.decode(record, type=DeletionMark).deleted_at != NULL

    def _raw_value(self, mapping: ColumnMapping, values: dict[str, Raw]) -> bytes | None:
        source = mapping.source
        if source.name not in values:
            if source.required:
                raise self._missing(mapping, "missing")
            return None
        raw = bytes(values[source.name])
        if raw != b"null":
            return raw
        if source.required and not source.nullable:
            raise self._missing(mapping, "null")
        return None

    def _missing(self, mapping: ColumnMapping, how: str) -> InvalidRecordError:
        if mapping.column in self.layout.key:
            return InvalidKeyError(f"the key property {mapping.source.name} is {how}")
        return InvalidRecordError(f"the required property {mapping.source.name} is {how}")

    def _exact_field(self, mapping: ColumnMapping, raw: bytes | None) -> bytes:
        if raw is None:
            return NULL_FIELD
        try:
            return binary_copy.FIELD_ENCODERS[mapping.source.type, mapping.type](raw)
        except InvalidRecordError as error:
            raise InvalidRecordError(f"the property {mapping.source.name} {error}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise InvalidRecordError(f"the property {mapping.source.name} is not UTF-8") from None
        except binary_copy.BigintOverflowError:
            raise binary_copy.BigintOverflowError(mapping.source.name) from None

    def _exact_key(self, raws: dict[str, bytes]) -> Any:
        """Return the same key as the generated function does."""
        if not raws:
            return None
        values = [_key_value(raws[mapping.column], mapping) for mapping in self.layout.key_mappings]
        return values[0] if len(values) == 1 else tuple(values)

    def _overflow_field(self, values: dict[str, Raw]) -> bytes:
        if not self.layout.mappings:
            return binary_copy.jsonb(msgspec.json.encode(values))
        names = [each.name for each in self.layout.overflow if each.name in values]
        rest = {name: values[name] for name in names}
        return binary_copy.jsonb(msgspec.json.encode(rest)) if rest else NULL_FIELD


def _key_value(raw: bytes, mapping: ColumnMapping) -> Any:
    if mapping.type in (NUMERIC, JSONB):
        try:
            return binary_copy.comparable(raw, mapping.type)
        except InvalidRecordError as error:
            raise InvalidRecordError(f"the property {mapping.source.name} {error}") from None
    field = binary_copy.FIELD_ENCODERS[mapping.source.type, mapping.type](raw)
    if mapping.type == TEXT:
        return field[4:].decode()
    if mapping.type in (UUID, TIME):
        return field
    number = int.from_bytes(field[4:], "big", signed=True)
    return number + EPOCH_DAY if mapping.type == DATE else number


def _extracted_field(raw: Raw) -> bytes:
    if not raw or bytes(raw) == b"null":
        return NULL_FIELD
    try:
        return binary_copy.timestamptz(bytes(raw))
    except (InvalidRecordError, msgspec.MsgspecError):
        return NULL_FIELD


def metadata_fields(
    metadata: tuple[tuple[str, str], ...], received: float, version: int | None, started: float
) -> bytes:
    """Return the fields of the _sdc_ columns that are the same for many records."""
    moment = pack_int8(8, int(received * 1_000_000) - UNIX_EPOCH_MICROSECONDS)
    fields = {
        "_sdc_received_at": moment,
        "_sdc_batched_at": moment,
        "_sdc_deleted_at": NULL_FIELD,
        "_sdc_sequence": pack_int8(8, int(received * 1000)),
        "_sdc_table_version": NULL_FIELD if version is None else pack_int8(8, version),
        "_sdc_sync_started_at": pack_int8(8, int(started * 1000)),
    }
    return b"".join(fields[name] for name, _ in metadata if name != EXTRACTED_AT)
