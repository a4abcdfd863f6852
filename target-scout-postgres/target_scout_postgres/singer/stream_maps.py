"""Stream maps and flattening by the SDK's mapper: from a Singer line to the lines that it becomes.

Lines are read as everywhere else, and what comes out goes through the same engine. What the maps
cannot be applied to is refused, never passed on.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Raw
from singer_sdk.helpers._flattening import flatten_key
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform, SameRecordTransform

from target_scout_postgres import logs
from target_scout_postgres.encoding.column_types import with_plain_types
from target_scout_postgres.errors import DataError, RefusedError, SchemaError, SettingsError
from target_scout_postgres.singer.messages import (
    Mapped,
    Message,
    Unmapped,
    activated_too_early,
    decode,
    json_of,
    missing_schema,
    stream_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

ENCODER = msgspec.json.Encoder(decimal_format="number")
DECODER = msgspec.json.Decoder(float_hook=Decimal)  # digits as written
OF_A_SCHEMA = (RecursionError, ValueError)  # deep, or two properties flattened to one name
TEXTS = ("string", ["string"], ["string", "null"], ["null", "string"])
RECORD = b'{"type":"RECORD"'
NOT_FINITE = (b"null", b"NaN", b"Infinity")
UNREADABLE = (ValueError, ArithmeticError, RecursionError)


class Source(NamedTuple):
    """A stream of the tap: its SCHEMA, its maps, and the SCHEMA line of each."""

    line: bytes
    maps: Sequence[StreamMap]
    schemas: list[bytes]
    objects: frozenset[str]  # what flattening takes apart
    texts: frozenset[str]  # what flattening writes as the text of its JSON


class Translator:
    """Applies stream maps and flattening to messages."""

    def __init__(self, mapper: PluginMapper) -> None:
        self._mapper = mapper
        options = mapper.flattening_options
        self._is_flattening = options.enabled and options.max_level > 0
        self._sources: dict[str, Source] = {}
        self._described: dict[str, bytes] = {}  # by stream of the target: the last SCHEMA line
        self._names: dict[str, str] = {}  # of streams of the target: what the tap calls them
        self._handlers = {
            "SCHEMA": self._schema,
            "RECORD": self._record,
            "BATCH": self._batch,
            "ACTIVATE_VERSION": self._activate,
        }

    @property
    def is_asked(self) -> bool:
        """Return whether there is anything to apply."""
        is_plain = self._mapper.default_mapper_type is SameRecordTransform
        return bool(self._mapper.stream_maps_dict) or not is_plain or self._is_flattening

    def parts(self, lines: Sequence[bytes], number: int) -> Iterator[Mapped | Unmapped]:
        """Yield what stands for lines, and the records that cannot be mapped.

        Records of lines that follow each other are yielded together, all else at once: what comes
        next may depend on it.
        """
        run = Mapped(number, [])
        for here, line in enumerate(lines, start=number):
            try:
                for part in self._line(line, here):
                    if here != run.number + len(run.lines) or isinstance(part, Unmapped):
                        yield run
                        run = Mapped(here, [])
                    if isinstance(part, Unmapped):
                        yield part
                        continue
                    run.lines.append(part)
                    if not part.startswith(RECORD):
                        yield run
                        run = Mapped(here + 1, [])
            except DataError:
                yield run
                raise
        yield run

    def _line(self, line: bytes, number: int) -> Iterator[bytes | Unmapped]:
        """Yield what stands for a line."""
        if not line or line.isspace():
            return
        message = decode(line, number)
        handler = self._handlers.get(message.type)
        if handler is None:
            yield line
        else:
            yield from handler(message, line, number)

    def source_of(self, stream: str) -> str:
        """Return what the tap calls a stream of the target."""
        return self._names.get(stream, stream)

    def _source(self, message: Message, number: int) -> Source:
        """Return the stream of a message.

        Raises:
            MissingSchemaError: Its SCHEMA has not come.
        """
        found = self._sources.get(stream_of(message, number))
        if found is None:
            raise missing_schema(message, number)
        return found

    # -- messages ---------------------------------------------------------------------------------

    def _schema(self, message: Message, line: bytes, number: int) -> Iterator[bytes]:
        stream = stream_of(message, number)
        known = self._sources.get(stream)
        if known is None or known.line != line:
            maps = self._registered(message, stream, number)
            schemas = [ENCODER.encode(_described(message, one)) for one in maps]
            parts = list(self._flattened(maps[0].raw_schema, [])) if maps else []
            objects = frozenset(name for name, is_object in parts if is_object)
            texts = frozenset(name for name, is_object in parts if not is_object)
            self._names |= {one.stream_alias: stream for one in maps}
            known = self._sources[stream] = Source(line, maps, schemas, objects, texts)
        for mapped, schema in zip(known.maps, known.schemas, strict=True):
            yield from self._describe(mapped.stream_alias, schema)

    def _describe(self, alias: str, schema: bytes) -> Iterator[bytes]:
        """Yield a SCHEMA unless it came last: several streams may go to one."""
        if self._described.get(alias) != schema:
            self._described[alias] = schema
            yield schema

    def _registered(self, message: Message, stream: str, number: int) -> list[StreamMap]:
        schema, key = json_of(message.schema, number), json_of(message.key_properties, number)
        if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
            raise SchemaError(
                f"The SCHEMA of stream {stream} in line {number} lacks its schema, or has "
                "properties in another shape than JSON Schema gives them."
            )
        if key is not None and not isinstance(key, list):
            raise SchemaError(
                f"The SCHEMA of stream {stream} in line {number} has a key that is no list. "
                "Correct the tap."
            )
        schema.setdefault("properties", {})  # the mapper would leave it unmapped without
        try:
            if self._is_flattening:
                schema = with_plain_types(schema)
            self._mapper.register_raw_stream_schema(stream, copy.deepcopy(schema), key or [])
        except OF_A_SCHEMA as error:
            raise SchemaError(
                f"Stream maps or flattening cannot be applied to the SCHEMA of stream {stream} in "
                f"line {number} ({type(error).__name__}): it is nested too deeply, or two "
                "properties would get the same name. Leave the stream out, or map it otherwise."
            ) from None
        except Exception as error:  # noqa: BLE001 - expressions of stream maps raise anything
            raise SettingsError(
                f"The setting stream_maps cannot be applied to the stream {stream} "
                f"({type(error).__name__}). Correct its expressions; a property of the key can "
                "only be removed where __key_properties__ names another key."
            ) from None
        maps = self._mapper.stream_maps[stream]
        return [one for one in maps if not isinstance(one, RemoveRecordTransform)]

    def _flattened(self, schema: dict[str, Any], parents: list[str]) -> Iterator[tuple[str, bool]]:
        """Yield the names of what flattening takes apart (True) or writes as text (False)."""
        options = self._mapper.flattening_options
        if not self._is_flattening:
            return
        for name, part in schema["properties"].items():
            kinds = part.get("type") or ()
            is_object = "object" in kinds and "properties" in part
            is_object = is_object and len(parents) < options.max_level
            if is_object or not kinds or "array" in kinds or "object" in kinds:
                full = flatten_key(
                    name, parents, options.separator, max_key_length=options.max_key_length
                )
                yield full, is_object
            if is_object:
                yield from self._flattened(part, [*parents, name])

    def _batch(self, message: Message, line: bytes, number: int) -> Iterator[bytes]:
        """Yield a BATCH as it is: the lines of its records come here afterwards."""
        if self._source(message, number).maps:
            yield line

    def _activate(self, message: Message, line: bytes, number: int) -> Iterator[bytes]:
        del line
        if message.stream and message.stream not in self._sources:
            logs.warning(activated_too_early(message, number))
            return
        for mapped in self._source(message, number).maps:
            yield _encoded(message, mapped.stream_alias, {})

    def _record(self, message: Message, line: bytes, number: int) -> Iterator[bytes | Unmapped]:
        del line
        source = self._source(message, number)
        if not message.record:
            raise DataError(f"Line {number} is a RECORD without a record.")
        for mapped, schema in zip(source.maps, source.schemas, strict=True):
            alias = mapped.stream_alias
            yield from self._describe(alias, schema)
            try:
                record = _mapped(mapped, _values(message.record))
                if record is not None:
                    _fit(record, source, mapped.transformed_schema["properties"])
                    encoded = _encoded(message, alias, {"record": record})
                    _check_numbers(encoded, record)
                    yield encoded
            except RefusedError as error:
                yield Unmapped(number, alias, error)


def _encoded(message: Message, alias: str, content: dict[str, Any]) -> bytes:
    """Return the line of a message of another stream, with what it carries besides."""
    whole = {"type": message.type, "stream": alias, **content}
    rest = {"version": message.version, "time_extracted": message.time_extracted}
    try:
        return ENCODER.encode(whole | {name: raw for name, raw in rest.items() if raw})
    except Exception as error:  # noqa: BLE001 - expressions of stream maps return anything
        raise _unmappable(error) from None


def _described(message: Message, mapped: StreamMap) -> dict[str, Any]:
    found = {
        "type": "SCHEMA",
        "stream": mapped.stream_alias,
        "schema": mapped.transformed_schema,
        "key_properties": mapped.transformed_key_properties or [],
    }
    marks = message.bookmark_properties
    return found | ({"bookmark_properties": marks} if marks else {})


def _values(raw: Raw) -> dict[str, Any]:
    """Return the values of a record; each map gets a copy.

    Raises:
        RefusedError: It is no object, or cannot be read.
    """
    try:
        record = _decoded(raw)
    except UnicodeDecodeError:
        raise RefusedError("its text is not UTF-8") from None
    except UNREADABLE as error:
        raise _unmappable(error) from None
    if not isinstance(record, dict):
        raise RefusedError("the record is not a JSON object")
    return record


def _decoded(raw: Raw) -> Any:
    try:
        return DECODER.decode(raw)
    except msgspec.ValidationError:  # more digits than Python makes an integer of
        return json.loads(bytes(raw).decode(), parse_float=Decimal, parse_int=_whole)


def _whole(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


def _mapped(mapped: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a map makes of a record; None if its filter leaves it out.

    Raises:
        RefusedError: The map cannot be applied.
    """
    try:
        found = mapped.transform(record)
        if found is None and isinstance(mapped, CustomStreamMap):
            return {} if mapped.get_filter_result(record) else None  # no property is left
    except Exception as error:  # noqa: BLE001 - expressions of stream maps raise anything
        raise _unmappable(error) from None
    return found


