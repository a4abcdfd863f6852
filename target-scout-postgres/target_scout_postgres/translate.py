"""The slow lane: stream maps and flattening by the SDK's mapper, from Singer lines to Singer lines.

What comes out goes through the same engine as everything else.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from target_scout_postgres.errors import DataError, SettingsError

if TYPE_CHECKING:
    from singer_sdk.mapper import PluginMapper, StreamMap

ENCODER = msgspec.json.Encoder(decimal_format="number")


class Translator:
    """Applies stream maps and flattening to messages."""

    def __init__(self, mapper: PluginMapper) -> None:
        self._mapper = mapper
        self._count = 0

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the lines that stand for these lines."""
        for line in lines:
            self._count += 1
            yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[bytes]:
        if not line.strip():
            return
        try:
            message = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            yield line  # the engine says what is wrong with it
            return
        kind = message.get("type") if isinstance(message, dict) else None
        stream = message.get("stream") if kind in MAPPED else None
        if kind not in MAPPED or not isinstance(stream, str):
            yield line
        elif kind == "SCHEMA":
            yield from self._schema(message)
        elif stream not in self._mapper.stream_maps:
            yield line
        else:
            for part in self._mapped(message):
                yield ENCODER.encode(part)

    def _schema(self, message: dict[str, Any]) -> Iterator[bytes]:
        if not isinstance(message.get("schema"), dict) or "properties" not in message["schema"]:
            yield ENCODER.encode(message)
            return
        stream = message["stream"]
        key = message.get("key_properties") or []
        try:
            self._mapper.register_raw_stream_schema(stream, copy.deepcopy(message["schema"]), key)
        except Exception as error:  # noqa: BLE001 - expressions of stream maps raise anything
            raise SettingsError(
                f"The setting stream_maps cannot be applied to the stream {stream} "
                f"({type(error).__name__}). Correct its expressions."
            ) from None
        for mapped in self._mapper.stream_maps[stream]:
            if type(mapped).__name__ == "RemoveRecordTransform":
                continue
            yield ENCODER.encode(
                message
                | {
                    "stream": mapped.stream_alias,
                    "schema": mapped.transformed_schema,
                    "key_properties": mapped.transformed_key_properties or [],
                }
            )

    def _mapped(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for mapped in self._mapper.stream_maps[message["stream"]]:
            if type(mapped).__name__ == "RemoveRecordTransform":
                continue
            if message["type"] == "ACTIVATE_VERSION":
                yield message | {"stream": mapped.stream_alias}
                continue
            if not isinstance(message.get("record"), dict):
                raise DataError(f"Line {self._count} is a RECORD without a record.")
            record = self._transformed(mapped, message["record"])
            if record is not None:
                yield message | {"stream": mapped.stream_alias, "record": record}

    def _transformed(self, mapped: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return mapped.transform(copy.copy(record))
        except Exception as error:  # noqa: BLE001 - expressions of stream maps raise anything
            raise DataError(
                f"Line {self._count}: the setting stream_maps fails on this record of the stream "
                f"{mapped.stream_alias} ({type(error).__name__}). Correct its expressions."
            ) from None


MAPPED = ("SCHEMA", "RECORD", "ACTIVATE_VERSION")
