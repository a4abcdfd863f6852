"""The engine of a run: lines in, batches to the writing thread, STATE out after the commit.

Both doors, the command line and the SDK's class, run this. It does not read files or pipes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from target_scout_postgres import logs
from target_scout_postgres.encoding.binary_copy import TooWideError
from target_scout_postgres.encoding.column_types import BIGINT, NUMERIC, TIMESTAMPTZ
from target_scout_postgres.encoding.encoder import Encoder, UnnamedMarkError
from target_scout_postgres.encoding.layout import DELETED_AT
from target_scout_postgres.encoding.stream_schema import Property, StreamSchema
from target_scout_postgres.errors import (
    DataError,
    MissingKeyError,
    RefusedError,
)
from target_scout_postgres.loading import summary
from target_scout_postgres.loading.checkpointer import Pipeline
from target_scout_postgres.loading.load_log import Reject
from target_scout_postgres.loading.stream import Part, Stream
from target_scout_postgres.loading.versions import Versions
from target_scout_postgres.singer.messages import (
    Cleaner,
    Message,
    Translation,
    Unmapped,
    activated_too_early,
    decode,
    missing_schema,
    prefix,
    state_of,
    stream_of,
    stream_schema,
    version_of,
)

if TYPE_CHECKING:
    from target_scout_postgres.settings import Settings
    from target_scout_postgres.singer.batch_messages import Lines


class Engine:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        emit: Callable[[bytes], None],
        translation: Translation | None = None,
    ) -> None:
        self.settings = settings
        self._translation = translation
        self._pipeline = Pipeline(settings, emit)
        self._streams = self._pipeline.streams
        self._versions = Versions(settings, self._pipeline)
        self._line = 0  # lines taken so far
        self._current: Stream | None = None
        self._by_prefix: dict[bytes, Stream] = {}
        self._started = time.time()
        self._cleaner = Cleaner()
        self._file: Lines | None = None  # of a BATCH
        self._handlers = {
            "RECORD": self._record,
            "SCHEMA": self._schema,
            "STATE": self._state_message,
            "ACTIVATE_VERSION": self._activate,
            "BATCH": self._batch,
        }

    def start(self) -> None:
        """Connect, take the lock, read the dataset schema."""
        self._pipeline.start()

    # -- lines ------------------------------------------------------------------------------------

    def feed(self, lines: Sequence[bytes]) -> None:
        """Take whole lines, in order."""
        lines = self._cleaner.lines(lines)
        if self._translation is None:
            self._take(lines)
        else:
            self._take_mapped(self._translation, lines)
        self._pipeline.worker.check()

    def _take_mapped(self, translation: Translation, lines: Sequence[bytes]) -> None:
        """Take what stream maps make of lines; all that is made of one has its number."""
        end = self._line + len(lines)
        for part in translation.parts(lines, self._line + 1):
            if isinstance(part, Unmapped):
                self._line = part.number
                self._refuse(self._streams[part.stream], part.reason, None)
            else:
                self._line = part.number - 1
                self._take(self._cleaner.lines(part.lines))
        self._line = end

    def _take(self, lines: Sequence[bytes]) -> None:
        at, end = 0, len(lines)
        while at < end:
            line = lines[at]
            stream = self._owner(line)
            if stream is not None:
                taken = self._run_of(stream, lines, at, end)
                at += taken
                if taken:
                    continue
            self._line += 1
            at += 1
            if line and not line.isspace():
                self._odd(line)

    def _owner(self, line: bytes) -> Stream | None:
        """Return the stream whose RECORD the beginning of a line shows, if it does."""
        current = self._current
        if current is not None and current.prefix is not None and line.startswith(current.prefix):
            return current
        end = line.find(b'"record"', 0, 400) + 8
        found = self._by_prefix.get(line[:end])
        if found is not None:
            self._current = found
        return found

    def _run_of(self, stream: Stream, lines: Sequence[bytes], at: int, end: int) -> int:
        """Take as many lines of a stream as are as usual and fit its batch; return how many."""
        encoder = stream.encoder
        if encoder is None or encoder.consume is None:
            return 0
        stop = min(end, at + self._pipeline.room(stream))
        part = stream.part(self._pipeline.epoch)
        reached = encoder.consume(
            lines, at, stop, stream.prefix, stream.expected, part.rows, stream.suffix(self._started)
        )
        if reached > at:
            self._counted(stream, part, lines[at:reached])
        return reached - at

    def _counted(self, stream: Stream, part: Part, lines: Sequence[bytes]) -> None:
        rows, size = len(lines), sum(map(len, lines))
        part.add(self._line + 1, lines, size)
        self._line += rows
        stream.rows += rows
        stream.bytes += size
        stream.buffered_rows += rows
        stream.buffered_bytes += size
        stream.is_changed = True
        stream.last_epoch = self._pipeline.epoch
        if stream.loading is not None and stream.is_staged:
            stream.loaded.add(stream.loading)
        self._pipeline.buffer_grew(stream, size)

    def _odd(self, line: bytes) -> None:
        """Take one line the exact way."""
        message = decode(line, self._line)
        handler = self._handlers.get(message.type)
        if handler is None:
            logs.warning(f"line {self._line}: a message of unknown type was left out")
            return
        handler(message, line)

    def keep_time(self, *, is_waiting: bool) -> None:
        """Commit what has waited long enough; all that is written, if no input is there."""
        self._pipeline.keep_time(is_waiting=is_waiting)

    # -- messages ---------------------------------------------------------------------------------

    def _named(self, message: Message) -> Stream:
        stream = self._streams.get(stream_of(message, self._line))
        if stream is None or stream.encoder is None:
            raise missing_schema(message, self._line)
        return stream

    def _record(self, message: Message, line: bytes) -> None:
        stream = self._named(message)
        self._current = stream
        if not message.record:
            raise DataError(f"Line {self._line} is a RECORD without a record.")
        if stream.prefix is None or not line.startswith(stream.prefix):
            self._learn_prefix(stream, line)
        version = version_of(message, self._line)
        if version != stream.expected and not self._versions.turned(stream, version):
            stream.dropped += 1
            return
        encoder = stream.encoder
        if encoder is None:
            return
        try:
            key, row = encoder.exact_row(
                message.record, message.time_extracted, stream.suffix(self._started)
            )
        except TooWideError as error:
            self._widen(stream, str(error))
            self._record(message, line)
            return
        except UnnamedMarkError:
            stream.is_marked = True
            self._lay_out(stream)
            self._record(message, line)
            return
        except RefusedError as error:
            self._refuse(stream, error, bytes(message.record))
            return
        part = stream.part(self._pipeline.epoch)
        if part.is_keyed:
            part.rows[key] = row
            part.removes |= encoder.is_removal(bytes(message.record))
        else:
            part.rows.append(row)
        self._line -= 1
        self._counted(stream, part, [line])

    def _learn_prefix(self, stream: Stream, line: bytes) -> None:
        """Learn how a stream's RECORD lines begin now: a version may stand before the record."""
        self._by_prefix.pop(stream.prefix or b"", None)
        stream.prefix = prefix(line, stream.name)
        if stream.prefix is not None:
            self._by_prefix[stream.prefix] = stream

    def _batch(self, message: Message, line: bytes) -> None:
        from target_scout_postgres.singer.batch_messages import record_lines  # noqa: PLC0415 - start-up: few have it

        if self._translation is None:  # which knows the streams that it is told of
            self._named(message)
        number = self._line
        for part in record_lines(line, number):
            self._file = part
            self.feed(part.lines)
            self._line = number
            self.keep_time(is_waiting=False)
        self._file = None

    def _refuse(self, stream: Stream, reason: RefusedError, record: bytes | None) -> None:
        stream.refused += 1
        stream.is_changed = True
        why, line, place = str(reason), self._line, f"Line {self._line}"
        if self._file is not None:
            line, place = self._file.batch, self._file.place(line)
            why = f"{why} ({place})"
        if self.settings.on_invalid_record == "fail":
            kind = MissingKeyError if reason.is_key else DataError
            raise kind(
                f"{place}: the record of the stream {stream.name} is refused: {reason}. "
                "Correct the source, or set on_invalid_record to reject to keep such records in "
                "_scout_rejects."
            )
        self._pipeline.reject(Reject(stream.name, line, why, record))

    def _widen(self, stream: Stream, name: str) -> None:
        """Make room for integers of more than 64 bits in a property."""
        logs.info(f"{stream.name}: the property {name} exceeds 64 bits")
        stream.wider[name] = NUMERIC
        self._lay_out(stream)

    def _schema(self, message: Message, line: bytes) -> None:
        name = message.stream or ""
        stream = self._streams.get(name)
        if stream is not None and stream.schema_line == line:
            return
        schema = stream_schema(message, self._line)
        if stream is None:
            source = self._translation.source_of(name) if self._translation else name
            stream = self._pipeline.open(name, source)
        stream.schema_line = line
        if schema == stream.schema:
            return
        stream.schema = schema
        if not self._laid_out_before(stream, schema):
            whole = {part.name for part in schema.properties if part.type == BIGINT}
            stream.wider = {name: kind for name, kind in stream.wider.items() if name in whole}
            self._lay_out(stream)
        self._versions.described(stream)

    def _laid_out_before(self, stream: Stream, schema: StreamSchema) -> bool:
        """Go back to the encoder of a schema that came before, unless the table has changed."""
        known = stream.known.get(schema)
        if known is None or known.columns != stream.sink.live.columns:
            return False
        if known.encoder.layout.key != stream.sink.layout.key:
            return False
        self._pipeline.flush(stream)
        self._pipeline.print_before_change()
        use = partial(self._pipeline.loader.use, stream.sink, known.encoder.layout)
        self._pipeline.worker.call(use)
        stream.encoder, stream.wider = known.encoder, dict(known.wider)
        return True

    def _lay_out(self, stream: Stream) -> None:
        """Decide anew which property goes into which column."""
        self._pipeline.flush(stream)
        self._pipeline.print_before_change()
        schema = stream.schema
        if schema is None:
            return
        if stream.is_marked:
            schema = schema.with_property(Property(DELETED_AT, TIMESTAMPTZ))
        follow = partial(self._pipeline.loader.follow, stream.sink, schema, stream.wider)
        self._pipeline.worker.call(follow)
        stream.encoder = Encoder(stream.sink.layout)
        stream.remember()
        stream.is_changed = self._pipeline.is_dirty = True

    def _state_message(self, message: Message, line: bytes) -> None:
        del line
        value = state_of(message, self._line)
        self._pipeline.carried.look_at(value)
        if value is not None:
            self._pipeline.take_state(value)

    def _activate(self, message: Message, line: bytes) -> None:
        del line
        if message.stream and message.stream not in self._streams:
            logs.warning(activated_too_early(message, self._line))
            return
        stream = self._named(message)
        version = version_of(message, self._line)
        if version is None:
            raise DataError(f"Line {self._line} is an ACTIVATE_VERSION without a version.")
        self._versions.asked(stream, version)

    # -- ends -------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Complete a run whose input has ended cleanly."""
        self._versions.finish()
        self._pipeline.end("completed")
        summary.tell(self._pipeline, self._cleaner.removed_nuls)

    def stop(self, status: str) -> None:
        """End early: commit what was received and may be seen, and print the last STATE."""
        self._pipeline.end(status)
        summary.tell(self._pipeline, self._cleaner.removed_nuls)

    def abandon(self) -> None:
        """End after a failure of the writing thread: nothing more is committed."""
        self._pipeline.abandon()
