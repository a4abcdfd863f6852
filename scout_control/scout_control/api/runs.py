"""Runs: started here or queued for a worker, looked at, cancelled."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.api import views
from scout_control.errors import ConflictError, RunPausedError
from scout_control.meltano import trusted_files
from scout_control.rules.expiry import is_dead
from scout_control.rules.statuses import RunStatus, Trigger
from scout_control.runs import execute, prepare
from scout_control.runs.execute import Caller, Step, caller_name
from scout_control.scheduler import maintenance
from scout_control.store import audit, datasets, lookups, models, queue, run_cancellation, runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Site


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runs:
    """Executions for datasets."""

    _site: Site

    def list(self, *, dataset: str | None = None, limit: int = 20) -> list[views.Run]:
        """Return the latest runs, the newest first."""
        with self._site.store.begin() as session:
            dataset_id = lookups.dataset(session, dataset).id if dataset else None
            return [views.Run.of(each) for each in runs.latest(session, limit, dataset_id)]

    def show(self, run_id: str) -> views.Run:
        """Return one run.

        Raises:
            NotFoundError: There is none of that id.
        """
        with self._site.store.begin() as session:
            return views.Run.of(lookups.run(session, run_id))

    def queue(self, dataset: str, *, full_refresh: bool = False) -> views.Run:
        """Queue a run for a worker, or return the one that is alive already."""
        with self._site.store.begin() as session:
            run = _alive(session, dataset, full_refresh=full_refresh)
            if run.status == RunStatus.QUEUED:
                queue.defer(self._site.store, session, run.id)
            return views.Run.of(run)

    def execute(
        self,
        dataset: str,
        *,
        full_refresh: bool = False,
        early: bool = False,
        on_progress: Callable[[Step], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        log_file: Path | None = None,
    ) -> views.Run:
        """Run a dataset here and now, and return the run as it ended.

        Args:
            dataset: By project/source, project/source/user, schema or id.
            full_refresh: Forget the state and read everything.
            early: Continue a paused run before its time.
            on_progress: Is told of every step; a run goes on when it fails.
            should_stop: Is asked every two seconds; the run is then handed back to the queue.
            log_file: Where all that Meltano and its plugins say is kept.

        Raises:
            ConflictError: It is running somewhere already.
            RunPausedError: It is paused, and its time has not come.
            SettingsError: The log file is a link, or belongs to another account.
        """
        if log_file is not None:
            trusted_files.private_file(log_file, append=True).close()
        run = self._asked_for(dataset, full_refresh=full_refresh)
        now = datetime.now(UTC)
        if run.status == RunStatus.RUNNING and (
            is_dead(run.heartbeat_at, now) or execute.has_died(run.worker)
        ):
            maintenance.take_over_one(self._site, run, now)  # perhaps there is no worker to do it
            run = self._asked_for(dataset, full_refresh=full_refresh)
        _check_free(run, early=early)
        caller = Caller(
            name=caller_name(),
            on_step=_heard(on_progress),
            should_stop=should_stop,
            early=early,
            log_file=log_file,
        )
        if execute.execute(self._site, run.id, caller) is None:
            raise ConflictError(
                f"{lookups.path(run.dataset)} is being loaded or dropped elsewhere.",
                f"Its run {run.id} is queued; see: scout runs show {run.id}",
            )
        return self.show(str(run.id))

    def _asked_for(self, dataset: str, *, full_refresh: bool) -> models.Run:
        with self._site.store.begin() as session:
            return _alive(session, dataset, full_refresh=full_refresh)

    def cancel(self, run_id: str) -> views.Run:
        """Cancel a run; what it committed stays.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It has ended already.
        """
        return views.Run.of(run_cancellation.cancel(self._site.store, run_id))


def _alive(session: Session, dataset: str, *, full_refresh: bool) -> models.Run:
    """Return the living run of a dataset, queued when there is none."""
    found = lookups.dataset(session, dataset)
    if not found.project_source.is_active:
        raise prepare.unlinked(found)
    names = audit.of_dataset(found)
    audit.record(session, "asked for", "dataset", found.id, **names, full_refresh=full_refresh)
    runs.queue(session, found.id, Trigger.MANUAL, full_refresh=full_refresh)
    datasets.touch(session, found.id, datetime.now(UTC))  # whoever asks for data uses it
    run = runs.alive(session, found.id)
    if run is None:
        raise ConflictError("Its run has just ended.", "Try again.")
    if full_refresh and run.status == RunStatus.QUEUED:
        run.is_full_refresh = True
    return run


def _heard(on_progress: Callable[[Step], None]) -> Callable[[Step], None]:
    """Return what tells of steps whatever becomes of the telling."""

    def tell(step: Step) -> None:
        try:
            on_progress(step)
        except Exception as error:  # noqa: BLE001 - whatever the caller's own code may raise
            log.warning("progress_not_delivered error=%s", type(error).__name__)

    return tell


def _check_free(run: models.Run, *, early: bool) -> None:
    path = lookups.path(run.dataset)
    if run.status == RunStatus.RUNNING:
        raise ConflictError(
            f"{path} is running already, on {run.worker}.",
            f"See: scout runs show {run.id}; or cancel it.",
        )
    if run.resume_at is not None and run.resume_at > datetime.now(UTC) and not early:
        moment = run.resume_at.strftime("%Y-%m-%d %H:%M:%SZ")
        raise RunPausedError(
            f"{path} is paused until {moment}, as its source asked.",
            f"Run it again after {moment}, or use --early.",
        )
