"""A token endpoint that never finishes its response delays only its own credential."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job
from scout_control.credentials import bounded_http, records
from scout_control.credentials.records import Owner
from scout_control.scheduler import maintenance
from scout_control.store import lookups, queue
from scout_control.store.models import Credential
from sqlalchemy import select
from support.dripping import dripping
from support.workers import wait_until, worker

SOON = timedelta(minutes=30)
FIELDS = {"access_token": "old", "refresh_token": "r-1"}


def slow_source(scout, base_url, count=1):
    """Create a source, and logins of users that expire soon."""
    scout.sources.add("slow", "commcare-connect", base_url=base_url, client_id="c")
    kind = scout.installation.plugins.source_type("tap-commcare-connect")
    with scout.installation.store.begin() as session:
        source = lookups.source(session, "slow")
        for number in range(count):
            owner = Owner(user_id=f"user-{number}")
            ends = datetime.now(UTC) + SOON
            fields = {"fields": FIELDS, "token_expires_at": ends}
            records.save(
                session, scout.installation.keyring, source, kind, owner, "oauth2", **fields
            )


def ask_for(scout, name):
    """Request a round of maintenance, as the schedule does, which may just have done so."""
    with suppress(AlreadyEnqueued), scout.installation.store.begin() as session:
        job = Job(
            id=None,
            queue=queue.UPKEEP,
            task_name=name,
            lock=None,
            queueing_lock=name,
            priority=0,
            scheduled_at=None,
            task_kwargs={"timestamp": 0},
        )
        queue._manager(scout.installation.store).defer_job(
            job=job, connection=queue.driver_connection(session)
        )


@pytest.mark.parametrize("in_head", [False, True])
def test_an_endless_response_is_cut_off(scout, source, connect, in_head, monkeypatch):
    connect()
    with scout.installation.store.begin() as session:
        session.scalars(select(Credential)).one().token_expires_at = datetime.now(UTC) + SOON
    monkeypatch.setattr(bounded_http, "LONGEST_SECONDS", 2.0)
    with dripping(in_head=in_head) as server:
        slow_source(scout, server.url, count=20)
        outcomes = maintenance.renew_tokens(scout.installation, datetime.now(UTC))

    assert outcomes == {"failed": 20, "renewed": 1}
    assert server.requests == 20
    slow = [each for each in scout.credentials.list() if each.source == "slow"]
    assert {each.status for each in slow} == {"connected"}
    assert {"did not respond" in each.last_error for each in slow} == {True}


def test_a_round_continues_where_the_last_one_stopped(scout, monkeypatch):
    monkeypatch.setattr(bounded_http, "LONGEST_SECONDS", 0.5)
    monkeypatch.setattr(maintenance, "RENEWALS_AT_ONCE", 2)
    with dripping() as server:
        slow_source(scout, server.url, count=6)
        left = iter([False] * 2 + [True] * 4 + [False] * 2 + [True] * 4)
        rounds = [
            maintenance.renew_tokens(scout.installation, datetime.now(UTC), lambda: next(left))
            for _ in range(2)
        ]

    assert rounds == [{"failed": 2, "left": 4}] * 2
    assert [each.last_error is not None for each in scout.credentials.list()].count(True) == 4


def test_a_slow_token_endpoint_does_not_delay_the_schedule(scout, source):
    dataset = scout.datasets.ensure("river", source)
    with dripping() as server, worker(scout.installation.settings, stderr=subprocess.DEVNULL):
        slow_source(scout, server.url, count=20)
        ask_for(scout, "renew tokens")
        wait_until(lambda: server.requests)
        ask_for(scout, "start due")
        wait_until(lambda: scout.runs.list(dataset=dataset.path))
        is_renewing = server.requests < 20  # 8 at once, each for a minute
    [run] = scout.runs.list(dataset=dataset.path)

    assert (run.trigger, is_renewing) == ("schedule", True)
