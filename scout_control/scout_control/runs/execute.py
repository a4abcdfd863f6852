"""Executes one run: provision, discover, load, transform; and writes down how it ended.

The dataset's lock is held from before anything is provisioned until the end is written down; the
lock of a login whose tokens rotate, too.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scout_control.datasets import row_counts, schemas
from scout_control.errors import (
    ControlError,
    NotFoundError,
    RunFailedError,
)
from scout_control.meltano import outcomes
from scout_control.meltano.log import Progress
from scout_control.meltano.process import Ended
from scout_control.meltano.process import Run as MeltanoRun
from scout_control.rules import singer_catalog
from scout_control.rules.statuses import Phase, RunStatus
from scout_control.runs import finish, prepare
from scout_control.runs.finish import Facts
from scout_control.runs.heartbeat import HANDED_BACK, Watch
from scout_control.store import lookups, queue, runs
from scout_control.store.locks import Locks, credential_lock, dataset_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scout_control.datasets.provision import ProvisionedSchema
    from scout_control.installation.installation import Site
    from scout_control.meltano.project import SourceType
    from scout_control.runs.prepare import Preparation
    from scout_control.store.models import Run

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=20)
LONGEST_DESCRIBING_SECONDS = 300.0
LONGEST_RUN_SECONDS = 24 * 3600.0
MESSAGES = {
    Phase.LOADING: "Loading from {source}",
    Phase.TRANSFORMING: "Running dbt transforms",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a run is at, for whoever watches."""

    phase: str
    message: str
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who executes, and how it is told and asked."""

    name: str
    on_step: Callable[[Step], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    early: bool = False
    """Take a paused run before its time."""
    timeout: float = LONGEST_RUN_SECONDS
    """Of all attempts at a run together."""
    slice_of_time: timedelta | None = None
    """How long it may keep a lane that other owners wait for."""
    log_file: Path | None = None
    """Where all that Meltano and its plugins say is kept."""


def caller_name() -> str:
    """Return a name that no other attempt at a run has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def has_died(worker: str | None) -> bool:
    """Tell whether the process of an attempt was one of this machine and is no more."""
    host, _, place = (worker or "").partition(":")
    pid = place.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def execute(site: Site, run_id: uuid.UUID, caller: Caller) -> Run | None:
    """Execute a waiting run if its time has come; return it as it ended, or nothing.

    Raises:
        ServerError: The store does not answer.
    """
    locks = Locks(site.store)
    try:
        with site.store.begin() as session:
            waiting = lookups.run(session, str(run_id))
        if not locks.acquire(dataset_lock(waiting.dataset_id)):
            _look_again(site, waiting)
            return None
        with site.store.begin() as session:
            run = runs.claim(session, run_id, caller.name, datetime.now(UTC), early=caller.early)
        if run is None:
            return None
        caller = replace(caller, timeout=finish.seconds_left(run, caller.timeout))
        _attempt(site, run, caller, locks)
        with site.store.begin() as session:
            return lookups.run(session, str(run_id))
    except NotFoundError:
        return None
    finally:
        locks.close()


def _look_again(site: Site, run: Run) -> None:
    """Somebody holds the dataset, perhaps one that is just ending: come back later."""
    with site.store.begin() as session:
        if run.status == RunStatus.QUEUED:
            at = datetime.now(UTC) + LOOK_AGAIN
            queue.defer(site.store, session, run.id, at)


def _attempt(site: Site, run: Run, caller: Caller, locks: Locks) -> None:
    """Bring a run that is ours to an end, whatever happens."""
    facts = Facts(worker=caller.name)
    try:
        with prepare.prepared(site, run) as preparation:
            facts.login, facts.pipeline = preparation.login, preparation.source_type.job
            if preparation.login.rotates and not locks.acquire(
                credential_lock(preparation.login.credential_id)
            ):
                finish.hand_back(site, run, caller.name, LOOK_AGAIN)
                return
            if not _work(site, run, caller, locks, preparation, facts):
                return
    except ControlError as error:
        facts.error = error
    except BaseException as error:
        facts.error = RunFailedError(
            f"The run broke inside ({type(error).__name__}).", "Look into the worker's log."
        )
        with suppress(ControlError):
            finish.end(site, run, facts)
        raise
    finish.end(site, run, facts)


def _work(
    site: Site,
    run: Run,
    caller: Caller,
    locks: Locks,
    preparation: Preparation,
    facts: Facts,
) -> bool:
    """Do the run; tell whether its end is ours to write down."""
    schema = run.dataset.schema_name
    caller.on_step(Step(phase=Phase.PROVISIONING, message=f"Provisioning {schema}"))
    with schemas.provisioned_schema(site, run.dataset, locks) as place:
        if run.is_full_refresh and run.attempt == 1:
            schemas.delete_state(site, schema)  # later attempts go on where this one stops
        return _load(site, run, caller, locks, preparation, place, facts)


