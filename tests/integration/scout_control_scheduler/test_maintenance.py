"""Background jobs: due runs, expired data, reclaimed runs, purged records."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from scout_control.errors import ConflictError
from scout_control.meltano import workdir
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.runs import recovery
from scout_control.runs.context import RunContext, worker_name
from scout_control.runs.execute import execute
from scout_control.runs.prepare import CREDENTIAL
from scout_control.scheduler import maintenance
from scout_control.store import queue
from scout_control.store import runs as store_runs
from scout_control.store.models import Dataset, Run
from sqlalchemy import select, text, update
from support.preloaded import run_scout
from support.workers import environment_of

DAY = timedelta(hours=24)


def in_future(hours):
    return datetime.now(UTC) + timedelta(hours=hours)


@pytest.fixture
def site(installation):
    return installation.scout.installation


def test_due_datasets_are_queued_once_and_paused_ones_are_left_alone(installation, site):
    due, paused = installation.dataset(), installation.dataset()
    installation.scout.datasets.pause(paused)

    assert maintenance.start_due(site, datetime.now(UTC)) == 1
    assert maintenance.start_due(site, datetime.now(UTC)) == 0
    [run] = installation.scout.runs.list()
    assert (run.dataset, run.status, run.trigger) == (due, "queued", "schedule")
    with site.store.begin() as session:
        assert queue.waiting(session) == {run.run_id}


def test_the_latest_runs_are_those_that_were_queued_or_started_last(installation, site):
    paths = [installation.dataset() for _ in range(4)]
    assert maintenance.start_due(site, datetime.now(UTC)) == len(paths)
    runs = installation.scout.runs.list()
    assert len({each.run_id for each in runs}) == len(paths)
    for run in sorted(runs, key=lambda each: each.dataset):
        with site.store.begin() as session:
            assert store_runs.claim(session, uuid.UUID(run.run_id), "w", datetime.now(UTC))
    started = [each.dataset for each in installation.scout.runs.list()]

    assert started == sorted(paths, reverse=True)
    assert [each.dataset for each in installation.scout.runs.list(limit=1)] == started[:1]


def test_a_run_that_lost_its_job_is_enqueued_again(installation, site):
    run = installation.scout.runs.queue(installation.dataset())
    with site.store.begin() as session:
        session.execute(text("DELETE FROM scout_control.procrastinate_jobs"))

    assert maintenance.requeue_lost(site, datetime.now(UTC)) == 0
    assert maintenance.requeue_lost(site, in_future(1)) == 1
    with site.store.begin() as session:
        assert queue.waiting(session) == {run.run_id}


def test_unused_data_expires_with_roles_and_state_and_can_be_loaded_again(installation, site):
    dataset = installation.dataset()
    installation.scout.run(dataset)
    schema = installation.scout.datasets.show(dataset).schema

    assert maintenance.expire(site, in_future(23), DAY) == 0
    assert maintenance.expire(site, in_future(25), DAY) == 1
    expired = installation.scout.datasets.show(dataset)
    assert (expired.status, expired.row_counts, expired.next_sync_at) == ("expired", {}, None)
    left = installation.rows(
        dataset,
        f"SELECT nspname FROM pg_namespace WHERE nspname = '{schema}' UNION ALL "
        f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{schema}%' UNION ALL "
        f"SELECT state_id FROM scout_meltano.state WHERE state_id LIKE '%{schema}'",
    )
    assert left == []
    assert list(installation.scout.datasets.describe(dataset)["streams"]) == ["things"]
    assert maintenance.start_due(site, in_future(48)) == 0

    assert installation.scout.run(dataset).status == "completed"
    assert installation.told()[-1]["state"] == {}
    assert installation.rows(dataset) == [(3,)]


def test_a_touch_prevents_expiry(installation, site):
    dataset = installation.dataset()
    installation.scout.run(dataset)
    with site.store.begin() as session:
        session.execute(update(Dataset).values(last_activity_at=datetime.now(UTC) - 2 * DAY))
    installation.scout.datasets.touch(dataset)

    assert maintenance.expire(site, datetime.now(UTC), DAY) == 0


def test_scheduled_refreshes_do_not_prevent_expiry(installation, site):
    dataset = installation.dataset()
    maintenance.start_due(site, datetime.now(UTC))
    first = installation.scout.run(dataset)  # its first load: what came just now must not go
    with site.store.begin() as session:
        old = {"last_activity_at": datetime.now(UTC) - DAY, "next_sync_at": datetime.now(UTC)}
        session.execute(update(Dataset).values(**old))
    assert maintenance.start_due(site, datetime.now(UTC)) == 1
    [queued, _] = installation.scout.runs.list()
    execute(site, uuid.UUID(queued.run_id), RunContext(worker=worker_name()))
    refreshed = installation.scout.runs.show(queued.run_id)

    assert (first.trigger, refreshed.trigger) == ("schedule", "schedule")
    assert refreshed.status == "completed"
    assert maintenance.expire(site, datetime.now(UTC), DAY) == 1


def unused_since(site, dataset, hours):
    """Set back the last use of a dataset, and the end of its runs."""
    then = datetime.now(UTC) - timedelta(hours=hours)
    with site.store.begin() as session:
        session.execute(
            update(Dataset).where(Dataset.id == uuid.UUID(dataset.id)).values(last_activity_at=then)
        )


def test_a_read_by_anyone_counts_as_use_and_the_scans_of_runs_do_not(installation, site):
    """A dataset that is read is kept, also if a run came after; one that only runs read expires."""
    read, read_before_a_run, unread = (installation.dataset() for _ in range(3))
    for dataset in (read, read_before_a_run, unread):
        installation.scout.run(dataset)
        unused_since(site, installation.scout.datasets.show(dataset), 25)
    planned = {each.path for each in installation.scout.would_expire()}
    assert planned == {read, read_before_a_run, unread}
    installation.rows(read)
    installation.rows(read_before_a_run)
    run_as_scheduled(site, installation.scout.datasets.show(read_before_a_run))

    assert maintenance.expire(site, datetime.now(UTC)) == 1
    *kept, dropped = map(installation.scout.datasets.show, (read, read_before_a_run, unread))

    assert [each.status for each in (*kept, dropped)] == ["ready", "ready", "expired"]
    for each in kept:
        assert each.expires_at > datetime.now(UTC) + timedelta(hours=23)
    assert dropped.expires_at is None


def run_as_scheduled(site, dataset):
    """Let a dataset be due, and do its run, which does not count as use."""
    of_dataset = Dataset.id == uuid.UUID(dataset.id)
    with site.store.begin() as session:
        session.execute(update(Dataset).where(of_dataset).values(next_sync_at=datetime.now(UTC)))
    assert maintenance.start_due(site, datetime.now(UTC)) == 1
    with site.store.begin() as session:
        [run_id] = session.scalars(select(Run.id).where(Run.status == "queued"))
    done = execute(site, run_id, RunContext(worker=worker_name()))
    assert done is not None
    assert done.status == "completed"


def test_an_idle_time_on_the_command_line_drops_nothing_by_surprise(installation, site):
    dataset = installation.dataset()
    installation.scout.run(dataset)
    unused_since(site, installation.scout.datasets.show(dataset), 2)

    def tick(*options, **variables):
        environment = environment_of(installation.settings) | variables
        done = run_scout(["--json", "tick", *options], environment)
        return done.returncode, json.loads(done.stdout)

    code, refusal = tick("--idle-hours", "1")
    assert (code, refusal["error"]["code"]) == (2, "VALIDATION_ERROR")
    assert dataset in refusal["error"]["message"]
    assert [each["path"] for each in tick("--plan", "--idle-hours", "1")[1]] == [dataset]
    assert tick("--plan") == (0, [])
    assert tick("--idle-hours", "3")[1]["expired"] == 0
    assert installation.scout.datasets.show(dataset).status == "ready"
    assert tick("--idle-hours", "1", "--yes")[1]["expired"] == 1


def test_each_dataset_is_kept_for_its_own_period_and_the_others_for_the_installations(
    installation, site
):
    datasets = installation.scout.datasets
    forever, month, default = [installation.dataset() for _ in range(3)]
    for dataset in (forever, month, default):
        installation.scout.run(dataset)
        unused_since(site, datasets.show(dataset), 50 * 24)
    datasets.update(forever, keep="forever")
    datasets.update(month, keep="60d")

    def plan(**options):
        return {each.path for each in installation.scout.would_expire(**options)}

    assert plan() == {default}
    assert plan(idle=timedelta(seconds=1)) == {default}, "its own period takes precedence"
    installation.scout.init(keep="forever")
    assert plan() == set()
    assert datasets.show(default).keep == "forever"
    installation.scout.init(keep="8w")
    installation.scout.init()
    assert (plan(), datasets.show(default).keep) == (set(), "56d")
    assert plan(idle=DAY) == {default}
    datasets.update(month, keep="default")
    installation.scout.init(keep="24h")
    assert maintenance.expire(site, datetime.now(UTC)) == 2
    assert datasets.show(forever).status == "ready"


def test_data_with_an_unfinished_run_or_an_outside_view_is_not_dropped(installation, site):
    dataset = installation.dataset()
    installation.scout.run(dataset)
    schema = installation.scout.datasets.show(dataset).schema
    run = installation.scout.runs.queue(dataset)
    with pytest.raises(ConflictError, match="in progress"):
        installation.scout.datasets.drop(dataset)
    assert maintenance.expire(site, in_future(48), DAY) == 0

    installation.scout.runs.cancel(run.run_id)
    connection = psycopg2.connect(installation.settings.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE VIEW public.mine AS SELECT * FROM "{schema}".things')
    with pytest.raises(ConflictError, match=r"public\.mine would be dropped"):
        installation.scout.datasets.drop(dataset)
    assert installation.rows(dataset) == [(3,)]
    installation.scout.datasets.drop(dataset, force=True)
    connection.close()

    assert installation.scout.datasets.show(dataset).status == "expired"


def test_a_source_that_is_unlinked_and_dropped_leaves_nothing(installation):
    dataset = installation.dataset()
    installation.scout.run(dataset)
    project, source = dataset.split("/")
    with pytest.raises(ConflictError, match="linked"):
        installation.scout.sources.remove(source)
    installation.scout.sources.unlink(project, source, drop=True)
    installation.scout.sources.remove(source)
    installation.scout.projects.remove(project)

    assert installation.scout.datasets.list() == []
    assert installation.scout.credentials.list() == []


def test_exactly_the_due_datasets_of_thousands_are_queued(installation, site):
    dataset = installation.dataset()
    with site.store.begin() as session:
        session.execute(
            text("""
                INSERT INTO scout_control.datasets
                    (project_source_id, user_id, schema_name, owner, status, next_sync_at)
                SELECT project_source_id, 'user-' || n, 'data_' || n, 'o', 'ready',
                       now() + interval '1 hour'
                  FROM scout_control.datasets, generate_series(1, 10000) AS n
            """)
        )
        session.execute(
            text("""
                INSERT INTO scout_control.runs (dataset_id, status, completed_at)
                SELECT id, 'completed', now() FROM scout_control.datasets
            """)
        )
    with site.store.begin() as session:
        session.execute(
            text(
                "UPDATE scout_control.datasets SET next_sync_at = now() WHERE schema_name LIKE "
                "'data_77%'"
            )
        )

    assert dataset
    assert maintenance.start_due(site, datetime.now(UTC)) == 1 + 111
    assert maintenance.start_due(site, datetime.now(UTC)) == 0


def test_old_runs_are_deleted(installation, site):
    dataset = installation.dataset()
    installation.scout.run(dataset)
    queued = installation.scout.runs.queue(dataset)
    maintenance.purge(site, datetime.now(UTC))
    assert len(installation.scout.runs.list()) == 2
    with site.store.begin() as session:
        session.execute(update(Run).values(completed_at=datetime(2020, 1, 1, tzinfo=UTC)))
    maintenance.purge(site, datetime.now(UTC))

    assert [each.run_id for each in installation.scout.runs.list()] == [queued.run_id]


def test_a_token_rotated_for_another_installation_is_left_alone(site):
    with workdir.directory(f"{CREDENTIAL_DIRECTORY}{uuid.uuid4()}-") as made:
        (made / CREDENTIAL).write_text("{}")
        workdir.keep(made)
    recovery.clean_up(site)
    is_there = (made / CREDENTIAL).exists()
    shutil.rmtree(made)

    assert is_there
