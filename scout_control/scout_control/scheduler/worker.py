"""A worker: takes runs from the queue, does upkeep, and ends when it is told to.

Runs and upkeep have separate lanes, and upkeep has one for each of its rounds: neither long loads
nor one round that waits for something keep the schedule waiting. A worker outlives restarts of the
database; a run that it had to drop is taken over.
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

from scout_control.datasets import deletion
from scout_control.errors import ControlError
from scout_control.rules import fairness
from scout_control.runs.execute import Caller, caller_name, execute
from scout_control.scheduler import maintenance
from scout_control.store import queue
from scout_control.store.locks import try_locks

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.installation.installation import Site

log = logging.getLogger(__name__)

# minute hour day month weekday; each on any number of workers, deferred once a moment
EVERY_MINUTE, EVERY_5_MINUTES, EVERY_15_MINUTES = "* * * * *", "*/5 * * * *", "*/15 * * * *"
HOURLY, DAILY = "7 * * * *", "23 3 * * *"
LOOK_AGAIN_SECONDS = 2.0
# How long one that has nothing to do says goodbye to a database that may be gone.
GOODBYE_SECONDS = 3.0
# Workers look for work instead of listening: any role of the database may notify whatever it likes.
LOOK_FOR_WORK_SECONDS = 1.0
CONNECTIONS: dict[str, Any] = {"min_size": 1, "max_size": 6, "timeout": 20.0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a worker works."""

    concurrency: int = 2
    grace_seconds: float = 60.0
    """How long runs may go on after the worker was told to end; then they are handed back."""
    slice_of_time: timedelta = fairness.TIME_SLICE
    """How long a run keeps its lane while other owners wait for one."""
    idle: timedelta = timedelta(hours=24)
    until_idle: bool = False
    """End when the queue is empty."""


class Round(Protocol):
    """What is done again and again."""

    def __call__(
        self, site: Site, now: datetime, *, options: Options, should_stop: Callable[[], bool]
    ) -> object:
        """Do it once."""


def _plainly(do: Callable[[Site, datetime], object]) -> Round:
    """Return a round of what needs nothing but the time, and takes none."""
    return lambda site, now, **_: do(site, now)


ROUNDS: dict[str, tuple[str, Round]] = {
    "take over": (EVERY_MINUTE, _plainly(maintenance.take_over)),
    "ask again": (EVERY_MINUTE, _plainly(maintenance.ask_again)),
    "start due": (EVERY_5_MINUTES, _plainly(maintenance.start_due)),
    "renew tokens": (
        EVERY_15_MINUTES,
        lambda site, now, *, options, should_stop: maintenance.renew_tokens(site, now, should_stop),  # noqa: ARG005
    ),
    "expire": (
        EVERY_MINUTE,
        lambda site, now, *, options, should_stop: maintenance.expire(
            site, now, options.idle, should_stop
        ),
    ),
    "end logins": (HOURLY, _plainly(lambda site, _now: maintenance.end_logins(site))),
    "purge": (DAILY, _plainly(maintenance.purge)),
    "remove roles": (DAILY, _plainly(lambda site, _now: deletion.drop_retired_roles(site))),
}


def work(site: Site, options: Options) -> int:
    """Work until nothing is left to do, or SIGTERM or SIGINT; return which one, or 0.

    Signals are for the main thread: in another one nothing but an empty queue ends it.

    Raises:
        ControlError: The store is not there.
    """
    with site.store.begin() as session:
        queue.waiting(session)
    working = _Working(site, options)
    asyncio.run(working.run())
    return working.told_by


