"""Runs: executed here or queued for a worker, shown, cancelled."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.api import run_list, views
from scout_control.errors import ConflictError, RunPausedError
from scout_control.installation import stored_secrets
from scout_control.meltano import trusted_files
from scout_control.rules.statuses import ON_REQUEST, RunStatus, Trigger
from scout_control.runs import execute, prepare
from scout_control.runs.context import (
    ProgressEvent,
    RunContext,
    has_died,
    is_interrupted,
    worker_name,
)
from scout_control.scheduler import maintenance
from scout_control.store import (
    audit,
    datasets,
    lookups,
    models,
    queue,
    run_cancellation,
    run_logs,
    runs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.store.database import Store

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.5
LogPosition = tuple[int, int, int]
"""Attempt, chunk, and how many lines of it: what was read of a run's log."""
BEGINNING: LogPosition = (0, 0, 0)


class RunLogReader:
    """Reads the log of a run in pieces, each line once."""

    def __init__(self, store: Store, run: views.Run, position: LogPosition = BEGINNING) -> None:
        self.run_id = run.run_id
        self.position = position
        self._store = store

    def lines(self) -> Iterator[views.LogLine]:
        """Yield the lines since the last call."""
        with self._store.begin() as session:
            chunks = run_logs.read(session, uuid.UUID(self.run_id), self.position)
        for chunk in chunks:
            attempt, number, _ = self.position
            if chunk.attempt == attempt and chunk.number > number + 1:
                yield views.LogLine.gap(chunk.entries[0].at if chunk.entries else "")
            yield from (views.LogLine.of(each) for each in chunk.entries)
            self.position = (chunk.attempt, chunk.number, chunk.total)


