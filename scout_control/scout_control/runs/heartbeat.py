"""Renews a run's heartbeat while its process runs, and stops the process if the run is lost.

A heartbeat is written over the connection that holds the run's locks, so that it also proves that
the locks still hold.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import psycopg
from psycopg.types.json import Jsonb

from scout_control.credentials import records
from scout_control.errors import ControlError
from scout_control.meltano import workdir
from scout_control.rules.expiry import HEARTBEAT_INTERVAL, MAX_STORE_OUTAGE
from scout_control.rules.fairness import LANE_CHECK_INTERVAL
from scout_control.store import queue_turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.installation.installation import Installation
    from scout_control.meltano.process import MeltanoProcess
    from scout_control.runs.context import RunContext
    from scout_control.runs.prepare import Preparation
    from scout_control.runs.progress import RunProgress
    from scout_control.store.locks import Locks
    from scout_control.store.models import Run

log = logging.getLogger(__name__)

BEAT = """
    UPDATE scout_control.runs
       SET heartbeat_at = now(), phase = %(phase)s, progress = %(progress)s,
           activity = %(activity)s, pid = %(pid)s
     WHERE id = %(run)s AND worker = %(worker)s AND status = 'running'
    RETURNING id
"""
CATALOGS = "run/*/tap.properties.json"


class LossReason(StrEnum):
    """Why a worker lost a run before its end."""

    MOVED = "the run was cancelled, or another worker reclaimed it"
    UNREACHABLE = "the store could not be reached"
    STOPPED = "the worker is shutting down"
    YIELDED = "its time slice is over, and other owners wait for a lane"
    CREDENTIAL_IN_USE = "another run is using the same rotating credential"


RETRY_LOCK_AFTER = timedelta(seconds=20)
REQUEUE_AFTER = {
    LossReason.STOPPED: timedelta(),
    LossReason.YIELDED: timedelta(),
    LossReason.CREDENTIAL_IN_USE: RETRY_LOCK_AFTER,
}
"""When to run it again, if this worker still holds the run and has to requeue it."""


class RunLostError(Exception):
    """The run is no longer this worker's, so this worker must not write how it ended."""

    def __init__(self, reason: LossReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def loss_of(
    *, is_running: bool | None, is_lane_wanted: bool = False, unreachable: timedelta = timedelta()
) -> LossReason | None:
    """Return why the run is lost after a heartbeat, or None while it is not.

    Args:
        is_running: Whether the heartbeat found the run running here; None when the store did not
            answer and the locks could not be taken again.
        is_lane_wanted: Whether the time slice is over and another owner waits for the lane.
        unreachable: How long ago the last heartbeat succeeded.
    """
    if is_running is None:
        # This must end before DEAD_AFTER, when another worker may reclaim the run: two workers
        # that load the same dataset would each overwrite the bookmarks of the other.
        return LossReason.UNREACHABLE if unreachable > MAX_STORE_OUTAGE else None
    if not is_running:
        return LossReason.MOVED
    return LossReason.YIELDED if is_lane_wanted else None


class Heartbeat:
    """The heartbeat of one attempt at a run, over all processes that it starts."""

    def __init__(
        self,
        installation: Installation,
        run: Run,
        context: RunContext,
        locks: Locks,
        preparation: Preparation,
        progress: RunProgress,
    ) -> None:
        self.catalog: bytes | None = None
        """The catalog that Meltano discovered, as far as a process has written one."""
        self._installation, self._run_id, self._context, self._locks = (
            installation,
            run.id,
            context,
            locks,
        )
        self._credential = preparation.credential
        self._credential_file = preparation.credential_file
        self._progress = progress
        self._loss: LossReason | None = None
        self._ask_at = time.monotonic() + (context.time_slice or timedelta()).total_seconds()

    @contextmanager
    def watch(self, process: MeltanoProcess) -> Iterator[None]:
        """Write heartbeats while the process runs, and stop it if the run is lost.

        Raises:
            RunLostError: The run is no longer this worker's.
        """
        is_over = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(process, is_over), name="beat")
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self._read_catalog(process)
            self._store_last_token()
        if self._loss:
            raise RunLostError(self._loss)

    def _beat_until(self, process: MeltanoProcess, is_over: threading.Event) -> None:
        reached_at = time.monotonic()
        while not is_over.is_set():
            self._store_token()
            is_reached = True
            if self._context.should_stop():
                self._loss = LossReason.STOPPED
            else:
                unreachable = timedelta(seconds=time.monotonic() - reached_at)
                self._loss, is_reached = self._beat(process, unreachable)
            if self._loss:
                # Only a lost store is trouble; who stopped the run is told how it ended.
                level = logging.WARNING if self._loss is LossReason.UNREACHABLE else logging.INFO
                log.log(level, "run_lost run=%s reason=%s", self._run_id, self._loss.name)
                process.stop()
                return
            if is_reached:
                reached_at = time.monotonic()
            is_over.wait(HEARTBEAT_INTERVAL.total_seconds())

    def _beat(
        self, process: MeltanoProcess, unreachable: timedelta
    ) -> tuple[LossReason | None, bool]:
        """Write one heartbeat; return why the run is lost, and whether the store was reached."""
        values = {
            "phase": str(self._progress.phase),
            "progress": Jsonb(self._progress.snapshot()),
            "activity": Jsonb(self._progress.activity()),
            "pid": process.pid,
            "run": self._run_id,
            "worker": self._context.worker,
        }
        try:
            is_running = bool(self._locks.execute(BEAT, values))
            is_lane_wanted = is_running and self._is_lane_wanted()
        except psycopg.Error:
            # A restart of the database ends the session and its locks. If they can be taken again
            # at once, no other worker was quicker, and the run continues.
            if self._locks.reacquire():
                return None, True
            return loss_of(is_running=None, unreachable=unreachable), False
        return loss_of(is_running=is_running, is_lane_wanted=is_lane_wanted), True

    def _is_lane_wanted(self) -> bool:
        """Return whether the slice is over and others wait; asks the store only now and then."""
        time_slice = self._context.time_slice
        if time_slice is None or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + min(time_slice, LANE_CHECK_INTERVAL).total_seconds()
        return queue_turns.is_lane_wanted(self._locks.execute, self._run_id, time_slice)

    def _store_last_token(self) -> None:
        """Store the last token that the tap rotated, also when the store is away for a moment.

        The source accepts no older one: a token that is lost here locks its owner out. If the store
        stays away, the file is kept for ``recovery`` to find.
        """
        until = time.monotonic() + MAX_STORE_OUTAGE.total_seconds()
        while not self._store_token():
            if time.monotonic() > until and self._credential_file is not None:
                workdir.keep(self._credential_file.parent)
                return
            time.sleep(HEARTBEAT_INTERVAL.total_seconds())

    def _store_token(self) -> bool:
        """Store a token that the tap rotated; return whether nothing is left to store."""
        if self._credential_file is None:
            return True
        try:
            written = workdir.read(self._credential_file)
            records.store_rotated_token(
                self._installation.store, self._installation.keyring, self._credential, written
            )
        except FileNotFoundError:
            return True
        except OSError as error:  # not a plain file: no tap that rotated a token wrote it
            log.warning("token_not_read run=%s: %s", self._run_id, type(error).__name__)
            return True
        except ControlError as error:
            log.warning("token_not_stored_yet run=%s: %s", self._run_id, error.cause)
            return False
        return True

    def _read_catalog(self, process: MeltanoProcess) -> None:
        # Meltano keeps the discovered catalog only in its work folder, which is removed with it.
        for path in (process.work / "meltano").glob(CATALOGS):
            with suppress(OSError):
                self.catalog = workdir.read(path)
