"""The engine of a run: reads lines, passes batches to the writer thread, prints STATE.

Both entry points, the command line and the SDK's class, use it. It reads no files or pipes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from target_scout_postgres import logs
from target_scout_postgres.encoding.binary_copy import BigintOverflowError
from target_scout_postgres.encoding.encoder import UndeclaredDeletionError
from target_scout_postgres.errors import DataError, InvalidRecordError, MissingKeyError
from target_scout_postgres.loading import summary
from target_scout_postgres.loading.checkpointer import Checkpointer
from target_scout_postgres.loading.load_log import LoadStatus, RejectedRecord
from target_scout_postgres.loading.loader import Loader
from target_scout_postgres.loading.stream_layouts import StreamLayouts
from target_scout_postgres.loading.versions import Versions
from target_scout_postgres.settings import run_id
from target_scout_postgres.singer.messages import (
    LineMapper,
    Message,
    UnmappedRecord,
    activated_before_schema,
    allow_deep_nesting,
    decode,
    missing_schema,
    record_prefix,
    state_of,
    stream_of,
    stream_schema,
    version_of,
)
from target_scout_postgres.singer.sanitizer import Sanitizer

if TYPE_CHECKING:
    from target_scout_postgres.loading.buffers import BufferSegment
    from target_scout_postgres.loading.stream import Stream
    from target_scout_postgres.settings import Settings
    from target_scout_postgres.singer.batch_messages import BatchLines
    from target_scout_postgres.singer.protected_lines import LineProtector

MAX_HEAD_BYTES = 400  # the record of a recognisable line starts within these bytes


class Engine:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        emit: Callable[[bytes], None],
        mapper: LineMapper | None = None,
        loader: Loader | None = None,
    ) -> None:
        self._settings = settings
        self._protector = _protector(settings, mapper)
        self._mapper = self._protector or mapper
        self._loader = loader or Loader(settings, run_id())
        self._checkpointer = Checkpointer(settings, self._loader, emit)
        self._policy = self._checkpointer.policy
        self._streams = self._checkpointer.streams
        self._versions = Versions(settings, self._checkpointer)
        self._layouts = StreamLayouts(self._checkpointer)
        self._sanitizer = Sanitizer()
        self._line = 0  # number of the last line processed
        self._current: Stream | None = None  # of the last RECORD
        self._by_prefix: dict[bytes, Stream] = {}
        self._schema_lines: dict[str, bytes] = {}  # the last one of each stream
        self._started = time.time()
        self._batch_lines: BatchLines | None = None  # those of a BATCH that are being processed
        self._handlers = {
            "RECORD": self._on_record,
            "SCHEMA": self._on_schema,
            "STATE": self._on_state,
            "ACTIVATE_VERSION": self._on_activate_version,
            "BATCH": self._on_batch,
        }

    def start(self) -> None:
        """Connect, take the lock, read the dataset schema."""
        allow_deep_nesting()
        self._checkpointer.start()

    def process_lines(self, lines: Sequence[bytes]) -> None:
        """Process whole lines, in order."""
        lines = self._sanitizer.sanitize(lines)
        if self._mapper is None:
            self._process(lines)
        else:
            self._process_mapped(self._mapper, lines)
        self._checkpointer.raise_failure()

    def checkpoint_if_due(self, *, is_idle: bool) -> None:
        """Commit if the last checkpoint is long enough ago, or if no input is arriving."""
        self._checkpointer.checkpoint_if_due(is_idle=is_idle)

    def _process_mapped(self, mapper: LineMapper, lines: Sequence[bytes]) -> None:
        """Process lines after applying stream maps; each result keeps the number of its line."""
        end = self._line + len(lines)
        for mapped in mapper.map_lines(lines, self._line + 1):
            if isinstance(mapped, UnmappedRecord):
                self._line = mapped.number
                self._reject(self._streams[mapped.stream], mapped.reason, None)
            else:
                self._line = mapped.number - 1
                self._process(self._sanitizer.sanitize(mapped.lines))
        self._line = end

    def _process(self, lines: Sequence[bytes]) -> None:
        at, end = 0, len(lines)
        while at < end:
            line = lines[at]
            stream = self._stream_of_record_line(line)
            # Lines of one stream mostly come in runs: one call encodes as many as possible, and the
            # line at which it stops takes the exact path below.
            if stream is not None:
                encoded = self._encode_run(stream, lines, at, end)
                at += encoded
                if encoded:
                    continue
            self._line += 1
            at += 1
            if line and not line.isspace():
                self._process_line(line)

    def _stream_of_record_line(self, line: bytes) -> Stream | None:
        """Return the stream of a RECORD line, if the beginning of the line shows it."""
        # Most lines belong to the same stream as the previous line.
        current = self._current
        if current is not None and current.prefix is not None and line.startswith(current.prefix):
            return current
        end = line.find(b'"record"', 0, MAX_HEAD_BYTES) + 8
        stream = self._by_prefix.get(line[:end])
        if stream is not None:
            self._current = stream
        return stream

    def _encode_run(self, stream: Stream, lines: Sequence[bytes], at: int, end: int) -> int:
        """Encode as many lines as take the fast path and fit the batch; return how many."""
        encoder = stream.encoder
        if encoder is None or encoder.encode_run is None:
            return 0
        stop = min(end, at + self._policy.room(stream.buffer))
        segment = stream.segment(self._checkpointer.epoch)
        reached = encoder.encode_run(
            lines,
            at,
            stop,
            stream.prefix,
            stream.versions.expected,
            segment.rows,
            stream.metadata_fields(self._started),
        )
        if reached > at:
            self._count(stream, segment, self._line + 1, lines[at:reached])
            self._line += reached - at
        return reached - at

    def _count(
        self, stream: Stream, segment: BufferSegment, number: int, lines: Sequence[bytes]
    ) -> None:
        """Count adjacent lines, the first of which has this number, whose rows are buffered."""
        size = stream.buffer.add(segment, number, lines, self._checkpointer.epoch)
        if stream.versions.is_staged:
            stream.versions.note_rows()
        self._checkpointer.on_buffered(stream, size)

    def _process_line(self, line: bytes) -> None:
        message = decode(line, self._line)
        handler = self._handlers.get(message.type)
        if handler is None:
            logs.warning(f"line {self._line}: a message of unknown type was ignored")
            return
        handler(message, line)

    def _on_record(self, message: Message, line: bytes) -> None:
        stream = self._stream_of(message)
        self._current = stream
        if not message.record:
            raise DataError(f"Line {self._line} is a RECORD without a record.")
        if stream.prefix is None or not line.startswith(stream.prefix):
            self._learn_prefix(stream, line)
        version = version_of(message, self._line)
        is_expected = version == stream.versions.expected
        if not is_expected and not self._versions.on_record_version(stream, version):
            stream.dropped += 1
            return
        encoder = stream.encoder
        if encoder is None:
            return
        try:
            key, row = encoder.encode_exactly(
                message.record, message.time_extracted, stream.metadata_fields(self._started)
            )
        except BigintOverflowError as error:
            self._layouts.widen(stream, str(error))
            self._on_record(message, line)  # again, with the new encoder
            return
        except UndeclaredDeletionError:
            self._layouts.add_deletion_mark(stream)
            self._on_record(message, line)
            return
        except InvalidRecordError as error:
            self._reject(stream, error, bytes(message.record))
            return
        segment = stream.segment(self._checkpointer.epoch)
        if segment.has_key:
            segment.rows[key] = row
            segment.has_deletions |= encoder.is_deletion(bytes(message.record))
        else:
            segment.rows.append(row)
        self._count(stream, segment, self._line, [line])

    def _learn_prefix(self, stream: Stream, line: bytes) -> None:
        """Learn how the RECORD lines of a stream begin; a version may precede the record."""
        self._by_prefix.pop(stream.prefix or b"", None)
        stream.prefix = record_prefix(line, stream.name)
        if stream.prefix is not None:
            self._by_prefix[stream.prefix] = stream

    def _reject(self, stream: Stream, reason: InvalidRecordError, record: bytes | None) -> None:
        stream.count_rejected()
        text, line, where = str(reason), self._line, f"Line {self._line}"
        if self._batch_lines is not None:
            line, where = self._batch_lines.message_line, self._batch_lines.describe(line)
            text = f"{text} ({where})"
        if not self._settings.keeps_rejects:
            error_type = MissingKeyError if reason.is_key else DataError
            raise error_type(
                f"{where}: a record of the stream {stream.name} was rejected: {reason}. Correct "
                "the source, or set on_invalid_record to reject to keep such records in "
                "_scout_rejects."
            )
        self._checkpointer.reject(RejectedRecord(stream.name, line, text, record))

    def _stream_of(self, message: Message) -> Stream:
        stream = self._streams.get(stream_of(message, self._line))
        if stream is None or stream.encoder is None:
            raise missing_schema(message, self._line)
        return stream

    def _on_schema(self, message: Message, line: bytes) -> None:
        name = message.stream or ""
        # Some taps repeat the SCHEMA before every batch of records.
        if self._schema_lines.get(name) == line:
            return
        schema = stream_schema(message, self._line)
        stream = self._streams.get(name)
        if stream is None:
            name_in_state = self._mapper.tap_stream(name) if self._mapper else name
            stream = self._checkpointer.open_stream(name, name_in_state)
        self._schema_lines[name] = line
        if schema != stream.schema:
            self._layouts.on_schema(stream, schema)
            self._versions.on_schema(stream)

    def _on_state(self, message: Message, line: bytes) -> None:
        del line
        value = state_of(message, self._line)
        self._checkpointer.starting_state.observe(value)
        if value is not None:
            self._checkpointer.take_state(value)

    def _on_activate_version(self, message: Message, line: bytes) -> None:
        del line
        if message.stream and message.stream not in self._streams:
            logs.warning(activated_before_schema(message, self._line))
            return
        stream = self._stream_of(message)
        version = version_of(message, self._line)
        if version is None:
            raise DataError(f"Line {self._line} is an ACTIVATE_VERSION without a version.")
        self._versions.on_activate_version(stream, version)

    def _on_batch(self, message: Message, line: bytes) -> None:
        from target_scout_postgres.singer.batch_messages import record_lines  # start-up: rare

        if self._mapper is None:  # else the message has the tap's name of the stream
            self._stream_of(message)
        number = self._line
        for batch_lines in record_lines(line, number):
            self._batch_lines = batch_lines
            self.process_lines(batch_lines.lines)
            self._line = number  # lines of files do not count as lines of the input
            self.checkpoint_if_due(is_idle=False)
        self._batch_lines = None

    def finish(self) -> None:
        """Complete a run whose input has ended cleanly."""
        self._versions.finish()
        self._end(LoadStatus.COMPLETED)
        summary.log_mistyped_overrides(self._settings.keyless_overrides, self._streams)

    def stop(self, status: LoadStatus) -> None:
        """End early: commit what was received and may become visible, print the last STATE."""
        self._end(status)

    def _end(self, status: LoadStatus) -> None:
        self._checkpointer.end(status)
        summary.log_streams(self._streams.values(), self._loader.rejected)
        summary.log_removed_nuls(self._sanitizer.removed_nuls)
        missing = self._checkpointer.starting_state.missing
        summary.log_missing(missing, self._settings.default_target_schema)
        if self._protector is not None:
            self._protector.log_outcomes()

    def abandon(self) -> None:
        """End the run after a failure of the writer thread, without committing again."""
        self._checkpointer.abandon()


def _protector(settings: Settings, mapper: LineMapper | None) -> LineProtector | None:
    """Return what keeps columns from arriving, in front of the stream maps; None without rules."""
    if not settings.exclude_columns and not settings.hash_columns:
        return None
    from target_scout_postgres.singer.protected_lines import LineProtector  # start-up: rare

    return LineProtector(settings.exclude_columns, settings.hash_columns, settings.hash_key, mapper)
