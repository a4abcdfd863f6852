"""A worker process: executes runs from the queue, and the background jobs.

Runs and background jobs have separate lanes, and each job has its own, so that neither long loads
nor one slow job delay the schedule. A worker survives restarts of the database; a run that it had
to drop is reclaimed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from scout_control.datasets import dataset_drop, person_login
from scout_control.errors import ControlError, KeysUnusableError
from scout_control.installation import stored_secrets
from scout_control.rules import fairness
from scout_control.runs.context import RunContext, worker_name
from scout_control.runs.execute import execute
from scout_control.scheduler import lock_waits, maintenance, run_lines
from scout_control.store import queue
from scout_control.store.locks import try_locks

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.installation.installation import Installation

log = logging.getLogger(__name__)

# minute hour day month weekday; deferred once per moment, for all workers together
EVERY_MINUTE, EVERY_5_MINUTES, EVERY_15_MINUTES = "* * * * *", "*/5 * * * *", "*/15 * * * *"
HOURLY, DAILY = "7 * * * *", "23 3 * * *"
RECONNECT_SECONDS = 2.0
LONGEST_DISCONNECT_SECONDS = 3.0
"""How long an idle worker that shuts down waits for a database that may be away."""
# Workers poll instead of listening: any role of the database may send any notification.
POLL_SECONDS = 1.0
CONNECTIONS: dict[str, Any] = {"min_size": 1, "max_size": 6, "timeout": 20.0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a worker."""

    concurrency: int = 2
    grace_seconds: float = 60.0
    """How long runs may continue after a signal to shut down; unfinished ones are requeued."""
    time_slice: timedelta = fairness.TIME_SLICE
    """How long a run may keep its lane while other owners wait for one."""
    idle: timedelta | None = None
    """How long unused data is kept where its dataset does not say; None: as installed."""
    until_idle: bool = False
    """Start what is due, and end when nothing is left to do."""


class Job(Protocol):
    """A background job."""

    def __call__(
        self,
        installation: Installation,
        now: datetime,
        *,
        options: Options,
        should_stop: Callable[[], bool],
    ) -> object:
        """Execute one round of the job."""


def _short(do: Callable[[Installation, datetime], object]) -> Job:
    """Return a job that is too short to be stopped."""

    def job(
        installation: Installation,
        now: datetime,
        *,
        options: Options,
        should_stop: Callable[[], bool],
    ) -> object:
        del options, should_stop
        return do(installation, now)

    return job


def _expire(
    installation: Installation, now: datetime, *, options: Options, should_stop: Callable[[], bool]
) -> object:
    return maintenance.expire(installation, now, options.idle, should_stop)


def _renew_tokens(
    installation: Installation, now: datetime, *, options: Options, should_stop: Callable[[], bool]
) -> object:
    del options
    return maintenance.renew_tokens(installation, now, should_stop)


JOBS: dict[str, tuple[str, Job]] = {
    "reclaim": (EVERY_MINUTE, _short(maintenance.reclaim)),
    "requeue lost": (EVERY_MINUTE, _short(maintenance.requeue_lost)),
    "start due": (EVERY_5_MINUTES, _short(maintenance.start_due)),
    "renew tokens": (EVERY_15_MINUTES, _renew_tokens),
    "expire": (EVERY_MINUTE, _expire),
    "end logins": (HOURLY, _short(lambda installation, _now: maintenance.end_logins(installation))),
    "end access": (
        EVERY_5_MINUTES,
        _short(lambda installation, _now: person_login.sweep(installation)),
    ),
    "purge": (DAILY, _short(maintenance.purge)),
    "remove roles": (
        DAILY,
        _short(lambda installation, _now: dataset_drop.drop_retired_roles(installation)),
    ),
}


def work(installation: Installation, options: Options) -> int:
    """Work until the queue is empty, or until SIGTERM or SIGINT.

    Only the main thread receives signals; a worker in another one ends when the queue is empty.

    Returns:
        The signal that ended the worker, or 0.

    Raises:
        KeysUnusableError: No encryption key fits what is stored, at the start or at a run, which
            stays queued.
        ControlError: The store does not answer.
    """
    with installation.store.begin() as session:
        queue.waiting(session)
    stored_secrets.check_keys(installation)
    if options.until_idle:
        _start_due(installation)
    worker = _Worker(installation, options)
    asyncio.run(worker.run())
    if worker.failure is not None:
        raise worker.failure
    return worker.signal


def _start_due(installation: Installation) -> None:
    """Do now what a worker that ends soon would not wait for: jobs come every few minutes."""
    now = datetime.now(UTC)
    for name, do in (
        ("reclaim", maintenance.reclaim),
        ("requeue lost", maintenance.requeue_lost),
        ("start due", maintenance.start_due),
    ):
        try:
            do(installation, now)
        except ControlError as error:
            log.warning("job_failed name=%r: %s", name, error)


def idle_since(since: float | None, now: float, *, is_busy: bool) -> float | None:
    """Return since when a worker that shuts down has executed nothing; None while it does."""
    if is_busy:
        return None
    return now if since is None else since


def is_disconnect_overdue(since: float | None, now: float) -> bool:
    """Return whether an idle worker has waited long enough for a database that may be away."""
    return since is not None and now - since >= LONGEST_DISCONNECT_SECONDS


