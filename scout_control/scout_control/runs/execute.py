"""Executes one run: provision, discover, load, transform, finish.

The dataset's lock is held from before anything is provisioned until the end of the run is written.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from scout_control.datasets import aliases, reads, row_counts, schemas
from scout_control.errors import ControlError, NotFoundError, RunFailedError, ServerError
from scout_control.installation import stored_secrets
from scout_control.meltano.process import MeltanoProcess
from scout_control.rules import session_settings, singer_catalog
from scout_control.rules.expiry import MAX_STORE_OUTAGE
from scout_control.rules.statuses import Phase, RunStatus
from scout_control.runs import finish, prepare, rule_outcomes, run_result
from scout_control.runs.heartbeat import (
    REQUEUE_AFTER,
    Heartbeat,
    LossReason,
    RunLostError,
)
from scout_control.runs.progress import RunProgress
from scout_control.runs.run_log import RunLogWriter
from scout_control.runs.run_result import RunResult
from scout_control.store import lookups, queue, runs
from scout_control.store.locks import LONGEST_DEATH_SECONDS, Locks, credential_lock, dataset_lock

if TYPE_CHECKING:
    from scout_control.datasets.provision import ProvisionedSchema
    from scout_control.installation.installation import Installation
    from scout_control.meltano.process import Pipeline, ProcessResult
    from scout_control.meltano.reports import Report
    from scout_control.runs.context import ProgressEvent, RunContext
    from scout_control.runs.prepare import Preparation
    from scout_control.store.models import Run

log = logging.getLogger(__name__)

LONGEST_DESCRIBING_SECONDS = 300.0
RETRY_END_SECONDS = 5.0
RETRY_DATASET_AFTER = timedelta(seconds=5)
DATASET_IN_USE = "the dataset is being loaded or dropped by another process"


def execute(installation: Installation, run_id: uuid.UUID, context: RunContext) -> Run | None:
    """Execute a waiting run if it is due, and return it as it ended.

    Returns:
        None when there was nothing to do: no such run, not its time, or its dataset is locked.

    Raises:
        KeysUnusableError: No encryption key fits what is stored; the run waits as before.
        ServerError: The store does not answer.
    """
    stored_secrets.check_keys(installation)
    with closing(Locks(installation.store)) as locks:
        try:
            run = _claim(installation, run_id, context, locks)
            if run is None:
                return None
            timeout_seconds = finish.seconds_left(run.result, context.timeout_seconds)
            context = replace(context, timeout_seconds=timeout_seconds)
            with RunLogWriter(installation.store, run, context.worker) as run_log:
                Attempt(
                    installation=installation, run=run, context=context, locks=locks, log=run_log
                ).execute()
            with installation.store.begin() as session:
                return lookups.run(session, str(run_id))
        except NotFoundError:
            return None


def attempt_ids(run_id: uuid.UUID, attempts: int) -> list[str]:
    """Return the ids under which the attempts at a run load, the present one last.

    They are derived from the run's id, so that the rows that attempts on other machines loaded can
    be counted too.
    """
    return [str(uuid.uuid5(run_id, str(number))) for number in range(1, attempts + 1)]


def _claim(
    installation: Installation, run_id: uuid.UUID, context: RunContext, locks: Locks
) -> Run | None:
    with installation.store.begin() as session:
        waiting = lookups.run(session, str(run_id))
    # The lock comes first: a claimed run whose dataset is locked would look like a dead one.
    if not locks.acquire(dataset_lock(waiting.dataset_id), LONGEST_DEATH_SECONDS):
        _retry_later(installation, waiting)
        return None
    with installation.store.begin() as session:
        return runs.claim(session, run_id, context.worker, datetime.now(UTC), early=context.early)


def _retry_later(installation: Installation, run: Run) -> None:
    """Queue another look at a run whose dataset is locked: the holder may be about to end."""
    if run.status == RunStatus.QUEUED:
        until = datetime.now(UTC) + RETRY_DATASET_AFTER
        with installation.store.begin() as session:
            queue.defer(installation.store, session, run.id, until)
            runs.explain_wait(session, run.id, DATASET_IN_USE, until)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a run that this worker has claimed."""

    installation: Installation
    run: Run
    context: RunContext
    locks: Locks
    log: RunLogWriter

    def execute(self) -> None:
        """Execute the phases of the run and write how it ended."""
        try:
            result = self._execute_phases()
        except RunLostError as lost:
            self._give_up(lost.reason)
        else:
            self.log.say(run_result.summary(result))
            self.log.close()  # before the run is over: who follows it then has all lines
            self._finish(result)

    def _finish(self, result: RunResult) -> None:
        """Write how the run ended, also when the store is away or full for a moment.

        Raises:
            ServerError: The store did not answer in time; the run is reclaimed when it does.
        """
        until = time.monotonic() + MAX_STORE_OUTAGE.total_seconds()
        while True:
            try:
                finish.finish(self.installation, self.run, self.context.worker, result)
            except ServerError as error:
                if time.monotonic() > until or self.context.should_stop():
                    raise
                log.warning("run_end_not_stored_yet run=%s: %s", self.run.id, error.cause)
                time.sleep(RETRY_END_SECONDS)
            else:
                return

    @cached_property
    def _progress(self) -> RunProgress:
        return RunProgress(self.run.dataset.project_source.source.name)

    def _report(self, event: ProgressEvent) -> None:
        self.log.progress(event)
        self.context.on_progress(event)

    def _give_up(self, reason: LossReason) -> None:
        why = self.context.stop_reason() if reason is LossReason.STOPPED else None
        why = why or str(reason)
        self.log.say(f"Stopped: {why}.")
        self.log.close()
        wait = REQUEUE_AFTER.get(reason)
        if wait is not None:
            found = self._with_progress(RunResult(rows_loaded=self._progress.committed()))
            finish.requeue(self.installation, self.run, self.context.worker, wait, why, found)

    def _execute_phases(self) -> RunResult:
        """Return how the run ended; an error in any phase is an end, too."""
        known = RunResult()
        try:
            self._report(self._progress.enter(Phase.STARTED))
            with prepare.prepared(self.installation, self.run) as preparation:
                known = run_result.started(preparation)
                result = self._provision_and_load(preparation, known)
                return self._with_progress(result)
        except ControlError as error:
            return self._with_progress(replace(known, error=error))
        except OSError as error:  # such as a full disk, or one that became read-only
            where = f" at {error.filename}" if error.filename else ""
            cause = f"This machine could not continue the run: {error.strerror}{where}."
            stopped = ServerError(cause, "Correct the cause; see: scout doctor")
            return self._with_progress(replace(known, error=stopped))
        except RunLostError:
            raise
        except BaseException as error:
            # A run that is left running blocks its dataset until it is reclaimed, which would
            # repeat an internal error several times over.
            internal = RunFailedError(
                f"Internal error during the run ({type(error).__name__}).", "See the worker's log."
            )
            with suppress(ControlError):
                failed = replace(known, error=internal)
                self.log.say(run_result.summary(failed))
                self.log.close()
                finish.finish(self.installation, self.run, self.context.worker, failed)
            raise

    def _with_progress(self, result: RunResult) -> RunResult:
        return replace(
            result,
            seconds=self._progress.seconds(),
            notices=[
                replace(each, text=self.log.redacted(each.text)) for each in self._progress.notices
            ],
            column_rules=self._progress.column_rules,
        )

    def _provision_and_load(self, preparation: Preparation, known: RunResult) -> RunResult:
        # Two runs with one rotating credential would each make the other's token invalid.
        credential = preparation.credential
        if credential.rotates and not self.locks.acquire(credential_lock(credential.credential_id)):
            raise RunLostError(LossReason.CREDENTIAL_IN_USE)
        schema = self.run.dataset.schema_name
        self._report(self._progress.enter(Phase.PROVISIONING))
        if self.run.attempt == 1:
            reads.collect(self.installation, [self.run.dataset_id])
        with schemas.provisioned_schema(self.installation, self.run.dataset, self.locks) as place:
            if self.run.is_full_refresh and self.run.attempt == 1:
                # Later attempts resume from the bookmarks of the first one, else a full refresh
                # that is longer than a time slice would never end.
                schemas.delete_state(self.installation, schema)
            result = self._load_and_transform(preparation, place, known)
            for problem in aliases.refresh(self.installation, self.run.dataset):
                log.warning("%s", problem)
                self.log.say(problem)
            return result

    def _load_and_transform(
        self, preparation: Preparation, place: ProvisionedSchema, known: RunResult
    ) -> RunResult:
        source_type = preparation.source_type
        transforms = source_type.transforms
        progress = self._progress
        progress.source, progress.has_transforms = source_type.label, bool(transforms)
        heartbeat = Heartbeat(
            self.installation, self.run, self.context, self.locks, preparation, progress
        )
        pipeline = prepare.pipeline(
            self.installation, self.run, preparation, place, self.context.log_file
        )
        self.log.redact(pipeline.quoting.secrets)
        self._report(progress.enter(Phase.DISCOVERING))
        loaded = self._follow(pipeline, heartbeat, progress)
        if not (transforms and loaded.error):
            self._report(progress.enter(Phase.FINISHING))
        result = self._count(preparation, loaded, heartbeat.catalog, known)
        if transforms and loaded.error and result.is_partial:
            # Meltano skips the transforms when a stream failed; the others still need theirs.
            rest = replace(pipeline, blocks=transforms, append=True)
            self._report(progress.enter(Phase.TRANSFORMING))
            result = run_result.with_transforms(result, self._follow(rest, heartbeat, progress))
            self._report(progress.enter(Phase.FINISHING))
        if not transforms:
            _describe(self.installation, self.run, place)
        return result

    def _follow(
        self, pipeline: Pipeline, heartbeat: Heartbeat, progress: RunProgress
    ) -> ProcessResult:
        """Follow a process of Meltano to its end.

        Raises:
            RunLostError: The run was cancelled, reclaimed, or is to be requeued.
        """

        def report(reported: Report | Phase) -> None:
            if event := progress.update(reported):
                self._report(event)

        process = MeltanoProcess(pipeline, attempt_ids(self.run.id, self.run.attempt)[-1])
        with process.started(), heartbeat.watch(process):
            return process.follow(report, self.context.timeout_seconds, self.log.read)

    def _count(
        self,
        preparation: Preparation,
        loaded: ProcessResult,
        catalog: bytes | None,
        known: RunResult,
    ) -> RunResult:
        """Return the result of a load, with what it committed: the tap's own counts may be more."""
        dataset = self.run.dataset
        metadata = () if loaded.error else preparation.source_type.metadata_streams
        with self.installation.store.begin() as session:
            doubted = rule_outcomes.doubted(session, self.run, self._progress.column_rules)
        attempts = attempt_ids(self.run.id, self.run.attempt)
        committed = row_counts.read(self.installation, dataset, attempts, metadata, doubted)
        streams = singer_catalog.streams(catalog)
        unknown = prepare.unknown_streams(dataset, singer_catalog.ids(streams))
        return run_result.result_of_load(known, loaded, committed, streams, unknown)


def _describe(installation: Installation, run: Run, place: ProvisionedSchema) -> None:
    """Write the data dictionary of a source that has no transforms to do it.

    It connects as the writer, whose tables may be anything: a query that hangs on them is ended
    with the writer's login.
    """
    import psycopg2
    from scout_dbt import api

    deadline = threading.Timer(
        LONGEST_DESCRIBING_SECONDS, schemas.disable_writer, (installation, run.dataset)
    )
    deadline.start()
    try:
        url = place.url(installation.server_url_of(run.dataset))
        api.refresh_dictionary(url, place.schema, session_settings.options(session_settings.WRITER))
    except psycopg2.Error as error:
        log.warning("not_described schema=%s error=%s", place.schema, type(error).__name__)
    finally:
        deadline.cancel()
