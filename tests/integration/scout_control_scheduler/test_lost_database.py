"""A worker whose database is down, and one in a thread of a program."""

from __future__ import annotations

import signal
import subprocess
import threading
import time

import pytest
from scout_control.installation import embedded_postgres
from support.workers import LONGEST_SECONDS, wait_until, worker

REGISTERED = "SELECT count(*) FROM scout_control.procrastinate_workers"


@pytest.fixture
def server(tmp_path):
    """A server that may be stopped."""
    yield tmp_path / "postgres"
    embedded_postgres.stop(tmp_path / "postgres")


@pytest.fixture
def url(server):
    return embedded_postgres.create_database(embedded_postgres.start(server), "control")


@pytest.fixture
def superuser_url(url):
    """Control's own, as long as only the store is looked into: that server has no other login."""
    return url


def test_an_idle_worker_shuts_down_quickly_without_its_database(installation, server):
    dataset = installation.dataset()
    installation.scout.runs.queue(dataset)
    in_a_thread = threading.Thread(target=installation.scout.work, kwargs={"until_idle": True})
    in_a_thread.start()
    in_a_thread.join(LONGEST_SECONDS)
    status = installation.scout.runs.list()[0].status
    with worker(installation.settings, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: installation.rows(dataset, REGISTERED) > [(0,)])
        embedded_postgres.stop(server)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(LONGEST_SECONDS)

    assert status == "completed"
    assert code == 128 + signal.SIGTERM
    assert time.monotonic() - began < 30  # a few seconds; it was forty
