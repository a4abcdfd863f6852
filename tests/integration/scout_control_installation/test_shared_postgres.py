"""The embedded Postgres and the sandbox of a demo are stopped only if nothing else uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing

import psutil
import psycopg2
import pytest
from scout_control.demo import sandbox, services
from scout_control.errors import ConflictError
from scout_control.installation import embedded_postgres
from scout_control.installation.installation import POSTGRES


@pytest.fixture
def home(folder):
    home = folder / ".scout"
    embedded_postgres.start(home / POSTGRES, durable=False)
    yield home
    embedded_postgres.stop(home / POSTGRES)


def test_a_server_with_a_session_is_left_running_and_the_program_is_named(home, monkeypatch):
    monkeypatch.setattr(embedded_postgres, "LINGERING_SECONDS", 0.5)
    with closing(
        psycopg2.connect(embedded_postgres.url(home / POSTGRES), application_name="a worker")
    ) as other:
        with pytest.raises(ConflictError, match=r"others use it: a worker \(session \d+\)"):
            services.stop(home)
        other.cursor().execute("SELECT 1")  # it still answers

    monkeypatch.setattr(embedded_postgres, "LINGERING_SECONDS", 60)
    assert services.stop(home) == ["Postgres"]
    assert not embedded_postgres.is_running(home / POSTGRES)
    assert services.stop(home) == []


def test_what_a_program_borrows_stays_for_those_who_came_meanwhile(folder, monkeypatch):
    monkeypatch.setattr(embedded_postgres, "LINGERING_SECONDS", 0.5)
    home = folder / ".scout"
    with services.database(home):
        other = psycopg2.connect(embedded_postgres.url(home / POSTGRES))
    with closing(other):
        other.cursor().execute("SELECT 1")

    monkeypatch.setattr(embedded_postgres, "LINGERING_SECONDS", 60)
    assert services.stop(home) == ["Postgres"]


def test_a_process_that_was_given_the_id_of_an_ended_sandbox_is_not_stopped(folder):
    """Its command line is that of a sandbox, too: one of another checkout."""
    code = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code, "commcare-sandbox"]) as other:
        known = dict.fromkeys(("url", "domain", "username", "api_key"), "")
        connect = {"connect_url": "", "connect_token": ""}
        size = {"cases": 1, "forms": 1, "visits": 1}
        started_at = psutil.Process(other.pid).create_time()
        for seconds, is_same in ((0, True), (-60, False)):
            process = {"pid": other.pid, "started_at": started_at + seconds}
            (folder / "sandbox.json").write_text(json.dumps(known | connect | size | process))
            assert (sandbox.remembered(folder) is not None) is is_same

        assert services.stop(folder) == []
        assert other.poll() is None
        other.kill()
