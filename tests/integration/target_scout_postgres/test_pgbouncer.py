"""Behind PgBouncer: pools in session mode work, pools in transaction mode are rejected."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
ACCOUNT = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # it refuses to run as root
START_SECONDS = 60
REACHED_BY = ("host", "port", "user", "password")

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None and "SCOUT_TEST_NO_SKIPS" not in os.environ,
    reason="PgBouncer is not installed",
)


@pytest.fixture
def pool(postgres: str) -> Iterator[Callable[..., str]]:
    """Start a pooler of a mode before the server; return the URL that leads through it."""
    home = Path(tempfile.mkdtemp(prefix="scout-pool-"))
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str, size: int) -> str:
        server = parse_dsn(postgres)
        folders = []
        if ACCOUNT and server["host"].startswith("/"):  # which only root and the server may enter
            folders.append(os.open(server["host"], os.O_RDONLY | os.O_DIRECTORY))
            server["host"] = f"/proc/self/fd/{folders[0]}"
        behind = " ".join(f"{name}={server[name]}" for name in REACHED_BY if name in server)
        settings = {
            "unix_socket_dir": home,  # a port that is free now may be taken a moment later
            "listen_port": 6432,
            "auth_type": "any",
            "auth_file": home / "users",
            "logfile": home / "log",
            "pool_mode": mode,
            "default_pool_size": size,
        }
        lines = ["[databases]", f"postgres = {behind}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        file = home / "pgbouncer.ini"
        file.write_text("\n".join(lines) + "\n")
        (home / "users").write_text('"postgres" ""\n')
        if ACCOUNT:
            for path in (home, *home.iterdir()):
                os.chown(path, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
        started.append(
            subprocess.Popen(
                [str(PGBOUNCER), str(file)],
                cwd=home,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=folders,
                user=ACCOUNT.pw_uid if ACCOUNT else None,
                group=ACCOUNT.pw_gid if ACCOUNT else None,
                extra_groups=[] if ACCOUNT else None,
            )
        )
        for each in folders:
            os.close(each)
        url = f"postgresql://postgres@/postgres?host={home}&port=6432"
        wait_for(url)
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait(START_SECONDS)
    shutil.rmtree(home, ignore_errors=True)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.05)
        else:
            return


def load(url: str, schema: str, home: Path) -> subprocess.CompletedProcess[bytes]:
    config = home / "config.json"
    config.write_text(json.dumps({"database_url": url, "default_target_schema": schema}))
    messages = [
        {
            "type": "SCHEMA",
            "stream": "t",
            "schema": {"properties": {"id": {"type": "integer"}}},
            "key_properties": ["id"],
        },
        {"type": "RECORD", "stream": "t", "record": {"id": 1}},
        {"type": "STATE", "value": {"n": 1}},
    ]
    text = "\n".join(map(json.dumps, messages)).encode()
    command = [*COMMAND, "--config", str(config)]
    return subprocess.run(command, input=text, capture_output=True, check=False, timeout=100)


def test_a_pool_in_session_mode_is_as_good_as_the_server(
    pool, connection, dataset_schema, tmp_path
):
    done = load(pool("session", 5), dataset_schema, tmp_path)

    assert (done.returncode, done.stdout) == (0, b'{"n": 1}\n'), done.stderr
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {dataset_schema}.t")
        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("mode", "size"),
    [("transaction", 1), ("transaction", 2), ("transaction", 20), ("statement", 5)],
)
def test_a_pooler_in_transaction_mode_is_rejected_at_once_with_the_reason(
    pool, connection, dataset_schema, tmp_path, mode, size
):
    done = load(pool(mode, size), dataset_schema, tmp_path)  # within its time; a pooler waits 120 s

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"a pooler answers in transaction or statement mode" in done.stderr
    assert b"a pool in session mode" in done.stderr
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", [dataset_schema])
        assert cursor.fetchall() == []