@dataclass(frozen=True)
class Runs:
    """Executions for datasets."""

    _installation: Installation

    def list(self, *, dataset: str | None = None, limit: int = 20) -> list[views.Run]:
        """Return the latest runs, the newest first."""
        return run_list.latest(self._installation, dataset=dataset, limit=limit)

    def show(self, run_id: str) -> views.Run:
        """Return one run.

        Raises:
            NotFoundError: No run has this id.
        """
        with self._installation.store.begin() as session:
            return views.Run.of(lookups.run(session, run_id))

    def logs(self, run_id: str) -> Sequence[views.LogLine]:
        """Return the lines of a run's log.

        Args:
            run_id: The id of the run or its beginning, or a dataset for its latest run.

        Raises:
            NotFoundError: There is no such run.
        """
        return tuple(RunLogReader(self._installation.store, self.show(run_id)).lines())

    def follow(
        self, run_id: str, *, on_status: Callable[[views.Run], None] = lambda _: None
    ) -> Iterator[views.LogLine]:
        """Yield the lines of a run's log as they come, until the run has ended or paused.

        Args:
            run_id: As for ``logs``.
            on_status: Called with the run as it is, about once a second.

        Raises:
            NotFoundError: There is no such run.
        """
        reader = RunLogReader(self._installation.store, self.show(run_id))
        while True:
            run = self.show(reader.run_id)
            on_status(run)
            yield from reader.lines()
            if RunStatus(run.status) not in {RunStatus.QUEUED, RunStatus.RUNNING}:
                return
            time.sleep(FOLLOW_SECONDS)

    def waiting_before(self, run_id: str) -> int:
        """Return how many queued runs have waited longer for a worker than this one."""
        with self._installation.store.begin() as session:
            return runs.waiting_before(session, lookups.run(session, run_id))

    def queue(self, dataset: str, *, full_refresh: bool = False) -> views.Run:
        """Queue a run for a worker, or return the one that has not ended yet."""
        with self._installation.store.begin() as session:
            run = _request(session, dataset, full_refresh=full_refresh)
            if run.status == RunStatus.QUEUED:
                queue.defer(self._installation.store, session, run.id)
            return views.Run.of(run)

    def execute(
        self,
        dataset: str,
        *,
        full_refresh: bool = False,
        early: bool = False,
        on_progress: Callable[[ProgressEvent], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        stop_reason: Callable[[], str | None] = lambda: None,
        log_file: Path | None = None,
    ) -> views.Run:
        """Run a dataset here and now, and return the run as it ended.

        Args:
            dataset: By project/source, project/source/user, schema or id.
            full_refresh: Discard the state and read everything.
            early: Resume a paused run now.
            on_progress: Called on every change of phase or counts; its exceptions are logged.
            should_stop: Called every two seconds; once it returns true, the run is requeued.
            stop_reason: Returns why ``should_stop`` is true, for the run's log and its ``wait``.
            log_file: Receives the full output of Meltano and its plugins.

        Raises:
            ConflictError: The dataset is already being loaded or dropped.
            RunPausedError: The run is paused, and its time has not come.
            SettingsError: The log file is a link, or belongs to another account; or no encryption
                key fits what is stored.
        """
        stored_secrets.check_keys(self._installation)  # before a run is requested
        if log_file is not None:
            trusted_files.private_file(log_file, append=True).close()
        run = self._unfinished_run(dataset, full_refresh=full_refresh)
        _check_can_start(run, early=early)
        context = RunContext(
            worker=worker_name(),
            on_progress=_never_failing(on_progress),
            should_stop=should_stop,
            stop_reason=stop_reason,
            early=early,
            log_file=log_file,
        )
        ended = execute.execute(self._installation, run.id, context)
        if ended is None:
            raise ConflictError(
                f"{lookups.path(run.dataset)} is being loaded or dropped elsewhere.",
                f"Its run {run.id} is queued; see: scout runs show {run.id}",
            )
        return views.Run.of(ended)

    def _unfinished_run(self, dataset: str, *, full_refresh: bool) -> models.Run:
        """Return the dataset's run that has not ended, or a new one; reclaim it from a dead worker.

        An installation without a worker process has nothing else that would reclaim it.
        """
        run = self._requested(dataset, full_refresh=full_refresh)
        now = datetime.now(UTC)
        # Its lock decides: one whose process has just ended need not have missed a heartbeat yet.
        if is_interrupted(run.status, run.worker, run.heartbeat_at, now) or (
            run.status == RunStatus.RUNNING and has_died(run.worker)
        ):
            maintenance.reclaim_one(self._installation, run, now)
            return self._requested(dataset, full_refresh=full_refresh)
        return run

    def _requested(self, dataset: str, *, full_refresh: bool) -> models.Run:
        with self._installation.store.begin() as session:
            return _request(session, dataset, full_refresh=full_refresh)

    def cancel(self, run_id: str, *, reason: str = ON_REQUEST) -> views.Run:
        """Cancel a run; what it committed stays.

        Args:
            run_id: The id of the run or its beginning, or a dataset for its latest run.
            reason: What is shown with the run.

        Raises:
            NotFoundError: No run has this id.
            ConflictError: It has already ended.
        """
        return views.Run.of(run_cancellation.cancel(self._installation.store, run_id, reason))


def _request(session: Session, dataset: str, *, full_refresh: bool) -> models.Run:
    """Return the run of a dataset that has not ended, or a new one, queued."""
    found = lookups.dataset(session, dataset)
    if not found.project_source.is_active:
        raise prepare.unlinked(found)
    names = audit.of_dataset(found)
    audit.record(session, "asked for", "dataset", found.id, **names, full_refresh=full_refresh)
    runs.queue(session, found.id, Trigger.MANUAL, full_refresh=full_refresh)
    datasets.touch(session, found.id, datetime.now(UTC))  # a request counts as use
    run = runs.alive(session, found.id)
    if run is None:
        raise ConflictError(f"The run of {lookups.path(found)} has just ended.", "Try again.")
    if full_refresh and run.status == RunStatus.QUEUED:
        run.is_full_refresh = True
    return run


def _never_failing(
    on_progress: Callable[[ProgressEvent], None],
) -> Callable[[ProgressEvent], None]:
    """Return the callback with its exceptions logged: a broken display must not fail a load."""

    def report(event: ProgressEvent) -> None:
        try:
            on_progress(event)
        except Exception as error:  # noqa: BLE001 - the caller's code may raise anything
            log.warning("progress_not_delivered error=%s", type(error).__name__)

    return report


def _check_can_start(run: models.Run, *, early: bool) -> None:
    path = lookups.path(run.dataset)
    if run.status == RunStatus.RUNNING:
        raise ConflictError(
            f"{path} is already running, on {run.worker}.",
            f"See: scout runs show {run.id}; or cancel it: scout runs cancel {run.id}",
        )
    if run.resume_at is not None and run.resume_at > datetime.now(UTC) and not early:
        moment = run.resume_at.strftime("%Y-%m-%d %H:%M:%SZ")
        raise RunPausedError(
            f"{path} is paused until {moment}: its source is rate-limiting.",
            f"Run it again after {moment}, or use --early.",
        )
