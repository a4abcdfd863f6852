"""A worker process takes runs, requeues those that it cannot finish, and survives its database."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import ExitStack
from functools import partial

import psycopg2
import pytest
from scout_control.runs.execute import DATASET_IN_USE
from scout_control.store.locks import dataset_lock, try_locks
from support import workers
from support.workers import LONGEST_SECONDS, wait_until


@pytest.fixture
def worker(installation):
    """Start a worker process of the installation."""
    return partial(workers.worker, installation.settings, stderr=subprocess.PIPE)


def test_a_terminated_worker_requeues_its_run_and_the_next_one_resumes_it(installation, worker):
    dataset = installation.dataset()
    installation.act(seconds=600)
    run = installation.scout.runs.queue(dataset)
    with worker("--grace-seconds", "1") as first:
        wait_until(installation.told)
        first.send_signal(signal.SIGTERM)
        code = first.wait(LONGEST_SECONDS)
        said = first.stderr.read()
    handed_back = installation.scout.runs.show(run.run_id)
    installation.act(rows=4)
    with worker("--until-idle") as second:
        second.wait(LONGEST_SECONDS)
    done = installation.scout.runs.show(run.run_id)

    assert (code, handed_back.status) == (143, "queued")
    assert "canary" not in said
    assert (done.status, done.attempt) == ("completed", 2)
    assert installation.rows(dataset) == [(4,)]


def test_a_worker_until_idle_starts_what_is_due_and_finishes_its_runs_first(installation, worker):
    path = installation.dataset()  # due, and not queued
    installation.act(seconds=4)
    found = installation.scout.datasets.show(path)

    def waits_for():
        runs = installation.scout.runs.list()
        return [each.activity.get("wait", {}).get("reason") for each in runs]

    with ExitStack() as held, worker("--until-idle", "--grace-seconds", "0.5") as last:
        store = installation.scout.installation.store
        held.enter_context(try_locks(store, dataset_lock(found.id)))
        wait_until(lambda: waits_for() == [DATASET_IN_USE])  # as after the death of another worker
        held.close()
        code = last.wait(LONGEST_SECONDS)

    [run] = installation.scout.runs.list()
    assert (code, run.status, run.attempt) == (0, "completed", 1)


def test_the_log_of_a_worker_says_how_each_run_ended(installation, worker):
    dataset = installation.dataset()
    installation.act(exit=1, words="ERROR Connection refused by canary")
    with worker("--until-idle", "--log-format", "json") as process:
        _, said = process.communicate(timeout=LONGEST_SECONDS)

    events = [json.loads(line) for line in said.splitlines()]
    [failed] = [each for each in events if each.get("event") == "run_failed"]
    assert failed["level"] == "error"
    assert failed["message"].startswith(f"{dataset} failed after ")
    assert ": no connection (tap-toy: Connection refused by [removed]." in failed["message"]
    assert (failed["dataset"], failed["code"]) == (dataset, "NETWORK_ERROR")
    assert "Success" not in said
    assert "canary" not in said


def test_a_worker_resumes_a_paused_run_on_time(installation, worker):
    dataset = installation.dataset()
    installation.act(exit=75, resume_in=15, then={"rows": 6})
    run = installation.scout.runs.queue(dataset)
    with worker():
        wait_until(lambda: installation.scout.runs.show(run.run_id).status == "paused")
        resume_at = installation.scout.runs.show(run.run_id).resume_at
        wait_until(lambda: installation.scout.runs.show(run.run_id).status == "completed")
    done = installation.scout.runs.show(run.run_id)

    assert (done.attempt, done.rows_loaded) == (2, {"things": 9})
    assert done.completed_at > resume_at
    assert installation.rows(dataset) == [(6,)]


def test_two_workers_execute_each_run_once_through_a_database_restart(installation, worker):
    datasets = [installation.dataset() for _ in range(4)]
    installation.act(seconds=4)
    for dataset in datasets:
        installation.scout.runs.queue(dataset)
    with worker("--until-idle"), worker("--until-idle"):
        wait_until(installation.told)
        cut_connections(installation)
        wait_until(
            lambda: all(
                installation.scout.datasets.show(dataset).status == "ready" for dataset in datasets
            )
        )

    assert {each.status for each in installation.scout.runs.list()} == {"completed"}
    assert [installation.rows(dataset) for dataset in datasets] == [[(3,)]] * 4


def cut_connections(installation):
    """End the sessions of the workers' control, as a restart of its database would."""
    connection = psycopg2.connect(installation.settings.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND usename = current_user"
        )
    connection.close()
