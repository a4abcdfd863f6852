"""Decides when buffered rows are passed to the writer thread, and what each checkpoint commits.

The input is divided into epochs. Each STATE ends an epoch, and covers all rows up to that point.
Rows that must not be loaded twice are not made visible before the STATE that covers them. This
module handles streams and rows, not messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from target_scout_postgres import logs
from target_scout_postgres.loading.checkpoint_policy import (
    MAX_REJECTS,
    CheckpointPolicy,
    Progress,
)
from target_scout_postgres.loading.load_log import Load, LoadStatus, RejectedRecord
from target_scout_postgres.loading.starting_state import StartingState
from target_scout_postgres.loading.stream import Stream
from target_scout_postgres.loading.stream_tables import Checkpoint
from target_scout_postgres.loading.writer_thread import WriterThread

if TYPE_CHECKING:
    from target_scout_postgres.encoding.encoder import Encoder
    from target_scout_postgres.encoding.layout import Layout
    from target_scout_postgres.encoding.stream_schema import StreamSchema
    from target_scout_postgres.loading.loader import Loader
    from target_scout_postgres.settings import Settings


class Activation(NamedTuple):
    """A version that is to be activated."""

    stream: Stream
    version: int | None
    epoch: int
    waits: bool  # for the STATE that covers its rows


class Checkpointer:
    """Passes the buffered rows of all streams to the writer thread, and commits checkpoints."""

    def __init__(self, settings: Settings, loader: Loader, emit: Callable[[bytes], None]) -> None:
        self.streams: dict[str, Stream] = {}
        self.starting_state = StartingState(self._is_missing)
        self.epoch = 1  # of the rows received now; each STATE begins the next one
        self.covered = 0  # the last epoch that a STATE has ended
        self._loader = loader
        self._writer = WriterThread()
        self._emit = emit
        self.policy = CheckpointPolicy(settings)
        self._keeps_rejects = settings.keeps_rejects
        self._activations: list[Activation] = []
        self._rejects: list[tuple[int, RejectedRecord]] = []  # with their epochs
        self._buffered_bytes = 0  # of all streams
        # since the last checkpoint:
        self._state: bytes | None = None  # the last one received and not printed
        self._written_bytes = 0
        self._has_written = False
        self._has_appended = False  # keyless rows were written whose STATE is not printed yet
        self._checked_at = time.monotonic()

    def start(self) -> None:
        """Connect, take the lock, read the dataset schema."""
        self._writer.call(self._loader.start)

    def open_stream(self, name: str, name_in_state: str) -> Stream:
        """Add a stream, with the versions that earlier runs stored."""
        tables = self._writer.call(partial(self._loader.tables_of, name))
        stream = self.streams[name] = Stream(name, tables, keeps_lines=self._keeps_rejects)
        stream.versions.resume(self._loader.stored_versions(name))
        self.starting_state.add(stream, name_in_state)
        return stream

    def sync_schema(self, stream: Stream, schema: StreamSchema, widened: dict[str, str]) -> Layout:
        """Make the stream's tables fit a schema; return the layout for the rows that follow."""
        self._prepare_change(stream)
        sync = partial(self._loader.sync_schema, stream.tables, schema, widened)
        layout: Layout = self._writer.call(sync)
        stream.buffer.has_changed = self._has_written = True
        return layout

    def reuse_encoder(self, stream: Stream, encoder: Encoder) -> None:
        """Return to an encoder whose layout the stream's table still fits."""
        self._prepare_change(stream)
        self._writer.call(partial(self._loader.reuse_layout, stream.tables, encoder.layout))

    def _prepare_change(self, stream: Stream) -> None:
        self.flush(stream)
        self._print_before_change()

    def _print_before_change(self) -> None:
        # DDL commits implicitly. If it committed keyless rows without their STATE and this run were
        # then killed, the next run would append these rows again.
        if self._has_appended:
            self.checkpoint()

    def _is_missing(self, stream: Stream) -> bool:
        return bool(self._writer.call(partial(self._loader.is_missing, stream.tables)))

    def is_empty(self, stream: Stream) -> bool:
        """Return whether a stream's live table has no row."""
        return bool(self._writer.call(partial(self._loader.is_empty, stream.tables)))

    def has_staged_rows(self, stream: Stream) -> bool:
        """Return whether the stage of a stream has rows."""
        is_empty = partial(self._loader.is_empty, stream.tables, is_staged=True)
        return not self._writer.call(is_empty)

    def begin_version(self, stream: Stream, version: int | None) -> None:
        """Begin or continue the staging table of a version; None: of a replacement."""
        self._print_before_change()
        self._has_written = True
        is_announced = version is not None and stream.versions.announced == version
        self._writer.submit(
            partial(
                self._loader.begin_version,
                stream.tables,
                version,
                is_announced=is_announced,
                seen=stream.versions.seen,
            )
        )

    def activate(self, stream: Stream, version: int | None) -> None:
        """Activate a version with the next checkpoint that covers it.

        Until then the rows of a keyless stream keep going to this version. If the run is killed
        before its STATE is printed, no rows remain to which the next run would add duplicates.
        """
        self.flush(stream)
        waits = not stream.has_key or bool(stream.buffer.withheld)
        stream.versions.await_activation(version if waits else None)
        self._activations.append(Activation(stream, version, self.epoch, waits))

    def activate_pending(self, stream: Stream) -> None:
        """Activate a version at once, without waiting for the STATE that covers it."""
        self.checkpoint(settled=stream)

    def on_buffered(self, stream: Stream, size: int) -> None:
        """Hand rows over if a batch is full, or if all buffers together exceed their budget."""
        self._buffered_bytes += size
        if self.policy.is_full(stream.buffer):
            self._hand_over(stream, self.covered)
            if self.policy.is_full(stream.buffer):
                self.flush(stream)
        elif self.policy.exceeds_budget(self._buffered_bytes):
            self._flush_largest()

    def _flush_largest(self) -> None:
        # Largest first: many small batches would need more statements than a few large ones.
        for stream in sorted(self.streams.values(), key=lambda each: -each.buffer.buffered_bytes):
            if self.policy.is_relieved(self._buffered_bytes):
                return
            self.flush(stream)

    def flush(self, stream: Stream) -> None:
        """Hand over all buffered rows of a stream."""
        self._hand_over(stream, None)

    def _hand_over(self, stream: Stream, covered: int | None) -> None:
        """Hand over buffered rows; those that no STATE covers yet are withheld in Postgres.

        Args:
            stream: The stream.
            covered: The epoch up to which rows may become visible; later rows that have to wait
                stay in the buffer. None: the epoch that STATE covers, and no rows stay.
        """
        visible = self.covered if covered is None else covered
        buffer = stream.buffer
        if buffer.release_withheld(visible):
            self._submit(stream, partial(self._loader.release, stream.tables, visible), 0)
        bytes_before = buffer.buffered_bytes
        for segment in buffer.take(covered):
            if buffer.must_withhold(segment, visible):
                buffer.withhold(segment.epoch)
                task = partial(self._loader.withhold, stream.tables, segment.batch(), segment.epoch)
            else:
                self._has_appended |= segment.waits
                task = partial(self._loader.write, stream.tables, segment.batch())
            self._submit(stream, task, segment.size)
        self._buffered_bytes -= bytes_before - buffer.buffered_bytes

    def _submit(self, stream: Stream, task: Callable[[], Any], size: int) -> None:
        self._written_bytes += size
        self._has_written = stream.buffer.has_changed = True
        self._writer.submit(task)

    def reject(self, reject: RejectedRecord) -> None:
        """Keep a rejected record until a STATE covers it, or there are too many."""
        self._rejects.append((self.epoch, reject))
        if len(self._rejects) >= MAX_REJECTS:
            self.checkpoint()

    def take_state(self, value: bytes) -> None:
        """Receive a STATE; it is printed once everything before it is committed."""
        self._state = value
        self.covered = self.epoch
        self.epoch += 1
        if self.policy.is_due_after_state(
            time.monotonic() - self._checked_at,
            self._written_bytes,
            has_activations=bool(self._activations),
        ):
            self.checkpoint()

    def checkpoint_if_due(self, *, is_idle: bool) -> None:
        """Commit if the last checkpoint is long enough ago, or if no input is arriving."""
        self.raise_failure()
        seconds = time.monotonic() - self._checked_at
        progress = Progress(
            seconds,
            has_written=self._has_written,
            has_buffered=bool(self._buffered_bytes),
            has_state=bool(self._state),
        )
        if self.policy.is_due(progress, is_idle=is_idle):
            self.checkpoint()
        elif self.policy.has_waited(seconds):
            self._checked_at = time.monotonic()

    def checkpoint(
        self, status: LoadStatus = LoadStatus.RUNNING, settled: Stream | None = None
    ) -> None:
        """Commit everything that may become visible, and then print the last STATE.

        Args:
            status: The status of the run.
            settled: A stream whose pending activation cannot wait for a STATE.
        """
        is_end = status is LoadStatus.COMPLETED

        def covers(stream: Stream) -> int:
            return self.epoch if is_end or stream is settled else self.covered

        for stream in self.streams.values():
            self._hand_over(stream, covers(stream))
        activations = [
            each
            for each in self._activations
            if not each.waits or each.epoch <= covers(each.stream)
        ]
        self._activations = [each for each in self._activations if each not in activations]
        checkpoint = Checkpoint(
            loads=self._changed_loads(status),
            activated=[(each.stream.tables, each.version) for each in activations],
            rejects=self._take_rejects(self.epoch if is_end else self.covered),
            completed=[stream.tables for stream in self.streams.values() if is_end],
        )
        for activation in activations:
            if activation.waits:
                activation.stream.promote(activation.version)
        state = None
        if self.policy.may_print_state(is_end=is_end):
            state, self._state = self._state, None
        self._writer.submit(partial(self._commit, checkpoint, state))
        self._checked_at = time.monotonic()
        self._written_bytes = 0
        self._has_written = self._has_appended = False

    def _changed_loads(self, status: LoadStatus) -> list[Load]:
        loads = []
        for stream in self.streams.values():
            if stream.buffer.has_changed or status is not LoadStatus.RUNNING:
                loads.append(stream.load(status))
            stream.buffer.has_changed = False
        return loads

    def _take_rejects(self, covered: int) -> list[RejectedRecord]:
        is_full = len(self._rejects) >= MAX_REJECTS
        ready = [reject for epoch, reject in self._rejects if is_full or epoch <= covered]
        self._rejects = [each for each in self._rejects if not is_full and each[0] > covered]
        return ready

    def _commit(self, checkpoint: Checkpoint, state: bytes | None) -> None:
        """Commit, then print STATE; runs in the writer thread."""
        line = None if state is None else state + b"\n"
        self._loader.checkpoint(checkpoint)
        # At once: if the run is killed in between, the next one appends the keyless rows again.
        if line is not None:
            self._emit(line)
        rows = sum(load.rows for load in checkpoint.loads)
        logs.debug(f"checkpoint: {rows} records of {len(checkpoint.loads)} streams are committed")

    def raise_failure(self) -> None:
        """Raise the exception of the writer thread, if it has failed."""
        self._writer.raise_failure()

    def end(self, status: LoadStatus) -> None:
        """Commit the last checkpoint of the run and disconnect."""
        self.checkpoint(status)
        self._writer.call(self._loader.drop_withheld)
        self._writer.stop()
        self._loader.close()

    def abandon(self) -> None:
        """End the run without committing again."""
        self._writer.stop()
        self._loader.mark_failed()
        self._loader.close()