def _load(
    site: Site,
    run: Run,
    caller: Caller,
    locks: Locks,
    preparation: Preparation,
    place: ProvisionedSchema,
    facts: Facts,
) -> bool:
    """Load and transform; return whether the end of the run is ours to write down."""
    pipeline = prepare.pipeline(site, run, preparation, place, caller.log_file)
    transforms = preparation.source_type.transforms
    meltano = MeltanoRun(pipeline, attempts(run)[-1])
    watch = Watch(site, locks, run.id, meltano, caller.name)
    watch.keep(preparation.login, preparation.credential_file)
    watch.share(caller.slice_of_time)
    told = preparation.source_type.label
    caller.on_step(Step(phase=Phase.DISCOVERING, message=f"Discovering {told}"))
    ended = _follow(meltano, watch, caller, told, has_transforms=bool(transforms))
    if not _is_ours_to_end(site, run, caller, watch):
        return False
    _take_facts(site, run, preparation.source_type, ended, watch, facts)
    if transforms and ended.error and facts.is_partial:
        # Meltano leaves the models out when a stream failed; those of the others are wanted.
        rest = MeltanoRun(replace(pipeline, blocks=transforms, is_continued=True), meltano.run_id)
        watch = watch.over(rest)
        _tell_of(Phase.TRANSFORMING, watch, caller, told)
        ended = _follow(rest, watch, caller, told, has_transforms=True)
        if not _is_ours_to_end(site, run, caller, watch):
            return False
        if ended.error:
            facts.transform_error = ended.log.transform_error or ended.error.cause
    if not transforms:
        _describe(site, run, place)
    return True


def _follow(
    meltano: MeltanoRun, watch: Watch, caller: Caller, source: str, *, has_transforms: bool
) -> Ended:
    """Watch a run of Meltano to its end."""
    watch.stop_when(caller.should_stop)
    with meltano.started():
        watch.start()
        try:
            tell = _teller(watch, caller, source, has_transforms=has_transforms)
            return meltano.follow(tell, caller.timeout)
        finally:
            watch.finish()


def _is_ours_to_end(site: Site, run: Run, caller: Caller, watch: Watch) -> bool:
    """Tell whether a run came to its own end; give back one that was stopped."""
    if watch.reason in HANDED_BACK:
        finish.hand_back(site, run, caller.name)
    return watch.reason is None


def _tell_of(phase: Phase, watch: Watch, caller: Caller, source: str) -> None:
    watch.phase = phase
    told = {name: dict(counts) for name, counts in watch.progress.items()}
    caller.on_step(Step(phase=phase, message=MESSAGES[phase].format(source=source), progress=told))


def _teller(
    watch: Watch, caller: Caller, source: str, *, has_transforms: bool
) -> Callable[[Progress | Phase], None]:
    def tell(progress: Progress | Phase) -> None:
        if isinstance(progress, Phase):
            if progress is not Phase.TRANSFORMING or has_transforms:
                _tell_of(progress, watch, caller, source)
            return
        counted = watch.progress.setdefault(progress.stream, {"fetched": 0, "total": None})
        counted["fetched"] += progress.records
        if progress.total is not None:
            counted["total"] = progress.total
        watch.phase = Phase.LOADING
        caller.on_step(
            Step(
                phase=Phase.LOADING,
                message=f"Loading {progress.stream}",
                progress={name: dict(counts) for name, counts in watch.progress.items()},
            )
        )

    return tell


def _describe(site: Site, run: Run, place: ProvisionedSchema) -> None:
    """Say what tables there are, for a source that no transform does it for.

    As the writer, who may have put anything there: after a while its login is ended.
    """
    import psycopg2  # noqa: PLC0415 - takes a moment to load

    from scout_control.modelling import building  # noqa: PLC0415 - the same

    until = threading.Timer(LONGEST_DESCRIBING_SECONDS, schemas.disable_writer, (site, run.dataset))
    until.start()
    try:
        building.describe(place.url(site.server_url_of(run.dataset)), place.schema)
    except psycopg2.Error as error:
        log.warning("not_described schema=%s error=%s", place.schema, type(error).__name__)
    finally:
        until.cancel()


def attempts(run: Run) -> list[str]:
    """Return the names under which the attempts at a run load, the present one last."""
    return [str(uuid.uuid5(run.id, str(number))) for number in range(1, run.attempt + 1)]


def _take_facts(
    site: Site, run: Run, source_type: SourceType, ended: Ended, watch: Watch, facts: Facts
) -> None:
    facts.error = ended.error
    facts.transform_error = ended.log.transform_error if facts.error else None
    facts.resume_at = ended.log.resume_at
    facts.streams = ended.log.streams
    facts.is_partial = facts.error is not None and outcomes.is_partial(ended.log, facts.error)
    facts.catalog = singer_catalog.streams(watch.catalog)
    tables = () if facts.error else source_type.metadata_streams
    committed = row_counts.read(site, run.dataset, attempts(run), tables)
    facts.rows_loaded, facts.row_counts = committed.rows_loaded, committed.row_counts
    facts.is_counted = committed.is_counted
    if facts.error is None:
        facts.error = prepare.unknown_streams(run.dataset, singer_catalog.ids(facts.catalog))
        facts.is_partial = facts.error is not None and any(facts.rows_loaded.values())
    if facts.error is None:
        facts.content = committed.documents
