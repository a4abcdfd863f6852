"""Stream maps and flattening by the SDK's mapper: from a Singer line to the lines that replace it.

Lines are decoded as everywhere else, and the mapped ones go through the same engine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.helpers._flattening import flatten_key
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform

from target_scout_postgres import logs
from target_scout_postgres.errors import DataError, InvalidRecordError, SchemaError, SettingsError
from target_scout_postgres.singer.json_schema import with_plain_types
from target_scout_postgres.singer.mapped_records import (
    ENCODER,
    check_numbers,
    decode_record,
    encode_message,
    fit_flattened,
    transform,
)
from target_scout_postgres.singer.messages import (
    MappedLines,
    Message,
    UnmappedRecord,
    activated_before_schema,
    decode,
    decode_part,
    missing_schema,
    stream_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

# The mapper raises these for schemas nested too deeply and for properties that get one name.
SCHEMA_ERRORS = (RecursionError, ValueError)
RECORD = b'{"type":"RECORD"'


class TapStream(NamedTuple):
    """A stream of the tap: its SCHEMA line, its maps, and the mapped SCHEMA line of each."""

    schema_line: bytes
    maps: Sequence[StreamMap]
    mapped_schemas: list[bytes]
    objects: frozenset[str]  # properties that flattening takes apart
    texts: frozenset[str]  # properties that flattening writes as JSON text


class StreamMapper:
    """Applies stream maps and flattening to messages."""

    def __init__(self, mapper: PluginMapper) -> None:
        self._mapper = mapper
        options = mapper.flattening_options
        self._is_flattening = options.enabled and options.max_level > 0
        self._tap_streams: dict[str, TapStream] = {}
        self._last_schemas: dict[str, bytes] = {}  # by mapped stream: the last SCHEMA line
        self._tap_names: dict[str, str] = {}  # by mapped stream
        self._handlers = {
            "SCHEMA": self._schema,
            "RECORD": self._record,
            "BATCH": self._batch,
            "ACTIVATE_VERSION": self._activate_version,
        }

    @property
    def is_active(self) -> bool:
        """Return whether there is anything to apply."""
        is_plain = self._mapper.default_mapper_type is SameRecordTransform
        return bool(self._mapper.stream_maps_dict) or not is_plain or self._is_flattening

    def map_lines(
        self, lines: Sequence[bytes], number: int
    ) -> Iterator[MappedLines | UnmappedRecord]:
        """Yield the lines to load instead, and the records that could not be mapped.

        Records of adjacent lines are yielded together. Everything else is yielded at once, because
        what follows may depend on it.
        """
        run = MappedLines(number, [])
        for here, line in enumerate(lines, start=number):
            try:
                for mapped in self._map_line(line, here):
                    if here != run.number + len(run.lines) or isinstance(mapped, UnmappedRecord):
                        yield run
                        run = MappedLines(here, [])
                    if isinstance(mapped, UnmappedRecord):
                        yield mapped
                        continue
                    run.lines.append(mapped)
                    if not mapped.startswith(RECORD):
                        yield run
                        run = MappedLines(here + 1, [])
            except DataError:
                yield run
                raise
        yield run

    def tap_stream(self, stream: str) -> str:
        """Return the tap's name of a mapped stream."""
        return self._tap_names.get(stream, stream)

    def _map_line(self, line: bytes, number: int) -> Iterator[bytes | UnmappedRecord]:
        if not line or line.isspace():
            return
        message = decode(line, number)
        handler = self._handlers.get(message.type)
        if handler is None:
            yield line
        else:
            yield from handler(message, line, number)

    def _tap_stream_of(self, message: Message, number: int) -> TapStream:
        """Return the stream of a message.

        Raises:
            MissingSchemaError: Its SCHEMA has not come.
        """
        stream = self._tap_streams.get(stream_of(message, number))
        if stream is None:
            raise missing_schema(message, number)
        return stream

    def _schema(self, message: Message, line: bytes, number: int) -> Iterator[bytes]:
        name = stream_of(message, number)
        stream = self._tap_streams.get(name)
        if stream is None or stream.schema_line != line:
            stream = self._tap_streams[name] = self._described(message, name, line, number)
        for each, schema in zip(stream.maps, stream.mapped_schemas, strict=True):
            yield from self._announce(each.stream_alias, schema)

    def _described(self, message: Message, name: str, line: bytes, number: int) -> TapStream:
        maps = self._registered_maps(message, name, number)
        self._tap_names |= {each.stream_alias: name for each in maps}
        flattened = list(self._flattened(maps[0].raw_schema, [])) if maps else []
        return TapStream(
            line,
            maps,
            [ENCODER.encode(_mapped_schema(message, each)) for each in maps],
            objects=frozenset(property_ for property_, is_object in flattened if is_object),
            texts=frozenset(property_ for property_, is_object in flattened if not is_object),
        )

    def _announce(self, alias: str, schema: bytes) -> Iterator[bytes]:
        """Yield a SCHEMA unless it came last: several streams may be mapped to one."""
        if self._last_schemas.get(alias) != schema:
            self._last_schemas[alias] = schema
            yield schema

    def _registered_maps(self, message: Message, name: str, number: int) -> list[StreamMap]:
        schema = decode_part(message.schema, number)
        key = decode_part(message.key_properties, number)
        if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
            raise SchemaError(
                f"The SCHEMA of stream {name} in line {number} lacks its schema, or has properties "
                "that are not an object."
            )
        if key is not None and not isinstance(key, list):
            raise SchemaError(
                f"The SCHEMA of stream {name} in line {number} has key_properties that are not a "
                "list. Correct the tap."
            )
        schema.setdefault("properties", {})  # without it the mapper would skip the stream
        try:
            if self._is_flattening:
                schema = with_plain_types(schema)
            self._mapper.register_raw_stream_schema(name, copy.deepcopy(schema), key or [])
        except SCHEMA_ERRORS as error:
            raise SchemaError(
                f"Stream maps or flattening cannot be applied to the SCHEMA of stream {name} in "
                f"line {number} ({type(error).__name__}): it is nested too deeply, or two "
                "properties would get the same name. Deselect the stream, or change its map."
            ) from None
        except Exception as error:  # noqa: BLE001 - expressions of stream maps raise anything
            raise SettingsError(
                f"The setting stream_maps cannot be applied to the stream {name} "
                f"({type(error).__name__}). Correct its expressions; a property of the key can "
                "only be removed where __key_properties__ names another key."
            ) from None
        maps = self._mapper.stream_maps[name]
        return [each for each in maps if not isinstance(each, RemoveRecordTransform)]

    def _flattened(self, schema: dict[str, Any], parents: list[str]) -> Iterator[tuple[str, bool]]:
        """Yield the properties that flattening takes apart (True) or writes as text (False)."""
        options = self._mapper.flattening_options
        if not self._is_flattening:
            return
        for name, member in schema["properties"].items():
            types = member.get("type") or ()
            is_object = "object" in types and "properties" in member
            is_object = is_object and len(parents) < options.max_level
            if is_object or not types or "array" in types or "object" in types:
                full_name = flatten_key(
                    name, parents, options.separator, max_key_length=options.max_key_length
                )
                yield full_name, is_object
            if is_object:
                yield from self._flattened(member, [*parents, name])

    def _batch(self, message: Message, line: bytes, number: int) -> Iterator[bytes]:
        """Yield a BATCH unchanged: the engine sends the lines of its records here later."""
        if self._tap_stream_of(message, number).maps:
            yield line

    def _activate_version(self, message: Message, line: bytes, number: int) -> Iterator[bytes]:
        del line
        if message.stream and message.stream not in self._tap_streams:
            logs.warning(activated_before_schema(message, number))
            return
        for each in self._tap_stream_of(message, number).maps:
            yield encode_message(message, each.stream_alias, {})

    def _record(
        self, message: Message, line: bytes, number: int
    ) -> Iterator[bytes | UnmappedRecord]:
        del line
        stream = self._tap_stream_of(message, number)
        if not message.record:
            raise DataError(f"Line {number} is a RECORD without a record.")
        for each, schema in zip(stream.maps, stream.mapped_schemas, strict=True):
            yield from self._announce(each.stream_alias, schema)
            try:
                # Decoded again for each map: expressions may change the record.
                record = transform(each, decode_record(message.record))
                if record is not None:
                    properties = each.transformed_schema["properties"]
                    fit_flattened(record, stream.objects, stream.texts, properties)
                    encoded = encode_message(message, each.stream_alias, {"record": record})
                    check_numbers(encoded, record)
                    yield encoded
            except InvalidRecordError as error:
                yield UnmappedRecord(number, each.stream_alias, error)


def _mapped_schema(message: Message, stream_map: StreamMap) -> dict[str, Any]:
    schema = {
        "type": "SCHEMA",
        "stream": stream_map.stream_alias,
        "schema": stream_map.transformed_schema,
        "key_properties": stream_map.transformed_key_properties or [],
    }
    bookmarks = message.bookmark_properties
    return schema | ({"bookmark_properties": bookmarks} if bookmarks else {})
