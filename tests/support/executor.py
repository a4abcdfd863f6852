"""Provisions a dataset and runs its pipeline, without a store: for tests of the pipeline alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scout_control.datasets.provision import ProvisionedSchema, disable_login, provision
from scout_control.meltano.process import MeltanoProcess, Pipeline
from scout_control.store import singer_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from scout_control.errors import ControlError
    from scout_control.meltano.process import ProcessResult
    from scout_control.meltano.reports import Report
    from scout_control.rules.naming import DatasetIdentity
    from scout_control.rules.statuses import Phase

LOAD = ("tap-commcare", "target-scout-postgres")
LOAD_AND_TRANSFORM = (*LOAD, "dbt-postgres:build")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to execute: its dataset, source and server."""

    dataset: DatasetIdentity
    server_url: str = field(repr=False)
    meltano_url: str = field(repr=False)
    project_root: Path
    source: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    blocks: Sequence[str] = LOAD_AND_TRANSFORM
    dbt_target: Path | None = None
    log_file: Path | None = None
    full_refresh: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended, and the resulting error, if any."""

    place: ProvisionedSchema
    ended: ProcessResult
    error: ControlError | None


def work(
    job: Job,
    on_start: Callable[[ProvisionedSchema, MeltanoProcess], None],
    on_progress: Callable[[Report | Phase], None],
    timeout: float | None = None,
) -> Result:
    """Provision the dataset and run its pipeline to the end.

    Raises:
        OwnershipError: The dataset schema belongs to another owner; nothing was started.
        ServerError: The database does not answer or does not let us; nothing was started.
    """
    singer_state.prepare(job.meltano_url)
    place = provision(job.server_url, job.dataset)
    try:
        with MeltanoProcess(_pipeline(job, place)).started() as run:
            on_start(place, run)
            ended = run.follow(on_progress, timeout)
    finally:
        disable_login(job.server_url, place.writer)
    return Result(place=place, ended=ended, error=ended.error)


def _pipeline(job: Job, place: ProvisionedSchema) -> Pipeline:
    url = place.url(job.server_url)
    return Pipeline(
        project_root=job.project_root,
        blocks=job.blocks,
        dataset_schema=place.schema,
        database_uri=job.meltano_url,
        settings={
            **job.source,
            "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": place.schema,
            "TARGET_SCOUT_POSTGRES_OWNER": place.owner,
            "TARGET_SCOUT_POSTGRES_READER_ROLE": place.reader,
            "TARGET_SCOUT_POSTGRES_CREATE_SCHEMA": "false",
            "TARGET_SCOUT_POSTGRES_KEYLESS_STREAMS": "replace",
        },
        secrets={
            **job.secrets,
            "TARGET_SCOUT_POSTGRES_DATABASE_URL": url,
        },
        database_url=url,
        project_id=job.dataset.project_id,
        full_refresh=job.full_refresh,
        dbt_target=job.dbt_target,
        log_file=job.log_file,
    )
