"""Reference model: the expected tables after a load, derived from the messages alone.

For the default settings of the target: upsert, hard delete, fail on invalid records. It keeps
everything in memory, implements only what the README promises, and shares no code with the target.
It can process several runs into one dataset schema, one after another.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmarks.target_replay import values
from benchmarks.target_replay.streams import GREATEST, RefusedError, Schema, Stream
from benchmarks.target_replay.tables import Columns, Rows

EMPTY_STATES = ({}, [], None, "")


class Model:
    """A dataset schema over several runs."""

    def __init__(self, home: Path) -> None:
        self.home = home  # where relative names of batch files begin
        self.streams: dict[str, Stream] = {}
        self.state: Any = None  # the last STATE of the run
        self._described: set[str] = set()
        self._epoch = 1
        self._covered = 0
        self._handlers = {
            "SCHEMA": self._schema,
            "RECORD": self._record,
            "STATE": self._state,
            "ACTIVATE_VERSION": self._activate,
            "BATCH": self._batch,
        }

    def run(self, lines: list[bytes]) -> str | None:
        """Process the lines of one run; return why it must be rejected, if it must."""
        self.state, self._epoch, self._covered = None, 1, 0
        self._described.clear()
        for stream in self.streams.values():
            stream.begin_run()
        for number, line in enumerate(lines, 1):
            if line and not line.isspace():
                try:
                    self._take(line)
                except RefusedError as error:
                    self._stop()
                    return f"line {number}: {error}"
        self._finish()
        return None

    def _json(self, line: bytes) -> Any:
        try:
            return values.decode(line)
        except (ValueError, RecursionError):
            raise RefusedError("is not JSON") from None

    def _take(self, line: bytes) -> None:
        message = self._json(line)
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise RefusedError("is not a Singer message")
        handler = self._handlers.get(message["type"])
        if handler is not None:
            handler(message if message["type"] == "STATE" else values.cleaned(message))

    def _named(self, message: dict[str, Any]) -> Stream:
        name = message.get("stream")
        if not name or name not in self._described:
            raise RefusedError(f"a {message['type']} before its SCHEMA")
        return self.streams[name]

    def _schema(self, message: dict[str, Any]) -> None:
        name, schema = message.get("stream"), message.get("schema")
        key = message.get("key_properties") or []
        if not isinstance(name, str) or not name or not isinstance(schema, dict):
            raise RefusedError("a SCHEMA without its stream or schema")
        parts, required = schema.get("properties"), schema.get("required") or []
        if not isinstance(parts, dict) or not isinstance(required, list):
            raise RefusedError("a SCHEMA without properties")
        if any(part not in list(parts) for part in key):
            raise RefusedError("a key property that is not among the properties")
        found = Schema(
            types={part: values.column_type(each, schema) for part, each in parts.items()},
            required=frozenset(part for part in parts if part in required or part in key),
            nullable=frozenset(
                part
                for part, each in parts.items()
                if part not in key and values.allows_null(each, schema)
            ),
            key=tuple(dict.fromkeys(key)),
        )
        self._described.add(name)
        stream = self.streams.setdefault(name, Stream(name))
        if found != stream.schema:
            stream.follow(found)

    def _record(self, message: dict[str, Any]) -> None:
        stream = self._named(message)
        record = message.get("record")
        if not isinstance(record, dict):
            raise RefusedError("a RECORD without a record")
        version = _version(message)
        if version is not None and stream.is_older(version):
            return
        if stream.pending is not None and version != stream.loading:
            stream.activate()
        stream.last_epoch = self._epoch
        stream.put(self._place(stream, version), record, self._epoch)

    def _place(self, stream: Stream, version: int | None) -> Rows:
        if version is None:
            stream.without_version += 1
            if stream.announced is not None and stream.stage is not None:
                return stream.stage
        elif version != stream.active:
            stream.begin_version(version)
            stream.is_filled |= stream.announced != version
            return stream.stage
        stream.may_exist = True
        stream.is_staging = False
        return stream.live

    def _batch(self, message: dict[str, Any]) -> None:
        self._named(message)
        encoding = message.get("encoding") or {}
        for address in message.get("manifest") or []:
            path = self.home / unquote(address.removeprefix("file://"))
            try:
                data = path.read_bytes()
                data = gzip.decompress(data) if encoding.get("compression") == "gzip" else data
            except (OSError, EOFError):
                raise RefusedError("a file of a BATCH cannot be read") from None
            for line in data.split(b"\n"):
                if line and not line.isspace():
                    record = values.cleaned(self._json(line))
                    self._record(message | {"record": record})

    def _state(self, message: dict[str, Any]) -> None:
        if "value" not in message:
            raise RefusedError("a STATE without a value")
        if message["value"] in EMPTY_STATES:
            return
        self.state = message["value"]
        self._covered = self._epoch
        self._epoch += 1
        for stream in self.streams.values():
            if stream.pending is not None and stream.pending <= self._covered:
                stream.activate()

    def _activate(self, message: dict[str, Any]) -> None:
        if message.get("stream") and message["stream"] not in self._described:
            return  # left out with a warning
        stream = self._named(message)
        version = _version(message)
        if version is None:
            raise RefusedError("an ACTIVATE_VERSION without a version")
        is_pending = stream.pending is not None and version == stream.loading
        if version == stream.active or is_pending or stream.is_older(version):
            return
        if version == stream.announced or (version == stream.loading and stream.is_filled):
            stream.begin_version(version)
            stream.last_epoch = self._epoch
            if stream.schema.key:
                stream.activate()
            else:
                stream.pending = self._epoch
            return
        if stream.without_version and not stream.is_staging:
            return  # records without version: nothing is removed
        if stream.pending is not None:
            stream.activate()
        stream.announced = version
        stream.last_epoch = self._epoch
        stream.begin_version(version)

    def _finish(self) -> None:
        for name in self._described:
            stream = self.streams[name]
            if stream.pending is not None:
                stream.activate()
            elif stream.stage is None:
                stream.exists = True
            elif self._is_shown(stream):
                stream.activate()
            stream.live.epochs.clear()

    def _is_shown(self, stream: Stream) -> bool:
        """Return whether the clean end of a run shows a version that was not activated."""
        is_first = stream.active is None and not stream.live.all
        if is_first and stream.stage.all:
            return True
        is_covered = not self._covered or stream.last_epoch <= self._covered
        return stream.announced is not None and is_covered

    def _stop(self) -> None:
        """End a rejected run: earlier rows stay, without a key only if a STATE covers them."""
        for stream in self.streams.values():
            for part in stream.parts():
                part.forget_after(self._covered)
            if not stream.exists and not any(part.all for part in stream.parts()):
                stream.columns = Columns()  # no table was made for them


def _version(message: dict[str, Any]) -> int | None:
    version = message.get("version")
    if version is None:
        return None
    is_whole = not isinstance(version, bool | str | dict | list) and version == int(version)
    if not is_whole or not -GREATEST <= version < GREATEST:
        raise RefusedError("a version that is not a whole number of 64 bits")
    return int(version)
