"""REST under load: 200 people who look at their data while runs load, on one or two processes.

Each person reads lists and objects in turn, with a pause in between as a page or a script makes.
The load generator, the worker and Postgres share the machine with the server. With `--requests`,
a few clients send that many requests without pauses, and the memory of the server is followed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil

from benchmarks.control.__main__ import add, project_without_dbt
from benchmarks.control.installation import Installation, installed

PROJECTS = 20
BASE = "/api/datasources"
READY = "Serving "
SAMPLES = 12


@dataclass
class Times:
    """Seconds of responses by what was read, and what was no success."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def all(self) -> list[float]:
        return [each for found in self.seconds.values() for each in found]


class Session:
    """One person with a connection that stays open."""

    def __init__(self, port: int, token: str, times: Times) -> None:
        self._port, self._times = port, times
        head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._head = head.encode()

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        self._writer.close()

    async def get(self, what: str, path: str) -> dict:
        """Return a document; how long it took is added to the times."""
        began_at = time.perf_counter()
        self._writer.write(f"GET {BASE}{path} HTTP/1.1\r\n".encode() + self._head)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        body = await self._reader.readexactly(length)
        self._times.seconds[what].append(time.perf_counter() - began_at)
        if status != 200:
            self._times.failures[status] += 1
            return {}
        return json.loads(body)


async def look(session: Session, until: float, pause: float, rng: random.Random) -> None:
    """Read what a page shows, again and again."""
    await session.open()
    try:
        if pause:
            await asyncio.sleep(rng.uniform(0, pause * 4))  # not all at the same moment
        while time.monotonic() < until:
            found = await session.get("datasets", "/datasets/")
            for each in found.get("items", ())[:1]:
                await _paused(pause, rng)
                await session.get("dataset", f"/datasets/{each['id']}/")
            for what in ("sync-jobs", "credentials", "project-sources", "projects"):
                await _paused(pause, rng)
                await session.get(what, f"/{what}/?limit=20")
    finally:
        session.close()


async def _paused(pause: float, rng: random.Random) -> None:
    if pause:
        await asyncio.sleep(rng.uniform(pause / 2, pause * 3 / 2))


@contextmanager
def served(installation: Installation) -> Iterator[tuple[int, psutil.Process]]:
    """Start `scout serve`; yields its port and its process."""
    command = [sys.executable, "-m", "scout_control", "serve", "--port", "0"]
    environment = installation.environment | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        line = next(each for each in process.stderr or () if READY in each)
        yield int(line.partition("127.0.0.1:")[2].partition("/")[0]), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.communicate()


def people(installation: Installation, count: int) -> list[str]:
    """Add people to the projects; return a token of each."""
    tokens = []
    for number in range(count):
        person = f"person-{number}"
        installation.scout.people.add(person)
        installation.scout.members.add(f"load-{number % PROJECTS}", person)
        tokens.append(installation.scout.tokens.create(person, scope="read").token)
    return tokens


async def measure(ports: list[int], tokens: list[str], seconds: float, pause: float) -> Times:
    """Let everyone look for some time."""
    times, until = Times(), time.monotonic() + seconds
    looking = [
        look(Session(ports[n % len(ports)], token, times), until, pause, random.Random(n))
        for n, token in enumerate(tokens)
    ]
    await asyncio.gather(*looking)
    return times


def percentile(values: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return statistics.quantiles(values, n=100)[round(share * 100) - 1] * 1000


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(times: Times, seconds: float) -> None:
    say("| read | requests | p50 ms | p95 ms | p99 ms |\n|---|--:|--:|--:|--:|")
    for what, found in [*sorted(times.seconds.items()), ("all", times.all)]:
        p50, p95, p99 = (percentile(found, each) for each in (0.5, 0.95, 0.99))
        say(f"| {what} | {len(found):,} | {p50:.0f} | {p95:.0f} | {p99:.0f} |")
    say(f"\n{len(times.all) / seconds:.0f} requests per second; failures: {dict(times.failures)}")


def load(installation: Installation, chosen: argparse.Namespace) -> None:
    """Measure reads while a worker runs datasets over and over."""
    tokens = people(installation, chosen.sessions)
    worker = None if chosen.without_runs else installation.start_worker(1)
    try:
        with ExitStack() as stack:
            servers = [stack.enter_context(served(installation)) for _ in range(chosen.servers)]
            ports = [port for port, _ in servers]
            for each in installation.scout.datasets.list():
                installation.scout.runs.queue(each.id, full_refresh=True)
            before = [process.memory_info().rss >> 20 for _, process in servers]
            spent = sum(_cpu(process) for _, process in servers)
            times = asyncio.run(measure(ports, tokens, chosen.seconds, chosen.pause))
            after = [process.memory_info().rss >> 20 for _, process in servers]
            spent = sum(_cpu(process) for _, process in servers) - spent
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait()
    runs = installation.scout.runs.list(limit=500)
    ended = sum(each.completed_at is not None for each in runs)
    say(f"{chosen.sessions} sessions, {chosen.servers} processes, pause {chosen.pause:g} s, ")
    say(f"{ended} runs ended meanwhile; memory in MiB {before} -> {after}; ")
    say(f"{spent / len(times.all) * 1000:.1f} ms of CPU for a request in the server.\n")
    show(times, chosen.seconds)


def _cpu(process: psutil.Process) -> float:
    found = process.cpu_times()
    return found.user + found.system


def flat(installation: Installation, requests: int) -> None:
    """Follow the memory of a server over many requests."""
    tokens = people(installation, 8)
    with served(installation) as (port, process):
        say("| requests | memory in MiB |\n|--:|--:|")
        total = 0
        for _ in range(SAMPLES):
            wanted = total + requests // SAMPLES
            while total < wanted:
                total += len(asyncio.run(measure([port], tokens, 2.0, 0.0)).all)
            say(f"| {total:,} | {process.memory_info().rss / (1 << 20):.1f} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--servers", type=int, default=1)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--pause", type=float, default=2.0, help="between two reads of a person")
    options.add_argument("--without-runs", action="store_true")
    options.add_argument("--requests", type=int, help="follow the memory over this many requests")
    chosen = options.parse_args()
    say(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with project_without_dbt() as project, installed(project, cases=4, forms=2) as installation:
        add(installation, PROJECTS, "load")
        if chosen.requests:
            flat(installation, chosen.requests)
        else:
            load(installation, chosen)


if __name__ == "__main__":
    main()
