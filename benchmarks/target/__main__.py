"""Compare the target with its peers and with raw COPY.

Run it with `make bench ARGS=target`, or `ARGS="target --scale 0.01"` for a quick try. Tools take
turns within each round on one embedded server; before each load the schema is dropped and a
CHECKPOINT made. Each load of a new table is followed by one of the same records with 20% of
them edited. Results are medians; wall time includes process start.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from benchmarks.target import data, machine, report
from benchmarks.target.machine import Run, Server
from benchmarks.target.peers import CACHE, OURS, PEERS, Peer, Place
from benchmarks.target.report import RAW, START, UPSERT

SCHEMA = "measured"
RESULTS = Path(__file__).parent / "RESULTS.md"
LARGE_ROUNDS = 3


@dataclass(frozen=True)
class Task:
    """What is loaded: a number of records of a kind; large ones are several copies."""

    title: str
    kind: str
    count: int
    copies: int = 1
    is_compared: bool = True
    has_upsert: bool = True


def tasks(scale: float) -> list[Task]:
    """Return the tasks."""

    def many(count: int) -> int:
        return max(100, int(count * scale))

    return [
        Task(START, "cases", 1000, has_upsert=False),
        Task("cases 200k", "cases", many(200_000)),
        Task("forms 50k", "forms", many(50_000)),
        Task("narrow 200k", "narrow", many(200_000)),
        Task("cases 800k", "cases", many(200_000), 4, is_compared=False, has_upsert=False),
        Task("narrow 1M", "narrow", many(200_000), 5, is_compared=False, has_upsert=False),
    ]


class Bench:
    """The runs of all tools on one server."""

    def __init__(self, server: Server, home: Path, peers: list[Peer]) -> None:
        self.server = server
        self.home = home
        self.peers = peers
        self.failed: dict[str, str] = {}
        self.found: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))

    def source(self, task: Task, share: float = 0.0) -> Path:
        """Return the file of a task's messages."""
        folder = CACHE / "data"
        folder.mkdir(parents=True, exist_ok=True)
        plain = folder / f"{task.kind}-{task.count}-{share}.singer"
        data.write(plain, data.messages(task.kind, task.count, share))
        if task.copies == 1:
            return plain
        repeated = self.home / f"{task.kind}-{task.count}-{task.copies}.singer"
        return data.write(repeated, data.repeated(plain, task.kind, task.copies))

    def measure(self, task: Task) -> None:
        """Run a task in all rounds, the tools in turn."""
        tools = self.peers if task.is_compared else [OURS]
        rounds = max(peer.rounds for peer in tools) if task.is_compared else LARGE_ROUNDS
        ready = self.ready(task)
        for number in range(rounds):
            self.found[task.title][RAW].append(self.raw(task, ready))
            for peer in tools:
                if number < peer.rounds and peer.name not in self.failed:
                    self.take_turn(task, peer)
        ready.unlink()

    def take_turn(self, task: Task, peer: Peer) -> None:
        """Load with one tool, then load the changes. A tool that fails is skipped from then on."""
        self.server.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        if peer.needs_schema:
            self.server.query(f"CREATE SCHEMA {SCHEMA}")
        loads = [(task.title, self.source(task))]
        if task.has_upsert:
            loads.append((f"{task.title}, {UPSERT}", self.source(task, 0.2)))
        for title, source in loads:
            self.server.query("CHECKPOINT")
            place = Place(self.server.url, SCHEMA, Path(tempfile.mkdtemp(dir=self.home)))
            try:
                run = self.server.timed(peer.command(place), source, self.home / "log")
            except (OSError, RuntimeError, ValueError) as error:
                self.failed[peer.name] = title
                sys.stderr.write(f"{peer.name} failed at {title}: {error}\n")
                return
            self.found[title][peer.name].append(run)
            sys.stderr.write(f"{title}: {peer.name} {run.wall:.2f} s\n")

    def ready(self, task: Task) -> Path:
        """Create the table for raw COPY, and a task's rows as a COPY text file."""
        self.server.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        place = Place(self.server.url, SCHEMA, Path(tempfile.mkdtemp(dir=self.home)))
        self.server.timed(OURS.command(place), self.source(task), self.home / "log")
        rows = self.home / "rows"
        loaded, raw = f"{SCHEMA}.{task.kind}", f"raw.{task.kind}"
        self.copy(f"COPY {loaded} TO STDOUT", rows, "w")
        self.server.query(
            "CREATE SCHEMA IF NOT EXISTS raw",
            f"DROP TABLE IF EXISTS {raw}",
            f"CREATE TABLE {raw} (LIKE {loaded} INCLUDING INDEXES)",
        )
        return rows

    def raw(self, task: Task, ready: Path) -> Run:
        """Time one text COPY of ready rows into a logged table with its key."""
        self.server.query(f"TRUNCATE raw.{task.kind}", "CHECKPOINT")
        return Run(self.copy(f"COPY raw.{task.kind} FROM STDIN", ready, "r"))

    def copy(self, statement: str, path: Path, mode: str) -> float:
        """Copy between a table and a file; return the seconds it took."""
        connection = psycopg2.connect(self.server.url)
        connection.autocommit = True
        with connection.cursor() as cursor, path.open(mode) as file:
            began = time.monotonic()
            cursor.copy_expert(statement, file, 1 << 16)
            taken = time.monotonic() - began
        connection.close()
        return taken