def _fit(record: dict[str, Any], source: Source, properties: dict[str, Any]) -> None:
    """Make a flattened record fit its columns.

    Raises:
        RefusedError: It has something else where its schema has an object: no column is for that.
    """
    for name in source.objects:
        if record.get(name) is not None and name not in properties:
            raise RefusedError(f"the property {name} is not an object")
    for name in source.texts:
        value = record.get(name)
        is_text = value is None or isinstance(value, str)
        if not is_text and properties.get(name, {}).get("type") in TEXTS:
            record[name] = ENCODER.encode(value).decode()


def _unmappable(error: Exception) -> RefusedError:
    kind = type(error).__name__
    return RefusedError(f"stream maps or flattening cannot be applied to it ({kind})")


def _check_numbers(encoded: bytes, record: dict[str, Any]) -> None:
    """Refuse numbers that are not finite: the encoder writes them as null, or as no JSON.

    Only what looks like them in the line is searched for: most records hold nothing of the kind.
    """
    if any(word in encoded for word in NOT_FINITE) and not _is_finite(record):
        raise RefusedError("an expression of stream_maps gives a number that is not finite")


def _is_finite(record: dict[str, Any]) -> bool:
    waiting: list[Any] = [record]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif isinstance(value, Decimal):
            if not value.is_finite():
                return False
        elif isinstance(value, float) and not math.isfinite(value):
            return False
    return True
