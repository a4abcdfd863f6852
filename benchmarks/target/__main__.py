"""Measure: `python -m benchmarks.target [--rounds 3] [--scale 1.0] [--large] [--peers scout,dlt]`.

Tools take turns within each round, on one embedded server; the schema is dropped and a CHECKPOINT
made before each; the table shows medians. Wall time includes the start of the process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from benchmarks.target import data
from benchmarks.target.peers import CACHE, OURS, PEERS, Peer, Place
from scout_control import embedded

SCHEMA = "measured"
SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB"}


@dataclass(frozen=True)
class Task:
    """One row of the table."""

    title: str
    kind: str
    count: int
    is_upsert: bool = False
    only_ours: bool = False


@dataclass
class Runs:
    """What the runs of one tool took."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


def tasks(scale: float, *, is_large: bool) -> list[Task]:
    def many(count: int) -> int:
        return int(count * scale)

    found = [
        Task("cases 200k", "cases", many(200_000)),
        Task("forms 50k", "forms", many(50_000)),
        Task("narrow 200k", "narrow", many(200_000)),
        Task("cases 200k, 20% changed", "cases", many(200_000), is_upsert=True),
        Task("forms 50k, 20% changed", "forms", many(50_000), is_upsert=True),
        Task("narrow 200k, 20% changed", "narrow", many(200_000), is_upsert=True),
        Task("1,000 cases", "cases", 1000),
    ]
    large = [
        Task("cases 800k", "cases", many(800_000), only_ours=True),
        Task("narrow 1M", "narrow", many(1_000_000), only_ours=True),
    ]
    return found + (large if is_large else [])


class Bench:
    """One server, one directory of data."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home
        self.data = CACHE / "data"
        self.data.mkdir(parents=True, exist_ok=True)

    def file(self, task: Task, share: float = 0.0) -> Path:
        name = f"{task.kind}-{task.count}-{share}.singer"
        return data.write(self.data / name, task.kind, task.count, share)

    def query(self, *statements: str) -> None:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    def load(self, peer: Peer, source: Path) -> tuple[float, float, float]:
        """Run one load; return wall seconds, processor seconds of the tool, peak megabytes."""
        place = Place(self.url, SCHEMA, Path(tempfile.mkdtemp(dir=self.home)))
        command = peer.command(place)
        with source.open("rb") as lines, (self.home / "log").open("wb") as log:
            began = time.monotonic()
            process = subprocess.Popen(command, stdin=lines, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            tail = (self.home / "log").read_text()[-2000:]
            raise SystemExit(f"{peer.name} failed: {tail}")
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def raw(self, task: Task) -> float:
        """Time one text COPY of ready rows into a logged table with its key."""
        ready = self.home / f"{task.kind}-{task.count}.copy"
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            if not ready.exists():
                self.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
                self.load(OURS, self.file(task))
                with ready.open("w") as file:
                    cursor.copy_expert(f"COPY {SCHEMA}.{task.kind} TO STDOUT", file)
                cursor.execute("CREATE SCHEMA IF NOT EXISTS raw")
                cursor.execute(f"DROP TABLE IF EXISTS raw.{task.kind}")
                cursor.execute(
                    f"CREATE TABLE raw.{task.kind} (LIKE {SCHEMA}.{task.kind} INCLUDING INDEXES)"
                )
            cursor.execute(f"TRUNCATE raw.{task.kind}")
            cursor.execute("CHECKPOINT")
            began = time.monotonic()
            with ready.open() as file:
                cursor.copy_expert(f"COPY raw.{task.kind} FROM STDIN", file, 1 << 16)
            wall = time.monotonic() - began
        connection.close()
        return wall

    def measure(self, task: Task, peers: list[Peer], rounds: int) -> dict[str, Runs]:
        found: dict[str, Runs] = defaultdict(Runs)
        changed = self.file(task, 0.2) if task.is_upsert else None
        first = self.file(task)
        for _ in range(rounds):
            found["raw COPY"].wall.append(self.raw(task))
            for peer in peers:
                if task.only_ours and peer is not OURS:
                    continue
                self.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
                if peer.name == "pipelinewise":
                    self.query(f"CREATE SCHEMA {SCHEMA}")
                if changed is not None:
                    self.load(peer, first)
                self.query("CHECKPOINT")
                wall, cpu, megabytes = self.load(peer, changed or first)
                runs = found[peer.name]
                runs.wall.append(wall)
                runs.cpu.append(cpu)
                runs.megabytes.append(megabytes)
        return found


def row(title: str, count: int, name: str, found: dict[str, Runs]) -> str:
    runs = found[name]
    wall = statistics.median(runs.wall)
    raw = statistics.median(found["raw COPY"].wall)
    other = found.get("meltanolabs")
    times = f"{statistics.median(other.wall) / wall:.1f}" if other else "-"
    cpu = f"{statistics.median(runs.cpu):.2f}" if runs.cpu else "-"
    megabytes = f"{max(runs.megabytes):.0f}" if runs.megabytes else "-"
    return (
        f"| {title} | {name} | {count / wall:,.0f} | {wall:.2f} | {cpu} | {megabytes} | "
        f"{wall / raw:.2f} | {times} |"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--large", action="store_true")
    options.add_argument("--peers", default=",".join(peer.name for peer in PEERS))
    options.add_argument("--only", default="", help="part of the titles to measure")
    chosen = options.parse_args()
    peers = [peer for peer in PEERS if peer.name in chosen.peers.split(",")]
    missing = [peer.name for peer in peers if not peer.is_there()]
    peers = [peer for peer in peers if peer.name not in missing]
    home = Path(tempfile.mkdtemp(prefix="scout-bench-"))
    home.chmod(0o755)
    try:
        bench = Bench(embedded.start(home / "server"), home)
        bench.query(*[f"ALTER SYSTEM SET {name} = '{value}'" for name, value in SERVER.items()])
        embedded.stop(home / "server")
        embedded.start(home / "server")
        print(f"{time.strftime('%d %B %Y')}, {os.cpu_count()} cores, {chosen.rounds} rounds\n")
        print(
            "| task | tool | records/s | wall s | tool cpu s | peak MB | x raw | faster than ML |"
        )
        print("|---|---|--:|--:|--:|--:|--:|--:|")
        for task in tasks(chosen.scale, is_large=chosen.large):
            if chosen.only not in task.title:
                continue
            found = bench.measure(task, peers, chosen.rounds)
            for name in found:
                print(row(task.title, task.count, name, found), flush=True)
        if missing:
            print(f"\nNot installable here: {', '.join(missing)}.")
    finally:
        embedded.stop(home / "server")
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