def counts(chosen: list[Task]) -> dict[str, int]:
    """Return how many records each row of the table stands for."""
    found = {task.title: task.count * task.copies for task in chosen}
    upserts = {f"{task.title}, {UPSERT}": task.count for task in chosen if task.has_upsert}
    return found | upserts


def text(bench: Bench, chosen: list[Task], missing: list[str], began: float, head: str) -> str:
    """Return the whole page of results."""
    of = counts(chosen)
    table = [line for title in bench.found for line in report.rows(title, of[title], bench.found)]
    absent = [f"{name} could not be installed here" for name in missing]
    absent += [f"{name} failed at {title}" for name, title in bench.failed.items()]
    return "\n".join(
        [
            "# target-scout-postgres against its peers",
            "",
            f"`make bench ARGS=target`, {head}",
            "Medians; wall time includes process start, except for raw COPY: one text COPY of "
            "prepared rows into a logged table with its key. Start-up amortised: the same ratio "
            f"after subtracting the wall time of {START} from both sides. sling flattens nested "
            "objects into columns, so its table differs.",
            "",
            *report.goals(bench.found),
            "",
            report.HEAD,
            *table,
            "",
            *(f"Not measured: {one}." for one in absent),
            f"Total: {(time.monotonic() - began) / 60:.0f} minutes.",
            "",
        ]
    )


def main() -> int:
    """Measure, then write the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", type=float, default=1.0, help="share of the records")
    options.add_argument("--peers", default=",".join(peer.name for peer in PEERS))
    options.add_argument("--only", default="", help="part of the titles to measure")
    options.add_argument("--out", type=Path, help=f"default: {RESULTS.name} here at scale 1")
    wanted = options.parse_args()
    began = time.monotonic()
    peers = [peer for peer in PEERS if peer is OURS or peer.name in wanted.peers.split(",")]
    missing = [peer.name for peer in peers if not peer.is_there()]
    peers = [peer for peer in peers if peer.name not in missing]
    chosen = [task for task in tasks(wanted.scale) if wanted.only in task.title]
    home = Path(tempfile.mkdtemp(prefix="scout-bench-"))
    home.chmod(0o755)
    try:
        with machine.server(home) as server:
            head = machine.described(server)
            if wanted.scale != 1:
                head += f" Only {wanted.scale:g} of the records that the titles say."
            bench = Bench(server, home, peers)
            for task in chosen:
                bench.measure(task)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    page = text(bench, chosen, missing, began, head)
    out = wanted.out or (RESULTS if wanted.scale == 1 and not wanted.only else None)
    if out is not None:
        out.write_text(page)
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
