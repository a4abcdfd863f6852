"""From buffers to the writing thread: what is handed over when, and what a checkpoint covers.

Knows streams and their rows; knows no messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from target_scout_postgres import logs
from target_scout_postgres.loading.load_log import Reject
from target_scout_postgres.loading.loader import Loader
from target_scout_postgres.loading.starting_state import Carried
from target_scout_postgres.loading.stream import Stream
from target_scout_postgres.loading.stream_tables import Checkpoint
from target_scout_postgres.loading.writer_thread import Worker
from target_scout_postgres.postgres.connection import run_id
from target_scout_postgres.postgres.schema_snapshot import Standing

if TYPE_CHECKING:
    from target_scout_postgres.settings import Settings

BUDGET_BATCHES = 3  # buffers of all streams together hold so many batches at most
CHECKPOINT_BATCHES = 256  # so much data is committed at once at most, if a STATE allows
MOST_REJECTS = 2_000  # refused records that wait for a checkpoint
IDLE_SECONDS = 1.0  # a STATE is printed so soon when no input follows


class Activation(NamedTuple):
    """A version that is to be activated."""

    stream: Stream
    version: int | None
    epoch: int
    waits: bool  # for the STATE that covers its rows


class Pipeline:
    """The buffers of all streams, and the thread that writes them."""

    def __init__(self, settings: Settings, emit: Callable[[bytes], None]) -> None:
        self.settings = settings
        self.loader = Loader(settings, run_id())
        self.worker = Worker()
        self.streams: dict[str, Stream] = {}
        self.carried = Carried(self._is_missing)
        self.buffered = 0  # bytes of all buffers
        self.epoch = 1  # rises with each STATE message
        self.covered = 0  # the epoch that the last STATE received covers
        self.activations: list[Activation] = []
        self.rejects: list[tuple[int, Reject]] = []  # with their epoch
        self.is_dirty = False  # something was handed over since the last checkpoint
        self._has_appended = False  # rows without key were written, and their STATE is not printed
        self._emit = emit
        self._written = 0  # bytes handed over since the last checkpoint
        self._state: bytes | None = None  # the last one received and not printed
        self._checked_at = time.monotonic()

    def start(self) -> None:
        """Connect, take the lock, read the dataset schema."""
        self.worker.call(self.loader.start)

    def open(self, name: str, name_in_state: str) -> Stream:
        """Make a stream, as an earlier run has left it."""
        sink = self.worker.call(lambda: self.loader.sink(name))
        keeps_lines = self.settings.on_invalid_record == "reject"
        stream = self.streams[name] = Stream(name, sink, keeps_lines=keeps_lines)
        stream.resume(self.loader.catalog.versions.get(name, Standing()))
        self.carried.meet(stream, name_in_state)
        return stream

    def _is_missing(self, stream: Stream) -> bool:
        return bool(self.worker.call(partial(self.loader.is_missing, stream.sink)))

    def take_state(self, value: bytes) -> None:
        """Remember a STATE; it is printed after the commit of all that came before it."""
        self._state = value
        self.covered = self.epoch
        self.epoch += 1
        due = time.monotonic() - self._checked_at >= self.settings.batch_wait_limit_seconds
        is_large = self._written >= CHECKPOINT_BATCHES * self.settings.batch_size_bytes
        if due or self.activations or is_large:
            self.checkpoint()

    def reject(self, reject: Reject) -> None:
        """Keep a refused record aside until a STATE covers it, or there are too many."""
        self.rejects.append((self.epoch, reject))
        if len(self.rejects) >= MOST_REJECTS:
            self.checkpoint()

    def buffer_grew(self, stream: Stream, size: int) -> None:
        """Hand over what exceeds the limits of a batch, or of all buffers together."""
        self.buffered += size
        if self._is_full(stream):
            self._hand_over(stream, self.covered)
            if self._is_full(stream):
                self.flush(stream)
        elif self.buffered >= BUDGET_BATCHES * self.settings.batch_size_bytes:
            self._flush_largest()

    def _is_full(self, stream: Stream) -> bool:
        limit = self.settings.batch_size_rows
        if stream.buffered_bytes >= self.settings.batch_size_bytes:
            return True
        return bool(limit) and stream.buffered_rows >= limit

    def room(self, stream: Stream) -> int:
        """Return how many rows more a stream's batch takes."""
        limit = self.settings.batch_size_rows
        return max(1, limit - stream.buffered_rows) if limit else NO_LIMIT

    def activate(self, stream: Stream, version: int | None) -> None:
        """Activate a version with the next checkpoint that covers it.

        Until then a stream without key goes on filling the version, so that a run that dies before
        its STATE is printed leaves nothing that the next one would add to.
        """
        self.flush(stream)
        waits = not stream.is_keyed or bool(stream.held)
        stream.pending = version if waits else None
        self.activations.append(Activation(stream, version, self.epoch, waits))

    def begin_version(self, stream: Stream, version: int | None) -> None:
        """Begin to gather a version, or go on with it."""
        self.print_before_change()
        self.is_dirty = True
        is_announced = version is not None and stream.announced == version
        begin = partial(
            self.loader.begin, stream.sink, version, is_announced=is_announced, seen=stream.seen
        )
        self.worker.submit(begin)

    def is_empty(self, stream: Stream) -> bool:
        """Return whether a stream's live table has no row."""
        return bool(self.worker.call(partial(self.loader.is_empty, stream.sink)))

    def has_staged(self, stream: Stream) -> bool:
        """Return whether rows of the version that is being gathered were written."""
        is_empty = partial(self.loader.is_empty, stream.sink, is_staged=True)
        return not self.worker.call(is_empty)

    def print_before_change(self) -> None:
        """Have what was appended committed with its STATE, before something commits without one."""
        if self._has_appended:
            self.checkpoint()

    def flush(self, stream: Stream) -> None:
        """Hand all of a stream's buffer to the writing thread."""
        self._hand_over(stream, None)

    def _hand_over(self, stream: Stream, covered: int | None) -> None:
        """Hand buffered rows to the writing thread; rows that no STATE covers yet are held there.

        Args:
            stream: The stream.
            covered: The epoch up to which rows may be seen; rows that may not stay in the buffer.
                None: they do not.
        """
        upto = self.covered if covered is None else covered
        if stream.held and stream.held[0] <= upto:
            stream.held = [epoch for epoch in stream.held if epoch > upto]
            self._hand(stream, partial(self.loader.release, stream.sink, upto), 0)
        before = stream.buffered_bytes
        for part in stream.take(covered):
            if stream.held or (part.waits and part.epoch > upto):
                if part.epoch not in stream.held:
                    stream.held.append(part.epoch)
                hold = partial(self.loader.holding.hold, stream.sink, part.batch(), part.epoch)
                self._hand(stream, hold, part.size)
            else:
                self._has_appended |= part.waits
                write = partial(self.loader.write, stream.sink, part.batch())
                self._hand(stream, write, part.size)
        self.buffered -= before - stream.buffered_bytes

    def _hand(self, stream: Stream, task: Callable[[], None], size: int) -> None:
        self._written += size
        self.is_dirty = stream.is_changed = True
        self.worker.submit(task)

    def _flush_largest(self) -> None:
        for stream in sorted(self.streams.values(), key=lambda found: -found.buffered_bytes):
            if self.buffered < BUDGET_BATCHES * self.settings.batch_size_bytes // 2:
                return
            self.flush(stream)

    def checkpoint(self, status: str = "running", settled: Stream | None = None) -> None:
        """Have everything received committed, and then the last STATE printed.

        Args:
            status: How the run stands.
            settled: A stream whose pending activation cannot wait for a STATE.
        """
        is_end = status == "completed"

        def covers(stream: Stream) -> int:
            return self.epoch if is_end or stream is settled else self.covered

        for stream in self.streams.values():
            self._hand_over(stream, covers(stream))
        ready = [
            one for one in self.activations if not one.waits or one.epoch <= covers(one.stream)
        ]
        self.activations = [one for one in self.activations if one not in ready]
        streams = list(self.streams.values())
        checkpoint = Checkpoint(
            loads=[one.load(status) for one in streams if one.is_changed or status != "running"],
            activated=[(one.stream.sink, one.version) for one in ready],
            rejects=self._take_rejects(self.epoch if is_end else self.covered),
            complete=[one.sink for one in streams if is_end],
        )
        for stream in streams:
            stream.is_changed = False
        for one in ready:
            if one.waits:
                one.stream.become_live(one.version)
        state, self._state = self._state, None
        if self.settings.load_method == "overwrite" and not is_end:
            state, self._state = None, state
        self.worker.submit(partial(self._committed, checkpoint, state))
        self._checked_at = time.monotonic()
        self._written = 0
        self.is_dirty = self._has_appended = False

    def _take_rejects(self, covered: int) -> list[Reject]:
        is_full = len(self.rejects) >= MOST_REJECTS
        ready = [one for epoch, one in self.rejects if is_full or epoch <= covered]
        self.rejects = [one for one in self.rejects if not is_full and one[0] > covered]
        return ready

    def _committed(self, checkpoint: Checkpoint, state: bytes | None) -> None:
        """Commit, then print (in the writing thread)."""
        line = None if state is None else state + b"\n"
        self.loader.checkpoint(checkpoint)
        if line is not None:  # at once: a kill before it sends rows without key once more
            self._emit(line)
        rows = sum(load.rows for load in checkpoint.loads)
        logs.debug(f"checkpoint: {rows} records of {len(checkpoint.loads)} streams are committed")

    def keep_time(self, *, is_waiting: bool) -> None:
        """Commit what has waited long enough; all that is written, if no input is there.

        Args:
            is_waiting: No input is there: no transaction may stay open.
        """
        self.worker.check()
        waited = time.monotonic() - self._checked_at
        limit = self.settings.batch_wait_limit_seconds
        if is_waiting and (self.is_dirty or (self._state and waited >= min(IDLE_SECONDS, limit))):
            self.checkpoint()
        elif waited >= limit:
            if self.is_dirty or self._state or self.buffered:
                self.checkpoint()
            self._checked_at = time.monotonic()

    # -- ends -------------------------------------------------------------------------------------

    def end(self, status: str) -> None:
        """Commit the last checkpoint of a run and let go of the server."""
        self.checkpoint(status)
        self.worker.call(self.loader.clear)
        self.worker.stop()
        self.loader.close()

    def abandon(self) -> None:
        """End after a failure of the writing thread: nothing more is committed."""
        self.worker.stop()
        self.loader.fail()
        self.loader.close()


NO_LIMIT = 1 << 60