class _Worker:
    """One worker process."""

    def __init__(self, installation: Installation, options: Options) -> None:
        self._installation, self._options = installation, options
        self.signal = 0
        """The signal that told it to shut down."""
        self.failure: KeysUnusableError | None = None
        """Why no run can succeed: the worker shuts down as after a signal."""
        self._runs_until: float | None = None
        self._waits_until: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: list[Any] = []  # Procrastinate's Worker has few types
        self._executing: set[str] = set()
        self._idle_since: float | None = None

    async def run(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._options.concurrency + len(JOBS) + 4))
        working = asyncio.create_task(self._work())
        is_main = threading.current_thread() is threading.main_thread()
        for signum in (signal.SIGTERM, signal.SIGINT) if is_main else ():
            loop.add_signal_handler(signum, self._shut_down, signum, working)
        with suppress(asyncio.CancelledError):
            await working

    async def _work(self) -> None:
        while not self._is_stopping():
            try:
                await self._work_until_disconnected()
            except (ConnectorException, OSError) as error:
                log.warning("queue_lost error=%s", type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                if self._options.until_idle and not await self._is_freed():
                    return

    async def _is_freed(self) -> bool:
        """Wait for datasets that others hold; return whether runs of theirs can be started now."""
        self._waits_until = self._waits_until or time.monotonic() + lock_waits.LONGEST_SECONDS
        given = (self._installation, self._waits_until, self._is_stopping)
        return await asyncio.to_thread(lock_waits.wait, *given)

    def _is_stopping(self) -> bool:
        return bool(self.signal) or self.failure is not None

    async def _work_until_disconnected(self) -> None:
        app = App(connector=queue.connector(self._installation.store, **CONNECTIONS))
        self._add_runs(app)
        self._add_jobs(app)
        async with app.open_async():
            lanes = [(queue.RUNS, self._options.concurrency), (queue.UPKEEP, len(JOBS))]
            self._runs_until = None
            self._lanes = [self._lane(app, name, concurrency) for name, concurrency in lanes]
            if self.signal:
                return
            endings = await asyncio.gather(
                *(self._run(lane) for lane in self._lanes), return_exceptions=True
            )
        for ending in endings:
            if ending is not None:
                raise ending

    async def _run(self, lane: Any) -> None:
        """Run one lane; when it fails, stop the others, so that all connect again together."""
        is_done = False
        try:
            await lane.run()
            is_done = self._options.until_idle
        finally:
            if not is_done:
                self._stop_lanes()

    def _lane(self, app: App, name: str, concurrency: int) -> Worker:
        return Worker(
            app=app,
            queues=[name],
            name=name,
            concurrency=concurrency,
            wait=not self._options.until_idle,
            delete_jobs="always",
            listen_notify=False,
            fetch_job_polling_interval=POLL_SECONDS,
            install_signal_handlers=False,
            # With until_idle, a lane that found the queue empty waits for the runs of the other.
            shutdown_graceful_timeout=None
            if self._options.until_idle
            else self._options.grace_seconds,
        )

    def _shut_down(self, signum: int, working: asyncio.Task[None]) -> None:
        if not self.signal:
            self.signal = signum
            self._cancel_when_idle(working)
        self._stop_lanes()

    def _cancel_when_idle(self, working: asyncio.Task[None]) -> None:
        """Cancel the worker some seconds after its last run.

        Procrastinate unregisters the worker in its database: forty seconds when that is down.
        """
        now = time.monotonic()
        self._idle_since = idle_since(self._idle_since, now, is_busy=bool(self._executing))
        if is_disconnect_overdue(self._idle_since, now):
            working.cancel()
        asyncio.get_running_loop().call_later(POLL_SECONDS, self._cancel_when_idle, working)

    def _stop_lanes(self) -> None:
        # Lanes only stop taking jobs. Runs are stopped by their heartbeats, after the grace period.
        self._runs_until = time.monotonic() + self._options.grace_seconds
        for lane in self._lanes:
            lane.stop()

    def _is_grace_over(self) -> bool:
        return self._runs_until is not None and time.monotonic() > self._runs_until

    def _add_runs(self, app: App) -> None:
        @app.task(name=queue.RUN, queue=queue.RUNS, pass_context=True)
        def run(job: JobContext, run_id: str) -> None:
            context = RunContext(
                worker=worker_name(),
                should_stop=lambda: job.should_abort() or self._is_grace_over(),
                time_slice=self._options.time_slice,
            )
            self._executing.add(context.worker)
            began = time.monotonic()
            try:
                ended = execute(self._installation, uuid.UUID(run_id), context)
            except KeysUnusableError as error:
                self._give_up(error, uuid.UUID(run_id))
                return
            finally:
                self._executing.discard(context.worker)
            if ended is not None:
                run_lines.ended(ended, time.monotonic() - began).log_to(log)

    def _give_up(self, error: KeysUnusableError, run_id: uuid.UUID) -> None:
        """Leave a run to a worker that has the keys, and shut down."""
        with self._installation.store.begin() as session:
            queue.defer(self._installation.store, session, run_id)
        if self.failure is None and self._loop is not None:
            self.failure = error
            self._loop.call_soon_threadsafe(self._stop_lanes)

    def _add_jobs(self, app: App) -> None:
        def is_stopping() -> bool:
            return self._runs_until is not None

        for name, (cron, job) in JOBS.items():
            do = partial(job, self._installation, options=self._options, should_stop=is_stopping)
            task = app.task(name=name, queue=queue.UPKEEP, queueing_lock=name)
            app.periodic(cron=cron)(task(_exclusive(self._installation, name, do)))


def _exclusive(
    installation: Installation, name: str, do: Callable[[datetime], object]
) -> Callable[[int], None]:
    """Return a job that does nothing while an earlier round of it is still running anywhere.

    Procrastinate's own lock is not enough: it would stay locked when its worker dies.
    """

    def once(timestamp: int) -> None:
        del timestamp  # the scheduled moment, which Procrastinate passes
        try:
            with try_locks(installation.store, f"scout round {name}") as is_free:
                if is_free:
                    do(datetime.now(UTC))
        except ControlError as error:
            log.warning("job_failed name=%r: %s", name, error)

    return once
