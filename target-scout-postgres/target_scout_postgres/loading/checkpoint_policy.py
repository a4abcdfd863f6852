"""Decides when to write rows, when to commit, and when STATE may be printed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from target_scout_postgres.loading.buffers import StreamBuffer
    from target_scout_postgres.settings import Settings

BUDGET_BATCHES = 3  # the buffers of all streams together hold this many batches at most
CHECKPOINT_BATCHES = 256  # this many batches are committed together at most, if STATE allows
MAX_REJECTS = 2_000  # rejected records that wait for a checkpoint
IDLE_SECONDS = 1.0  # STATE is printed after this time without input
NO_LIMIT = 1 << 60


class Progress(NamedTuple):
    """What has happened since the last checkpoint."""

    seconds: float  # since the last one, or since it was last considered
    has_written: bool  # rows were written: a transaction is open
    has_buffered: bool
    has_state: bool  # a STATE was received and has not been printed


class CheckpointPolicy:
    """The limits of a run, from its settings."""

    def __init__(self, settings: Settings) -> None:
        self._batch_rows = settings.batch_size_rows
        self._batch_bytes = settings.batch_size_bytes
        self._wait_seconds = settings.batch_wait_limit_seconds
        self._holds_state_back = settings.is_overwrite
        self._budget_bytes = BUDGET_BATCHES * settings.batch_size_bytes
        self._checkpoint_bytes = CHECKPOINT_BATCHES * settings.batch_size_bytes

    def is_full(self, buffer: StreamBuffer) -> bool:
        """Return whether a stream's buffer is a whole batch."""
        if buffer.buffered_bytes >= self._batch_bytes:
            return True
        return bool(self._batch_rows) and buffer.buffered_rows >= self._batch_rows

    def room(self, buffer: StreamBuffer) -> int:
        """Return how many more rows a stream's batch takes."""
        return max(1, self._batch_rows - buffer.buffered_rows) if self._batch_rows else NO_LIMIT

    def exceeds_budget(self, buffered_bytes: int) -> bool:
        """Return whether the buffers of all streams together are too large."""
        return buffered_bytes >= self._budget_bytes

    def is_relieved(self, buffered_bytes: int) -> bool:
        """Return whether enough was flushed after the budget had been exceeded.

        Half of it, so that many small streams are not flushed one by one again and again.
        """
        return buffered_bytes < self._budget_bytes // 2

    def is_due_after_state(
        self, seconds: float, written_bytes: int, *, has_activations: bool
    ) -> bool:
        """Return whether to make a checkpoint after receiving a STATE."""
        is_large = written_bytes >= self._checkpoint_bytes
        return has_activations or is_large or seconds >= self._wait_seconds

    def is_due(self, progress: Progress, *, is_idle: bool) -> bool:
        """Return whether a checkpoint is due.

        Args:
            progress: What has happened since the last one.
            is_idle: No input is there: no transaction may stay open.
        """
        if is_idle:
            if progress.has_written:
                return True
            idle_seconds = min(IDLE_SECONDS, self._wait_seconds)
            if progress.has_state and progress.seconds >= idle_seconds:
                return True
        has_anything = progress.has_written or progress.has_state or progress.has_buffered
        return has_anything and self.has_waited(progress.seconds)

    def has_waited(self, seconds: float) -> bool:
        """Return whether the longest wait between two checkpoints has passed."""
        return seconds >= self._wait_seconds

    def may_print_state(self, *, is_end: bool) -> bool:
        """Return whether a checkpoint may print its STATE.

        With overwrite, rows become visible only at the clean end of the run.
        """
        return is_end or not self._holds_state_back
