"""A Singer stream as the SDK knows it, whose records come page by page from a reading.

The SDK gives catalog, selection, schema messages and stream maps. Records take the fast way unless
a map, flattening, or the selection of a nested property needs the SDK's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import Stream
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Metadata
from typing_extensions import override

from tap_common.errors import ApiError
from tap_common.messages import ENCODER, AnyRecord, Record, RecordEncoder, as_dict
from tap_common.nul import without_nul
from tap_common.timestamps import spell

if TYPE_CHECKING:
    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog

    from tap_common.tap import ApiTap


# What evaluating a stream map may raise, beside the SDK's own word for it.
STREAM_MAP_ERRORS = (
    MapExpressionError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class ApiStream(Stream):
    """A stream of an API; a subclass is a fact sheet."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    key: ClassVar[tuple[str, ...]] = ()
    """The key within one domain."""

    columns: ClassVar[dict[str, dict[str, Any]]] = {}
    """JSON schema of each property, in the order in which records hold them."""

    _tap: ApiTap

    def __init__(self, tap: ApiTap) -> None:
        super().__init__(tap, schema={"type": "object", "properties": self.columns})
        self.domain_is_key = len(tap.domains) > 1
        self.primary_keys = self._with_domain(self.key)
        self._wanted: frozenset[str] | None = None
        self._lines: RecordEncoder | None = None
        self._strips_nul = bool(self.config.get("strip_nul"))

    @property
    @override
    def is_sorted(self) -> bool:
        return True

    @property
    @override
    def check_sorted(self) -> bool:
        return False

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take over the catalog; but the key goes out anyway, with the domain of several."""
        super().apply_catalog(catalog)
        self.primary_keys = self._with_domain(self.primary_keys or self.key)
        for name in self.primary_keys:
            if held := self.metadata.get(("properties", name)):
                held.inclusion = Metadata.InclusionType.AUTOMATIC

    @override
    def get_records(self, context: types.Context | None) -> Iterable[types.Record]:
        """Yield records for the SDK's own loop, which only its tests use."""
        for record in self._tap.sample(self, self.ABORT_AT_RECORD_COUNT or 1):
            yield to_plain(record)

    @property
    def is_full_table(self) -> bool:
        """Tell whether the catalog or the settings ask for all records in each run."""
        return self.replication_method == "FULL_TABLE" or self.config.get("deletions") == "sweep"

    def begin(self, version: int | None) -> None:
        """Write the schema, and the version under which the records follow."""
        self._stream_version = version
        self._write_schema_message()
        stream_map = self.stream_maps[0]
        is_plain = (
            len(self.stream_maps) == 1
            and type(stream_map) is SameRecordTransform
            and not stream_map.flattening_enabled
            and stream_map.stream_alias == self.name
            and not self._selects_inside
        )
        kept = frozenset(stream_map.transformed_schema.get("properties", ()))
        self._wanted = kept if kept != frozenset(self.columns) else None
        self._lines = RecordEncoder(self.name, self._wanted, version) if is_plain else None

    def wants(self, column: str) -> bool:
        """Tell whether a column goes out, or a map may look at it."""
        return self._lines is None or self._wanted is None or column in self._wanted

    def lines(self, records: Iterable[AnyRecord]) -> Iterator[bytes | bytearray]:
        """Return the lines of records, in pieces."""
        for piece in self._written(records):
            yield without_nul(piece, self.name, self.primary_keys) if self._strips_nul else piece

    def _written(self, records: Iterable[AnyRecord]) -> Iterator[bytes | bytearray]:
        if self._lines is not None:
            yield from self._lines.of(records)
            return
        try:
            for record in records:
                for message in self._generate_record_messages(to_plain(record)):
                    yield ENCODER.encode(message.to_dict()) + b"\n"
        except STREAM_MAP_ERRORS:
            raise ApiError(
                f"An expression of stream_maps for {self.name} cannot be evaluated.",
                "Check its names and functions, and that it allows for what is null.",
            ) from None

    def activate(self) -> None:
        """Say that all records of the version have been written."""
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    @property
    def _selects_inside(self) -> bool:
        return any(len(where) > 2 and not chosen for where, chosen in self.mask.items())

    def _with_domain(self, keys: Sequence[str]) -> tuple[str, ...]:
        if self.domain_is_key and "domain" not in keys:
            return ("domain", *keys)
        return tuple(keys)


def to_plain(record: AnyRecord) -> Record:
    """Return a record whose columns are Python objects as the SDK knows them."""
    return {name: _to_plain(value) for name, value in as_dict(record).items()}


def _to_plain(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, datetime):
        return spell(value)
    return value.isoformat() if isinstance(value, date) else value
