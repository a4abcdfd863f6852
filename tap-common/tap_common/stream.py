"""A Singer stream as the SDK expects it, whose records come page by page from a sync task.

The SDK provides catalog, selection, schema messages and stream maps. Records bypass its loop,
unless a stream map, flattening or the selection of a nested property requires it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

import msgspec
from singer_sdk import Stream, Tap
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Metadata
from typing_extensions import override

from tap_common.columns import Column
from tap_common.errors import ApiError
from tap_common.messages import ENCODER, AnyRecord, Record, RecordEncoder, as_dict
from tap_common.nul import without_nul
from tap_common.timestamps import to_rfc3339

if TYPE_CHECKING:
    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog


# What evaluating a stream map may raise, in addition to the SDK's own error.
STREAM_MAP_ERRORS = (
    MapExpressionError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


S = TypeVar("S", bound="ApiStream")


class StreamOwner(Protocol):
    """What a stream requires of its tap."""

    @property
    def domains(self) -> Sequence[str]:
        """The domains that the streams are partitioned by."""

    def sample(self, stream: ApiStream, limit: int) -> Iterator[AnyRecord]:
        """Yield a few records of a stream."""


class ApiStream(Stream):
    """A stream of an API; subclasses only declare its name, key and columns."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    key: ClassVar[tuple[str, ...]] = ()
    """The key within one domain."""

    columns: ClassVar[Mapping[str, Column]] = {}
    """The properties of the records, in their order."""

    def __init__(self, tap: Tap) -> None:
        properties = {name: column.schema for name, column in self.columns.items()}
        super().__init__(tap, schema={"type": "object", "properties": properties})
        self._owner = cast("StreamOwner", tap)
        self.domain_is_key = len(self._owner.domains) > 1
        self.primary_keys = self._with_domain(self.key)
        self._emitted: frozenset[str] | None = None
        self._encoder: RecordEncoder | None = None
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
        """Apply the catalog; the key is always emitted, with the domain if there are several."""
        super().apply_catalog(catalog)
        self.primary_keys = self._with_domain(self.primary_keys or self.key)
        for name in self.primary_keys:
            if metadata := self.metadata.get(("properties", name)):
                metadata.inclusion = Metadata.InclusionType.AUTOMATIC

    @override
    def get_records(self, context: types.Context | None) -> Iterable[types.Record]:
        """Yield records for the SDK's loop, which only its test suite uses."""
        for record in self._owner.sample(self, self.ABORT_AT_RECORD_COUNT or 1):
            yield to_plain(record)

    @property
    def is_full_table(self) -> bool:
        """Whether the catalog or the settings request all records in each run."""
        return self.replication_method == "FULL_TABLE" or self.config.get("deletions") == "sweep"

    def begin(self, version: int | None) -> None:
        """Write the schema, and choose how records are encoded under this version."""
        self._stream_version = version
        self._write_schema_message()
        stream_map = self.stream_maps[0]
        is_plain = (
            len(self.stream_maps) == 1
            and type(stream_map) is SameRecordTransform
            and not stream_map.flattening_enabled
            and stream_map.stream_alias == self.name
            and not self._deselects_nested
        )
        emitted = frozenset(stream_map.transformed_schema.get("properties", ()))
        self._emitted = emitted if emitted != frozenset(self.columns) else None
        self._encoder = RecordEncoder(self.name, self._emitted, version) if is_plain else None

    def needs(self, column: str) -> bool:
        """Return whether a column is emitted, or may be read by a stream map."""
        return self._encoder is None or self._emitted is None or column in self._emitted

    def lines(self, records: Iterable[AnyRecord]) -> Iterator[bytes | bytearray]:
        """Yield the RECORD messages of records, many lines at a time."""
        for piece in self._encoded(records):
            yield without_nul(piece, self.name, self.primary_keys) if self._strips_nul else piece

    def _encoded(self, records: Iterable[AnyRecord]) -> Iterator[bytes | bytearray]:
        if self._encoder is not None:
            yield from self._encoder.encode(records)
            return
        try:
            for record in records:
                for message in self._generate_record_messages(to_plain(record)):
                    yield ENCODER.encode(message.to_dict()) + b"\n"
        except STREAM_MAP_ERRORS:
            raise ApiError(
                f"An expression of stream_maps for {self.name} cannot be evaluated.",
                "Check its names and functions, and that it handles null.",
            ) from None

    def activate(self) -> None:
        """Write that all records of the version have been emitted."""
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    @property
    def _deselects_nested(self) -> bool:
        return any(len(path) > 2 and not selected for path, selected in self.mask.items())

    def _with_domain(self, keys: Sequence[str]) -> tuple[str, ...]:
        if self.domain_is_key and "domain" not in keys:
            return ("domain", *keys)
        return tuple(keys)


def declared_in(package: ModuleType, base: type[S]) -> tuple[type[S], ...]:
    """Return the streams that the modules of a package declare: all stream classes with a name.

    New streams are found without being registered anywhere.
    """
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
    ]
    return tuple(
        found
        for module in modules
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, base)
        and found.__module__ == module.__name__
        and "name" in vars(found)
    )


def to_plain(record: AnyRecord) -> Record:
    """Return a record whose values are plain Python objects, as the SDK expects them."""
    return {name: _to_plain(value) for name, value in as_dict(record).items()}


def _to_plain(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, datetime):
        return to_rfc3339(value)
    return value.isoformat() if isinstance(value, date) else value
