"""The server that is loaded, and what a run of a tool takes of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2
from scout_control.installation import embedded_postgres

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
TICKS = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """What one run took; the yardstick runs inside this process, hence has no peak."""

    wall: float
    tool_cpu: float = 0.0
    server_cpu: float = 0.0
    megabytes: float = 0.0


class Server:
    """One embedded Postgres."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self._pid = int((data / "postmaster.pid").read_text().split()[0])

    def query(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each on its own; return the rows of the last."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def cpu(self) -> float:
        """Return the processor seconds of all sessions that have ended."""
        stat = Path(f"/proc/{self._pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[13]) + int(stat[14])) / TICKS

    def timed(self, command: list[str], source: Path, log: Path) -> Run:
        """Run a tool on a file.

        Raises:
            RuntimeError: The tool failed; the text is the end of what it wrote.
        """
        spent = self.cpu()
        with source.open("rb") as lines, log.open("wb") as output:
            began = time.monotonic()
            process = subprocess.Popen(command, stdin=lines, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(log.read_text(errors="replace")[-1500:])
        time.sleep(0.3)  # for the sessions to end, whose time is counted then
        cpu = usage.ru_utime + usage.ru_stime
        return Run(wall, cpu, self.cpu() - spent, usage.ru_maxrss / 1024)


@contextmanager
def server(home: Path) -> Iterator[Server]:
    """Start a server with the settings above; stop it in the end."""
    data = home / "server"
    try:
        first = Server(embedded_postgres.start(data, as_superuser=True), data)
        first.query(*[f"ALTER SYSTEM SET {name} = '{value}'" for name, value in SETTINGS.items()])
        embedded_postgres.stop(data)
        yield Server(embedded_postgres.start(data, as_superuser=True), data)
    finally:
        embedded_postgres.stop(data)


def described(found: Server) -> str:
    """Say on what was measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    ((version,),) = found.query("SELECT current_setting('server_version')")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    settings = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
    return (
        f"{time.strftime('%d %B %Y')}; {os.cpu_count()} cores of {cpu}, {memory:.0f} GB, load "
        f"average before {load}; Python {platform.python_version()}; PostgreSQL {version} over a "
        f"unix socket, {settings}."
    )
