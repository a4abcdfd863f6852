"""The embedded Postgres: starts anywhere, is closed to other accounts, ends when told."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
from scout_control.errors import ServerError

from scout_control import embedded


@pytest.fixture(params=["short", "very deep, with blanks, ünïcode and 'quotes'"])
def data(request, folder):
    if request.param != "short":
        folder = folder / request.param / ("x" * 60) / ("y" * 60)
    yield folder / "data"
    embedded.stop(folder / "data")


def socket_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def test_it_starts_in_any_folder_keeps_its_data_and_ends_when_told(data):
    url = embedded.create_database(embedded.start(data, durable=False), "kept")
    with closing(psycopg2.connect(url)) as opened, opened, opened.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 'नदी' AS text")

    assert embedded.is_running(data)
    assert embedded.stop(data)
    assert not embedded.is_running(data)
    assert not embedded.stop(data)

    embedded.start(data, durable=False)
    with closing(psycopg2.connect(url)) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT text FROM kept")
        assert cursor.fetchone() == ("नदी",)


def test_starting_it_twice_finds_the_one_that_runs(data):
    first = embedded.start(data, durable=False)

    assert embedded.start(data, durable=False) == first


def test_a_server_without_a_free_connection_is_not_started_anew(folder):
    data = folder / "data"
    first = embedded.start(data, durable=False)
    try:
        with ExitStack() as opened:
            with suppress(psycopg2.OperationalError):
                for _ in range(200):
                    opened.enter_context(closing(psycopg2.connect(first)))
            with pytest.raises(psycopg2.OperationalError):
                psycopg2.connect(first)

            assert embedded.is_running(data)
            assert embedded.start(data, durable=False) == first
    finally:
        assert embedded.stop(data)


def test_a_server_that_was_killed_recovers_on_the_next_start(folder):
    data = folder / "data"
    url = embedded.start(data, durable=False)
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert embedded.start(data, durable=False) == url
    psycopg2.connect(url).close()
    assert embedded.stop(data)


def test_other_accounts_of_the_machine_cannot_reach_files_or_socket(data):
    folder = socket_of(embedded.start(data, durable=False))

    for closed in {data, folder}:
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    if os.geteuid() == 0:
        command = [embedded.psql(), "--host", folder, "--username", "postgres", "-c", "select 1"]
        done = subprocess.run(command, user=12345, group=12345, capture_output=True, check=False)
        assert done.returncode != 0
        assert b"Permission denied" in done.stderr


def test_a_folder_that_somebody_else_made_is_refused(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    (folder / "data").mkdir()
    os.chown(folder / "data", 12345, 12345)

    with pytest.raises(ServerError, match="belongs to somebody else"):
        embedded.start(folder / "data")
