"""A paused run resumes on time and only once, whatever happens meanwhile."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from scout_control.errors import ConflictError, CredentialMissingError, RunPausedError
from scout_control.rules.statuses import LIVE
from scout_control.runs import execute, finish
from scout_control.runs.context import RunContext
from scout_control.runs.run_result import RunResult
from scout_control.scheduler import maintenance
from scout_control.store import lookups, runs

LONG = timedelta(hours=3)


@pytest.fixture(scope="module")
def installation(shared_installation):
    return shared_installation


@pytest.fixture
def site(installation):
    return installation.scout.installation


@pytest.fixture
def paused(installation, site):
    """Return a dataset whose run is paused, and that run."""

    def pause(wait=LONG):
        installation.act()
        dataset = installation.dataset()
        queued = installation.scout.runs.queue(dataset)
        forget_jobs(installation)  # the one that a worker would have taken
        with site.store.begin() as session:
            run = runs.claim(session, lookups.run(session, queued.run_id).id, "w", now())
        error = RunPausedError("It asks to wait.", "Wait.")
        moment = (now() + wait).isoformat()
        assert finish.finish(site, run, "w", RunResult(error=error, resume_at=moment))
        return dataset, run

    return pause


def now():
    return datetime.now(UTC)


def asked(installation, statement, *values):
    connection = psycopg2.connect(installation.settings.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET search_path TO scout_control")
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def forget_jobs(installation):
    asked(installation, "DELETE FROM procrastinate_jobs")


def jobs(installation, run):
    statement = "SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'run_id' = %s"
    return asked(installation, statement + " AND status = 'todo'", str(run.id))[0][0]


def living(installation, dataset):
    return [each for each in installation.scout.runs.list(dataset=dataset) if each.status in LIVE]


def attend(site, run, **caller):
    return execute.execute(site, run.id, RunContext(worker=f"w{uuid.uuid4()}", **caller))


def let_time_pass(installation, run):
    asked(
        installation,
        "UPDATE runs SET resume_at = now() - interval '1 hour' WHERE id = %s AND status = 'paused'",
        str(run.id),
    )


def test_a_paused_run_is_queued_once_and_not_started_early(installation, site, paused):
    dataset, run = paused()
    scout = installation.scout
    with pytest.raises(RunPausedError, match="paused until"):
        scout.run(dataset)
    queued_again = scout.runs.queue(dataset)
    maintenance.start_due(site, now() + timedelta(days=2))
    maintenance.reclaim(site, now())
    maintenance.requeue_lost(site, now())

    assert attend(site, run) is None
    assert queued_again.run_id == str(run.id)
    assert [each.status for each in living(installation, dataset)] == ["paused"]
    assert jobs(installation, run) == 1
    shown = scout.datasets.show(dataset).run
    assert (shown["status"], shown["run_id"]) == ("paused", str(run.id))


def test_a_lost_job_is_enqueued_again_when_the_pause_is_over(installation, site, paused):
    _, run = paused()
    forget_jobs(installation)
    counts = []
    for wait in (timedelta(), timedelta(minutes=2), timedelta(minutes=3)):
        maintenance.requeue_lost(site, now() + LONG + wait)
        counts.append(jobs(installation, run))

    assert counts == [0, 1, 1]


def test_several_workers_execute_it_once(installation, site, paused):
    dataset, run = paused()
    let_time_pass(installation, run)
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: attend(site, run), range(4)))
    done = installation.scout.runs.show(str(run.id))

    assert [each.status for each in ended if each] == ["completed"]
    assert (done.status, done.attempt) == ("completed", 2)
    assert living(installation, dataset) == []


def test_it_may_pause_several_times(installation, site, paused):
    dataset, run = paused()
    let_time_pass(installation, run)
    later = (now() + LONG).replace(microsecond=0)
    installation.act(exit=75, words=f"event=paused resume_at={later:%Y-%m-%dT%H:%M:%S}")
    again = attend(site, run)

    assert (again.status, again.attempt, again.resume_at) == ("paused", 2, later)
    assert jobs(installation, run) == 1
    assert [each.status for each in living(installation, dataset)] == ["paused"]


def test_a_cancelled_paused_run_is_never_resumed(installation, site, paused):
    dataset, run = paused()
    cancelled = installation.scout.runs.cancel(str(run.id))
    let_time_pass(installation, run)

    assert attend(site, run) is None
    forget_jobs(installation)
    maintenance.requeue_lost(site, now() + LONG * 2)
    assert jobs(installation, run) == 0
    assert (cancelled.status, living(installation, dataset)) == ("cancelled", [])
    assert installation.scout.datasets.show(dataset).status == "pending"
    assert installation.scout.datasets.show(dataset).next_sync_at is not None


def test_without_its_credential_it_fails_and_reconnecting_makes_the_dataset_due(
    installation, site, paused
):
    dataset, run = paused()
    source = dataset.split("/")[1]
    installation.scout.credentials.revoke(source, project="river")
    let_time_pass(installation, run)
    ended = attend(site, run)
    without = installation.scout.datasets.show(dataset)
    installation.scout.credentials.save(source, "settings", {"key": "canary"}, project="river")

    assert (ended.status, ended.error_code) == ("failed", "AUTH_TOKEN_MISSING")
    assert (without.status, without.next_sync_at) == ("error", None)
    assert installation.scout.datasets.show(dataset).next_sync_at <= now()
    with pytest.raises(CredentialMissingError):
        installation.scout.credentials.revoke(source, user="ann")


def test_unlinking_cancels_a_paused_run_and_frees_its_data(installation, site, paused):
    dataset, run = paused()
    scout, source = installation.scout, dataset.split("/")[1]
    scout.sources.unlink("river", source)
    let_time_pass(installation, run)

    assert scout.runs.show(str(run.id)).status == "cancelled"
    assert attend(site, run) is None
    with pytest.raises(ConflictError, match="no longer linked"):
        scout.run(dataset)
    scout.sources.unlink("river", source, drop=True)
    scout.sources.remove(source)


def test_a_person_may_resume_early_and_the_queued_job_then_does_nothing(installation, site, paused):
    dataset, run = paused()
    done = installation.scout.runs.execute(dataset, early=True)

    assert (done.run_id, done.status) == (str(run.id), "completed")
    assert jobs(installation, run) == 1
    assert attend(site, run) is None
    assert living(installation, dataset) == []


def test_pauses_do_not_count_as_deaths_of_the_worker(installation, site, paused):
    dataset, run = paused()
    asked(installation, "UPDATE runs SET attempt = 7 WHERE id = %s", str(run.id))
    statuses = []
    for _ in range(5):
        let_time_pass(installation, run)
        with site.store.begin() as session:
            assert runs.claim(session, run.id, "w", now())
        maintenance.reclaim(site, now() + LONG)
        statuses.append(installation.scout.runs.show(str(run.id)).status)

    assert statuses == ["queued"] * 4 + ["failed"]
    assert installation.scout.datasets.show(dataset).status == "error"
    assert "worker died" in installation.scout.runs.show(str(run.id)).error_message


def test_a_pause_resets_the_count_of_deaths(installation, site, paused):
    _, run = paused()
    asked(installation, "UPDATE runs SET deaths = 4 WHERE id = %s", str(run.id))
    let_time_pass(installation, run)
    installation.act(exit=75, words="event=paused resume_at=2099-01-01T00:00:00Z")
    assert attend(site, run).status == "paused"

    assert asked(installation, "SELECT deaths FROM runs WHERE id = %s", str(run.id)) == [(0,)]
