"""A worker: takes runs from the queue, does upkeep, and ends when it is told to.

Runs and upkeep have lanes of their own, so that long loads never keep the schedule waiting. A
worker outlives restarts of the database; a run that it had to drop is taken over.
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
from typing import TYPE_CHECKING, Any

from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from scout_control.errors import ControlError
from scout_control.worker import queue, upkeep
from scout_control.worker.executing import Caller, caller_name, execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.worker.site import Site

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
    idle: timedelta = timedelta(hours=24)
    until_idle: bool = False
    """End when the queue is empty."""


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
        loop.set_default_executor(ThreadPoolExecutor(self._options.concurrency + 4))
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
        _add_tasks(app, self._site, self._options, self._is_over, self._executing)
        async with app.open_async():
            lanes = [(queue.RUNS, self._options.concurrency), (queue.UPKEEP, 1)]
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


def _add_tasks(
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

        caller = Caller(name=caller_name(), should_stop=should_stop)
        executing.add(caller.name)
        try:
            execute(site, uuid.UUID(run_id), caller)
        finally:
            executing.discard(caller.name)

    rounds: tuple[tuple[str, str, Callable[[datetime], object]], ...] = (
        ("take over", EVERY_MINUTE, lambda now: upkeep.take_over(site, now)),
        ("ask again", EVERY_MINUTE, lambda now: upkeep.ask_again(site, now)),
        ("start due", EVERY_5_MINUTES, lambda now: upkeep.start_due(site, now)),
        ("renew tokens", EVERY_15_MINUTES, lambda now: upkeep.renew_tokens(site, now)),
        ("expire", HOURLY, lambda now: upkeep.expire(site, now, options.idle)),
        ("end logins", HOURLY, lambda _: upkeep.end_logins(site)),
        ("purge", DAILY, lambda now: upkeep.purge(site, now)),
    )
    for name, cron, do in rounds:
        task = app.task(name=name, queue=queue.UPKEEP, queueing_lock=name)(_round(name, do))
        app.periodic(cron=cron)(task)


def _round(name: str, do: Callable[[datetime], object]) -> Callable[[int], None]:
    def once(timestamp: int) -> None:  # noqa: ARG001 - the moment that it was meant for
        try:
            do(datetime.now(UTC))
        except ControlError as error:
            log.warning("round_failed name=%r: %s", name, error)

    return once