class _Working:
    """One worker process."""

    def __init__(self, site: Site, options: Options) -> None:
        self._site, self._options = site, options
        self.told_by = 0
        self._runs_until: float | None = None
        self._lanes: list[Any] = []  # Procrastinate's Worker has few types
        self._executing: set[object] = set()
        self._idle_since: float | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._options.concurrency + len(ROUNDS) + 4))
        working = asyncio.create_task(self._work())
        is_process = threading.current_thread() is threading.main_thread()
        for signum in (signal.SIGTERM, signal.SIGINT) if is_process else ():
            loop.add_signal_handler(signum, self._end, signum, working)
        with suppress(asyncio.CancelledError):
            await working

    async def _work(self) -> None:
        while not self.told_by:
            try:
                await self._work_once()
            except (ConnectorException, OSError) as error:
                log.warning("queue_lost error=%s", type(error).__name__)
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
            else:
                if self._options.until_idle:
                    return

    async def _work_once(self) -> None:
        app = App(connector=queue.connector(self._site.store, **CONNECTIONS))
        _add_runs(app, self._site, self._options, self._is_over, self._executing)
        _add_rounds(app, self._site, self._options, lambda: self._runs_until is not None)
        async with app.open_async():
            lanes = [(queue.RUNS, self._options.concurrency), (queue.UPKEEP, len(ROUNDS))]
            self._runs_until = None
            self._lanes = [self._lane(app, name, concurrency) for name, concurrency in lanes]
            if self.told_by:
                return
            endings = await asyncio.gather(
                *(self._run(lane) for lane in self._lanes), return_exceptions=True
            )
        for ending in endings:
            if ending is not None:
                raise ending

    async def _run(self, lane: Any) -> None:
        """Run one lane; when it breaks, or gives up, let the others end too."""
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
            fetch_job_polling_interval=LOOK_FOR_WORK_SECONDS,
            install_signal_handlers=False,
            # One that ends when it is idle waits for its runs; see ``_is_over``.
            shutdown_graceful_timeout=None
            if self._options.until_idle
            else self._options.grace_seconds,
        )

    def _end(self, signum: int, working: asyncio.Task[None]) -> None:
        if not self.told_by:
            self.told_by = signum
            self._leave(working)
        self._stop_lanes()

    def _leave(self, working: asyncio.Task[None]) -> None:
        """Wait for a database that does not answer no longer than runs do."""
        now = time.monotonic()
        self._idle_since = None if self._executing else self._idle_since or now
        if self._idle_since is not None and now - self._idle_since >= GOODBYE_SECONDS:
            working.cancel()
        asyncio.get_running_loop().call_later(LOOK_FOR_WORK_SECONDS, self._leave, working)

    def _is_over(self) -> bool:
        """Tell whether runs must be handed back: some time after the lanes were told to stop."""
        return self._runs_until is not None and time.monotonic() > self._runs_until

    def _stop_lanes(self) -> None:
        self._runs_until = time.monotonic() + self._options.grace_seconds
        for lane in self._lanes:
            lane.stop()


def _add_runs(
    app: App,
    site: Site,
    options: Options,
    is_over: Callable[[], bool],
    executing: set[object],
) -> None:
    @app.task(name=queue.RUN, queue=queue.RUNS, pass_context=True)
    def run(context: JobContext, run_id: str) -> None:
        def should_stop() -> bool:
            return context.should_abort() or is_over()

        caller = Caller(
            name=caller_name(), should_stop=should_stop, slice_of_time=options.slice_of_time
        )
        executing.add(caller.name)
        try:
            execute(site, uuid.UUID(run_id), caller)
        finally:
            executing.discard(caller.name)


def _add_rounds(app: App, site: Site, options: Options, is_stopping: Callable[[], bool]) -> None:
    for name, (cron, do) in ROUNDS.items():
        begin = partial(do, site, options=options, should_stop=is_stopping)
        task = app.task(name=name, queue=queue.UPKEEP, queueing_lock=name)
        app.periodic(cron=cron)(task(_round(site, name, begin)))


def _round(site: Site, name: str, begin: Callable[[datetime], object]) -> Callable[[int], None]:
    """Return a round that does nothing while an earlier one of its name is still at work.

    The lock of Procrastinate would last when its worker died.
    """

    def once(timestamp: int) -> None:  # noqa: ARG001 - the moment that it was meant for
        try:
            with try_locks(site.store, f"scout round {name}") as is_free:
                if is_free:
                    begin(datetime.now(UTC))
        except ControlError as error:
            log.warning("round_failed name=%r: %s", name, error)

    return once
