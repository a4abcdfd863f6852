"""Makes, starts and ends the server of a cluster. Knows no roles."""

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
    SOCKET_NAME,
    Cluster,
    check_ours,
    make_private,
)

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 120.0  # of a machine that is busy; one that cannot start ends, and is seen at once
STOP_SECONDS = 60.0
# What a killed server left behind ends in a moment, or when it gets a turn.
LEFTOVERS_SECONDS = 60.0
LEFTOVERS = (b"shared memory block", b"lock file")
INITDB = (
    *("initdb", "--pgdata={data}", "--username=postgres", "--auth=reject"),
    *("--encoding=utf8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
)
POSTGRES = (
    *("postgres", "-D", "{data}", "--listen_addresses="),
    *("--unix_socket_directories={sockets}", "--unix_socket_permissions=0700"),
)
NOT_DURABLE = ("--fsync=off", "--synchronous_commit=off", "--full_page_writes=off")
ALONE = (
    *("postgres", "--single", "-j", "-D", "{data}", "-c", "exit_on_error=true"),
    *("-c", "log_min_error_statement=panic", "postgres"),  # a statement may hold a password
)

_children: dict[Path, subprocess.Popen[bytes]] = {}


def initialise(cluster: Cluster) -> None:
    """Make the files of a server; they are in their place when they are complete."""
    fresh = cluster.empty()
    if programs.spawn(INITDB, {"data": fresh}, cluster.log).wait():
        raise _failed(cluster, "could not make its files")
    fresh.rename(cluster.data)


def execute_alone(cluster: Cluster, statements: str) -> None:
    """Execute statements as the superuser, by a server that nothing can connect to."""
    child = programs.spawn(ALONE, {"data": cluster.data}, cluster.log, stdin=subprocess.PIPE)
    child.communicate(statements.encode())
    if child.returncode:
        raise _failed(cluster, "could not be prepared")


def launch(cluster: Cluster, *, durable: bool) -> None:
    """Start the server and wait until it takes connections.

    Raises:
        ServerError: It ended, or takes none.
    """
    places = {"data": cluster.data, "sockets": _make_sockets(cluster)}
    command = POSTGRES if durable else (*POSTGRES, *NOT_DURABLE)
    until = time.monotonic() + LEFTOVERS_SECONDS
    while time.monotonic() < until:
        if (before := _children.get(cluster.data)) is not None:
            with suppress(subprocess.TimeoutExpired):
                before.wait(0.5)
        told = cluster.log.stat().st_size if cluster.log.exists() else 0
        child = _children[cluster.data] = programs.spawn(command, places, cluster.log)
        if _is_ready(child, cluster):
            return
        if child.poll() is None or not _met_leftovers(cluster.log, told):
            break
        time.sleep(0.5)
    raise _failed(cluster, "did not start")


def end(cluster: Cluster) -> bool:
    """End the server; return whether one was running."""
    if (pid := pid_of(cluster)) is None:
        return False
    for request in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
        with suppress(ProcessLookupError):
            os.kill(pid, request)
        if _ended(cluster.data, pid):
            break
    return True


def pid_of(cluster: Cluster) -> int | None:
    """Return the process that serves this directory: one of its account that works in it."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        pid = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        is_ours = process.uids().real == programs.owner()
        if is_ours and cluster.data.samefile(process.cwd()):
            return pid
    return None


def becomes_ready(cluster: Cluster) -> bool:
    """Wait for a server that is starting or ending; return whether one takes connections then."""
    until = time.monotonic() + START_SECONDS
    there = {pq.Ping.OK, pq.Ping.REJECT}  # the latter: starting, recovering, ending
    while _ping(cluster) in there and not answers(cluster) and time.monotonic() < until:
        time.sleep(0.02)
    return answers(cluster)


def answers(cluster: Cluster) -> bool:
    """Return whether a server takes connections there, even if it has no free one just now."""
    return _ping(cluster) == pq.Ping.OK


def remove_sockets(cluster: Cluster) -> None:
    """Remove the directories that were made for the socket of a server that has ended."""
    if cluster.sockets != cluster.data:
        with suppress(OSError):
            cluster.sockets.rmdir()
            cluster.sockets.parent.rmdir()


def _make_sockets(cluster: Cluster) -> Path:
    if cluster.sockets != cluster.data:
        outer = cluster.sockets.parent
        with suppress(FileExistsError):
            outer.mkdir(mode=0o700)
        check_ours(outer, but_the_servers=True)
        make_private(cluster.sockets)
    return cluster.sockets


def _met_leftovers(log: Path, told: int) -> bool:
    """Return whether what a server said since then is that another one has not ended yet."""
    words = log.read_bytes()[told:]
    return any(each in words for each in LEFTOVERS)


def _is_ready(child: subprocess.Popen[bytes], cluster: Cluster) -> bool:
    """Wait until a server takes connections; return whether it does."""
    until = time.monotonic() + START_SECONDS
    while child.poll() is None and not answers(cluster) and time.monotonic() < until:
        time.sleep(0.02)
    return child.poll() is None and answers(cluster)


def _ping(cluster: Cluster) -> int:
    if not (cluster.sockets / SOCKET_NAME).exists():
        return pq.Ping.NO_RESPONSE
    return pq.PGconn.ping(f"host={cluster.sockets} user=scout dbname=postgres".encode())


def _ended(data: Path, pid: int) -> bool:
    """Wait until the server has ended; return whether it did."""
    until = time.monotonic() + STOP_SECONDS
    child = _children.get(data)
    while time.monotonic() < until:
        if child is not None and child.pid == pid and child.poll() is not None:
            del _children[data]
            return True
        if (child is None or child.pid != pid) and not psutil.pid_exists(pid):
            return True
        time.sleep(0.02)
    return False


def _failed(cluster: Cluster, what: str) -> ServerError:
    return ServerError(
        f"The embedded Postgres in {cluster.data} {what}.",
        f"Its reason is at the end of {cluster.log}.",
    )
