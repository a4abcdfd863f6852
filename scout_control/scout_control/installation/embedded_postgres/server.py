"""Creates, starts and stops the server of a cluster; does not deal with roles."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
from psycopg import pq

from scout_control.errors import ServerError
from scout_control.installation.embedded_postgres import programs
from scout_control.installation.embedded_postgres.cluster import (
    Cluster,
    check_owner,
    make_private,
)

if TYPE_CHECKING:
    from pathlib import Path

START_TIMEOUT_SECONDS = 120.0  # on a busy machine; a server that cannot start exits at once
STOP_TIMEOUT_SECONDS = 60.0
# Processes of a killed server end by themselves, but not at once on a busy machine.
REMAINS_TIMEOUT_SECONDS = 60.0
REMAINS_MESSAGES = (b"shared memory block", b"lock file")
INITDB = (
    *("initdb", "--pgdata={data}", "--username=postgres", "--auth=reject"),
    *("--encoding=utf8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
)
POSTGRES = (
    *("postgres", "-D", "{data}"),
    *("--unix_socket_directories={sockets}", "--unix_socket_permissions=0700"),
)
LOOPBACK = "127.0.0.1"
NOT_DURABLE = ("--fsync=off", "--synchronous_commit=off", "--full_page_writes=off")
SINGLE_USER = (
    *("postgres", "--single", "-j", "-D", "{data}", "-c", "exit_on_error=true"),
    *("-c", "log_min_error_statement=panic", "postgres"),  # a statement may hold a password
)

_children: dict[Path, subprocess.Popen[bytes]] = {}


def initdb(cluster: Cluster) -> None:
    """Create the data directory, renamed into place when it is complete."""
    draft = cluster.create_draft()
    if programs.spawn(INITDB, {"data": draft}, cluster.log).wait():
        raise _failed(cluster, "could not create its data directory")
    draft.rename(cluster.data)


def execute_single_user(cluster: Cluster, statements: str) -> None:
    """Execute statements as the superuser in single-user mode; the server must not be running."""
    child = programs.spawn(SINGLE_USER, {"data": cluster.data}, cluster.log, stdin=subprocess.PIPE)
    child.communicate(statements.encode())
    if child.returncode:
        raise _failed(cluster, "could not be initialised")


def launch(cluster: Cluster, *, durable: bool) -> None:
    """Start the server and wait until it accepts connections.

    Raises:
        ServerError: It exited, or does not accept connections in time.
    """
    directories = {"data": cluster.data, "sockets": _make_sockets(cluster)}
    address = LOOPBACK if cluster.port else ""
    network = (f"--listen_addresses={address}", f"--port={cluster.number}")
    command = (*POSTGRES, *network, *(() if durable else NOT_DURABLE))
    deadline = time.monotonic() + REMAINS_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if (former := _children.get(cluster.data)) is not None:
            with suppress(subprocess.TimeoutExpired):
                former.wait(0.5)  # a zombie would still count as the running server
        log_size = cluster.log.stat().st_size if cluster.log.exists() else 0
        child = _children[cluster.data] = programs.spawn(command, directories, cluster.log)
        if _is_ready(child, cluster):
            return
        if child.poll() is None or not _met_remains(cluster.log, log_size):
            break
        time.sleep(0.5)
    raise _failed(cluster, "did not start")


def stop(cluster: Cluster) -> bool:
    """Stop the server; return whether it was running."""
    if (pid := pid_of(cluster)) is None:
        return False
    for signum in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
        if _wait_for_exit(cluster.data, pid):
            break
    return True


def pid_of(cluster: Cluster) -> int | None:
    """Return the process id of the server of a data directory.

    The pid file may be stale, and its number taken by another process: the server is the one that
    runs as the right account, in that directory.
    """
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        pid = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        is_ours = process.uids().real == programs.server_uid()
        if is_ours and cluster.data.samefile(process.cwd()):
            return pid
    return None


def becomes_ready(cluster: Cluster) -> bool:
    """Wait while a server is starting or stopping; return whether it then accepts connections."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    # REJECT: starting, recovering or stopping.
    responding = {pq.Ping.OK, pq.Ping.REJECT}
    while (
        _ping(cluster) in responding
        and not accepts_connections(cluster)
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return accepts_connections(cluster)


def accepts_connections(cluster: Cluster) -> bool:
    """Return whether the server accepts connections, even if all of them are taken."""
    return _ping(cluster) == pq.Ping.OK


def remove_sockets(cluster: Cluster) -> None:
    """Remove the directories of the socket of a stopped server."""
    if cluster.sockets != cluster.data:
        with suppress(OSError):
            cluster.sockets.rmdir()
            cluster.sockets.parent.rmdir()


def _make_sockets(cluster: Cluster) -> Path:
    if cluster.sockets != cluster.data:
        outer = cluster.sockets.parent
        with suppress(FileExistsError):
            outer.mkdir(mode=0o700)
        check_owner(outer, allow_server=False)
        make_private(cluster.sockets)
    return cluster.sockets


def _met_remains(log: Path, log_size: int) -> bool:
    """Return whether the log says, beyond this size, that a killed server has not ended yet."""
    messages = log.read_bytes()[log_size:]
    return any(each in messages for each in REMAINS_MESSAGES)


def _is_ready(child: subprocess.Popen[bytes], cluster: Cluster) -> bool:
    """Wait until a server accepts connections; return whether it does."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while child.poll() is None and not accepts_connections(cluster) and time.monotonic() < deadline:
        time.sleep(0.02)
    return child.poll() is None and accepts_connections(cluster)


def _ping(cluster: Cluster) -> int:
    # PQping needs no password; without a socket it would wait for its timeout.
    if not cluster.socket.exists():
        return pq.Ping.NO_RESPONSE
    return pq.PGconn.ping(
        f"host={cluster.sockets} port={cluster.number} user=scout dbname=postgres".encode()
    )


def _wait_for_exit(data: Path, pid: int) -> bool:
    """Wait for the server to exit; return whether it did in time."""
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    child = _children.get(data)
    while time.monotonic() < deadline:
        if child is not None and child.pid == pid and child.poll() is not None:
            del _children[data]
            return True
        if (child is None or child.pid != pid) and not psutil.pid_exists(pid):
            return True
        time.sleep(0.02)
    return False


def _failed(cluster: Cluster, failure: str) -> ServerError:
    return ServerError(
        f"The embedded Postgres in {cluster.data} {failure}.",
        f"For the reason, see the end of {cluster.log}.",
    )
