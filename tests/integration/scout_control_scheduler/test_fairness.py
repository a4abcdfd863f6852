"""Owners share the lanes: none has to wait for everything that another one has queued."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from functools import partial

import pytest
from scout_control.scheduler import maintenance
from scout_control.store import queue_turns
from scout_control.store.models import Run
from sqlalchemy import text, update
from support import workers
from support.workers import wait_until

IN_ORDER = """
    SELECT link.project_id
      FROM scout_control.procrastinate_jobs AS job
      JOIN scout_control.runs AS run ON run.id::text = job.args ->> 'run_id'
      JOIN scout_control.datasets AS dataset ON dataset.id = run.dataset_id
      JOIN scout_control.project_sources AS link ON link.id = dataset.project_source_id
     WHERE job.status = 'todo' ORDER BY job.priority DESC, job.id
"""
ADD = (
    """
    INSERT INTO scout_control.sources (name, source_type)
    SELECT 'many-' || n, 'tap-toy' FROM generate_series(1, 1500) AS n
    """,
    """
    INSERT INTO scout_control.project_sources (project_id, source_id)
    SELECT 'flood', id FROM scout_control.sources WHERE name LIKE 'many-%'
    """,
    """
    INSERT INTO scout_control.datasets
        (project_source_id, schema_name, owner, status, next_sync_at)
    SELECT link.id, source.name, 'o', 'ready', now() - interval '1 day'
      FROM scout_control.project_sources AS link
      JOIN scout_control.sources AS source ON source.id = source_id
     WHERE name LIKE 'many-%'
    """,
)
TIME_SLICE = ("--slice-minutes", "0.2")
SHORT_SLICE = ("--slice-minutes", "0.1")


@pytest.fixture
def site(installation):
    return installation.scout.installation


@pytest.fixture
def worker(installation):
    """Start a worker process of the installation."""
    return partial(workers.worker, installation.settings, stderr=subprocess.DEVNULL)


def in_order(site):
    """Return the owners of the queued runs, in the order in which workers get them."""
    with site.store.begin() as session:
        return list(session.execute(text(IN_ORDER)).scalars())


def show(installation, run):
    return installation.scout.runs.show(run.run_id)


def test_the_first_run_of_each_owner_comes_before_the_second_of_any(installation, site):
    for _ in range(5):
        installation.dataset("flood")
    maintenance.start_due(site, datetime.now(UTC))
    for owner in ("river", "lake"):
        for _ in range(2):
            installation.dataset(owner)
    maintenance.start_due(site, datetime.now(UTC))

    order = in_order(site)
    assert order[:3] == ["flood", "river", "lake"]
    assert sorted(order[3:6]) == ["flood", "lake", "river"]
    assert order[6:] == ["flood"] * 3


def test_many_manual_runs_of_one_owner_do_not_delay_others(installation, site):
    flood = [installation.dataset("flood") for _ in range(9)]
    for dataset in flood:
        installation.scout.runs.queue(dataset)
    installation.dataset("river")
    maintenance.start_due(site, datetime.now(UTC))
    asked_for = installation.scout.runs.queue(installation.dataset("lake"))

    order = in_order(site)
    assert order[:2] == ["flood", "lake"]
    assert order.index("river") == 6  # after the few of each that were requested by hand
    with site.store.begin() as session:
        old = {"updated_at": datetime(2020, 1, 1, tzinfo=UTC)}
        session.execute(update(Run).where(Run.trigger == "schedule").values(**old))
        queue_turns.assign_priorities(session)
    assert set(in_order(site)[:3]) == {"flood", "lake", "river"}
    assert asked_for.status == "queued"


def test_one_due_dataset_is_not_delayed_by_thousands_of_another_owner(installation, site):
    installation.dataset("flood")
    with site.store.begin() as session:
        for statement in ADD:
            session.execute(text(statement))
    installation.dataset("river")
    assert maintenance.start_due(site, datetime.now(UTC)) == 1502

    assert "river" in in_order(site)[:2]


def test_an_endless_run_yields_its_lane_and_resumes_later(installation, worker):
    installation.act(seconds=600)
    with worker("--concurrency", "1", *TIME_SLICE):
        first = installation.scout.runs.queue(installation.dataset("flood"))
        wait_until(installation.told)
        installation.act()
        second = installation.scout.runs.queue(installation.dataset("river"))
        wait_until(lambda: show(installation, second).status == "completed")
        wait_until(lambda: show(installation, first).status == "completed")
    done = show(installation, first)

    assert done.attempt > 1
    assert installation.told()[-1]["state"] != {}  # it went on from its last state
    with installation.scout.installation.store.begin() as session:
        assert session.get(Run, done.run_id).deaths == 0


def test_one_owner_alone_is_never_interrupted(installation, worker):
    installation.act(seconds=8)
    runs = [installation.scout.runs.queue(installation.dataset("flood")) for _ in range(2)]
    with worker("--concurrency", "1", "--until-idle", *SHORT_SLICE) as alone:
        alone.wait(workers.LONGEST_SECONDS)

    assert [show(installation, run).attempt for run in runs] == [1, 1]
    assert {show(installation, run).status for run in runs} == {"completed"}


def test_of_two_lanes_of_one_owner_only_one_is_yielded(installation, worker):
    installation.act(seconds=600)
    endless = [installation.scout.runs.queue(installation.dataset("flood")) for _ in range(2)]
    with worker("--concurrency", "1", *TIME_SLICE), worker("--concurrency", "1", *TIME_SLICE):
        wait_until(lambda: len(installation.told()) == 2)
        installation.act()
        quick = installation.scout.runs.queue(installation.dataset("river"))
        wait_until(lambda: show(installation, quick).status == "completed")
        kept = [show(installation, run).attempt for run in endless].count(1)

    assert kept >= 1  # one lane was wanted, and only one given back
