"""Watches a run while it runs: says that it lives, hears that it was cancelled, keeps its login.

Beats go over the connection that holds the run's locks, so that a beat also proves that they hold.
A worker that cannot reach the store for a minute ends its run before anybody else takes it over.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from scout_control.credentials import records
from scout_control.errors import ControlError
from scout_control.meltano import workdir
from scout_control.rules.expiry import HEARTBEAT_INTERVAL, MAX_STORE_OUTAGE
from scout_control.rules.fairness import LANE_CHECK_INTERVAL
from scout_control.rules.statuses import Phase
from scout_control.store import queue_turns

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from pathlib import Path

    from scout_control.installation.installation import Site
    from scout_control.meltano.process import Run as MeltanoRun
    from scout_control.store.locks import Locks

log = logging.getLogger(__name__)

BEAT = """
    UPDATE scout_control.runs
       SET heartbeat_at = now(), phase = %(phase)s, progress = %(progress)s, pid = %(pid)s
     WHERE id = %(run)s AND worker = %(worker)s AND status = 'running'
    RETURNING id
"""
CATALOGS = "run/*/tap.properties.json"


class Reason(StrEnum):
    """Why a watched run was ended before it was done."""

    MOVED = "somebody cancelled it or took it over"
    ALONE = "the store could not be reached"
    STOPPED = "the worker was told to stop"
    YIELDED = "it had its slice of time, and other owners wait for a lane"


HANDED_BACK = frozenset({Reason.STOPPED, Reason.YIELDED})
"""What ends a run only for now."""


class Watch:
    """The watch over one run, in a thread of its own."""

    def __init__(
        self, site: Site, locks: Locks, run_id: uuid.UUID, run: MeltanoRun, worker: str
    ) -> None:
        self.reason: Reason | None = None
        self.phase = Phase.DISCOVERING
        self.progress: dict[str, Any] = {}
        self.catalog: bytes | None = None
        self._site, self._locks, self._run_id = site, locks, run_id
        self._run, self._worker = run, worker
        self._login: records.Login | None = None
        self._credential_file: Path | None = None
        self._should_stop: Callable[[], bool] = lambda: False
        self._slice: timedelta | None = None
        self._ask_at = 0.0
        self._over = threading.Event()
        self._reached_at = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="watch")

    def over(self, run: MeltanoRun) -> Watch:
        """Return a watch over what Meltano runs next of the same run."""
        following = Watch(self._site, self._locks, self._run_id, run, self._worker)
        following.progress = self.progress
        following._slice, following._ask_at = self._slice, self._ask_at
        return following

    def keep(self, login: records.Login, credential_file: Path | None) -> None:
        """Store what the tap makes of this login."""
        self._login, self._credential_file = login, credential_file

    def stop_when(self, should_stop: Callable[[], bool]) -> None:
        """End the run when this says so."""
        self._should_stop = should_stop

    def share(self, slice_of_time: timedelta | None) -> None:
        """End the run after this time when others wait for its lane; never when it is nothing."""
        self._slice = slice_of_time
        self._ask_at = time.monotonic() + (slice_of_time or timedelta()).total_seconds()

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def finish(self) -> None:
        """Watch no more, and look a last time."""
        self._over.set()
        self._thread.join()
        self._read_catalog()
        until = time.monotonic() + MAX_STORE_OUTAGE.total_seconds()
        while not self._keep_login():
            if time.monotonic() > until and self._credential_file is not None:
                workdir.keep(self._credential_file.parent)
                return
            time.sleep(HEARTBEAT_INTERVAL.total_seconds())

    def _watch(self) -> None:
        while not self._over.is_set():
            self._keep_login()
            self.reason = self._reason_to_end()
            if self.reason:
                log.warning("run_ended_early run=%s reason=%s", self._run_id, self.reason.name)
                self._run.end()
                return
            self._over.wait(HEARTBEAT_INTERVAL.total_seconds())

    def _reason_to_end(self) -> Reason | None:
        if self._should_stop():
            return Reason.STOPPED
        try:
            if not self._beat():
                return Reason.MOVED
            if self._is_wanted():
                return Reason.YIELDED
        except psycopg.Error:
            if not self._locks.reacquire():
                alone = time.monotonic() - self._reached_at
                return Reason.ALONE if alone > MAX_STORE_OUTAGE.total_seconds() else None
        self._reached_at = time.monotonic()
        return None

    def _beat(self) -> bool:
        facts = {
            "phase": str(self.phase),
            "progress": Jsonb(self.progress),
            "pid": self._run.process.pid,
            "run": self._run_id,
            "worker": self._worker,
        }
        return bool(self._locks.execute(BEAT, facts))

    def _is_wanted(self) -> bool:
        """Tell whether others wait for the lane of this run, which has had it for long enough."""
        if self._slice is None or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + min(self._slice, LANE_CHECK_INTERVAL).total_seconds()
        return queue_turns.is_lane_wanted(self._locks.execute, self._run_id, self._slice)

    def _keep_login(self) -> bool:
        """Store a login that the tap renewed; tell whether nothing remains to be stored."""
        if self._login is None or self._credential_file is None:
            return True
        try:
            written = workdir.read(self._credential_file)
            records.take_back(self._site.store, self._site.keyring, self._login, written)
        except FileNotFoundError:
            return True
        except OSError as error:  # no file of a tap that renewed a login
            log.warning("login_not_read run=%s: %s", self._run_id, type(error).__name__)
            return True
        except ControlError as error:
            log.warning("login_not_kept_yet run=%s: %s", self._run_id, error.cause)
            return False
        return True

    def _read_catalog(self) -> None:
        for path in (self._run.work / "meltano").glob(CATALOGS):
            with suppress(OSError):
                self.catalog = workdir.read(path)
