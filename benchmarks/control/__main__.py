"""What control costs beside bare `meltano run`: processor, memory, throughput, scheduling.

Writes benchmarks/control/RESULTS.md. The project is the real one without dbt, whose start would
hide what is measured; the datasets are tiny, so that starting is all there is to do.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import yaml
from scout_control.datasets import schemas
from scout_control.meltano.process import environment as environment_of_run
from scout_control.runs import prepare
from scout_control.scheduler import maintenance
from scout_control.store import lookups
from sqlalchemy import text

from benchmarks.control.world import ROOT, World, installed

RESULTS = Path(__file__).with_name("RESULTS.md")
PROGRAMS = Path(sys.executable).parent
CORES = 2
MANY = 100_000
A_DAY = timedelta(hours=24)
FILL = (
    """
    INSERT INTO scout_control.datasets
        (project_source_id, user_id, schema_name, owner, status, next_sync_at, last_activity_at)
    SELECT project_source_id, 'user-' || n, 'data_' || n, 'o', 'ready',
           now() + interval '1 hour', now()
      FROM (SELECT project_source_id FROM scout_control.datasets LIMIT 1) AS any_one,
           generate_series(1, :count) AS n
    """,
    """
    INSERT INTO scout_control.runs (dataset_id, status, completed_at)
    SELECT id, 'completed', now() FROM scout_control.datasets WHERE schema_name LIKE 'data\\_%'
    """,
)
LET_SOME_BE_DUE = """
    UPDATE scout_control.datasets SET next_sync_at = now()
     WHERE schema_name LIKE 'data\\_77%' AND owner = 'o'
"""
HEAD = """# What control costs

{when} UTC, {cores} cores, Python {python}. One command: `make bench ARGS=control`.
Figures of different runs or machines are not to be compared.

| what | measured | goal | |
|---|--:|--:|---|
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    goal: str = ""
    is_met: bool | None = None

    def __str__(self) -> str:
        verdict = "" if self.is_met is None else ("met" if self.is_met else "**missed**")
        return f"| {self.what} | {self.measured} | {self.goal} | {verdict} |"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a command cost."""

    cpu_seconds: float
    wall_seconds: float
    bytes: int
    """Peak memory with all that it started, shared pages counted once (PSS)."""
    own_bytes: int
    """Peak memory of the command alone as if it shared nothing (RSS)."""


def cost_of(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command and measure it with all that it starts."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peaks = {"bytes": 0, "own_bytes": 0}
    watching = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peaks))
    watching.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watching.join()
    if process.returncode:
        raise RuntimeError(f"{command[:4]} ended with {process.returncode}")
    return Cost(
        cpu_seconds=used.ru_utime + used.ru_stime,
        wall_seconds=time.monotonic() - began,
        **peaks,
    )


def _watch(command: psutil.Process, peaks: dict[str, int]) -> None:
    """Follow how much memory a process and all below it take together, until it ends."""
    with suppress(psutil.NoSuchProcess):
        while command.status() != psutil.STATUS_ZOMBIE:
            own = command.memory_full_info()
            together = own.pss + sum(map(_pss, command.children(recursive=True)))
            peaks["bytes"] = max(peaks["bytes"], together)
            peaks["own_bytes"] = max(peaks["own_bytes"], own.rss)
            time.sleep(0.05)


def _pss(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # the latter of one that ends
        return int(process.memory_full_info().pss)
    return 0


def bare(world: World, path: str) -> tuple[list[str], dict[str, str]]:
    """Return `meltano run` of a dataset as control would start it, its place made beforehand."""
    site = world.scout.installation
    run_id = uuid.UUID(world.scout.runs.queue(path).run_id)
    with site.store.begin() as session:
        run = lookups.run(session, str(run_id))
        run.dataset  # noqa: B018 - loaded while the transaction is open
    world.scout.runs.cancel(str(run_id))
    place = schemas.provision(site, run.dataset)
    with prepare.prepared(site, run) as preparation:
        pipeline = prepare.pipeline(site, run, preparation, place)
    work = Path(tempfile.mkdtemp(prefix="bare-", dir=world.folder))
    environment = environment_of_run(pipeline, str(uuid.uuid4()), work)
    return [str(PROGRAMS / "meltano"), "run", "--force", *pipeline.blocks], environment


def measure_cost(world: World, rounds: int) -> Iterator[Row]:
    """Compare one `scout run` with one `meltano run`, in turns."""
    path = add(world, 1, "cost")[0]
    controlled = [sys.executable, "-m", "scout_control", "run", path]
    cost_of(controlled, world.environment)
    pairs = [
        (cost_of(controlled, world.environment), cost_of(*bare(world, path))) for _ in range(rounds)
    ]
    cpu = statistics.median(ours.cpu_seconds - bare.cpu_seconds for ours, bare in pairs)
    wall = statistics.median(ours.wall_seconds - bare.wall_seconds for ours, bare in pairs)
    memory = statistics.median(ours.bytes - bare.bytes for ours, bare in pairs) / 1e6
    own = statistics.median(ours.own_bytes for ours, _ in pairs) / 1e6
    alone = statistics.median(bare.cpu_seconds for _, bare in pairs)
    yield Row(what="processor of a bare `meltano run`", measured=f"{alone:.2f} s")
    yield Row(
        what="`scout run` beyond it: processor",
        measured=f"{cpu:.2f} s",
        goal="< 0.3 s",
        is_met=cpu < 0.3,
    )
    yield Row(
        what="`scout run` beyond it: memory, shared pages counted once",
        measured=f"{memory:.0f} MB",
        goal="< 60 MB",
        is_met=memory < 60,
    )
    yield Row(what="memory of its process as if it shared nothing", measured=f"{own:.0f} MB")
    yield Row(what="`scout run` beyond it: time", measured=f"{wall:.2f} s")


def measure_throughput(world: World, count: int) -> Iterator[Row]:
    """Let two workers do many datasets that are due; then two loops of bare `meltano run`."""
    due = add(world, count, "due")
    others = [bare(world, path) for path in add(world, count, "bare")]
    for path in world.scout.datasets.list():
        if not path.path.startswith("due"):
            world.scout.datasets.pause(path.path)
    queued = maintenance.start_due(world.scout.installation, datetime.now(UTC))
    began, used = time.monotonic(), children_cpu_seconds()
    workers = [world.start_worker(1, "--until-idle") for _ in range(CORES)]
    peaks = _peaks(workers)
    ours, our_cpu = time.monotonic() - began, children_cpu_seconds() - used
    began, used = time.monotonic(), children_cpu_seconds()
    with ThreadPoolExecutor(CORES) as loops:
        list(loops.map(lambda each: run_quietly(*each), others))
    theirs, their_cpu = time.monotonic() - began, children_cpu_seconds() - used
    runs = [run for path in due for run in world.scout.runs.list(dataset=path)]
    once = [run for run in runs if run.status == "completed" and run.attempt == 1]
    share = theirs / ours
    yield Row(
        what=f"{queued} datasets due, {CORES} workers: done once and well",
        measured=f"{len(once)} of {len(runs)}",
        goal="all",
        is_met=len(once) == len(runs) == queued == count,
    )
    yield Row(
        what=f"throughput of {CORES} workers beside {CORES} loops of `meltano run`",
        measured=f"{count / ours * 60:.0f} and {count / theirs * 60:.0f} a minute, {share:.0%}",
        goal="> 90%",
        is_met=share > 0.9,
    )
    each = (our_cpu - their_cpu) / count
    yield Row(
        what="a run by a worker beyond `meltano run`: processor",
        measured=f"{each:.2f} s",
        goal="< 0.3 s",
        is_met=each < 0.3,
    )
    yield Row(what="memory of a worker", measured=f"{max(peaks) / 1e6:.0f} MB")


def run_quietly(command: list[str], environment: dict[str, str]) -> None:
    """Run a command to its end, which must be a good one."""
    nowhere = subprocess.DEVNULL
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=nowhere, stderr=nowhere)


def children_cpu_seconds() -> float:
    """Return the processor time of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peaks(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for workers to end; return how much memory each had at most."""
    peaks = [0] * len(workers)
    while any(worker.poll() is None for worker in workers):
        for at, worker in enumerate(workers):
            if worker.poll() is None:
                peaks[at] = max(peaks[at], psutil.Process(worker.pid).memory_info().rss)
        time.sleep(0.1)
    return peaks


def measure_rounds(world: World) -> Iterator[Row]:
    """Fill the store, and do rounds over it."""
    site = world.scout.installation
    with site.store.begin() as session:
        for statement in FILL:
            session.execute(text(statement), {"count": MANY} if ":count" in statement else {})
    with site.store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))

    def due() -> int:
        return maintenance.start_due(site, datetime.now(UTC))

    def tick() -> int:
        return sum(maintenance.tick(site, A_DAY).values())

    with site.store.begin() as session:
        session.execute(text("UPDATE scout_control.datasets SET is_paused = false"))
    due()
    for what, setting, do in (
        ("nothing is due", "SELECT 1", due),
        ("a hundredth is due", LET_SOME_BE_DUE, due),
        ("all upkeep, nothing is due", "SELECT 1", tick),
    ):
        with site.store.begin() as session:
            session.execute(text(setting))
        seconds, done = timed(do)
        yield Row(
            what=f"a round over {MANY:,} datasets: {what} ({done} queued)",
            measured=f"{seconds:.2f} s",
            goal="< 1 s",
            is_met=seconds < 1,
        )


def timed(do: Callable[[], int]) -> tuple[float, int]:
    """Return how long something took, and its answer."""
    began = time.monotonic()
    answer = do()
    return time.monotonic() - began, answer


def add(world: World, count: int, prefix: str) -> list[str]:
    """Make datasets of projects of their own, all of one source; return their paths."""
    scout, sandbox = world.scout, world.sandbox
    if not scout.sources.list():
        config = {"domain": sandbox.domain, "datasets": ["groups"]}
        scout.sources.add("hq", "tap-commcare", base_url=sandbox.url, config=config)
    login = {"username": sandbox.username, "api_key": sandbox.api_key}
    paths = []
    for number in range(count):
        project = f"{prefix}-{number}"
        scout.projects.create(project)
        scout.sources.link(project, "hq", mode="project")
        scout.credentials.save("hq", "api_key", login, project=project)
        paths.append(scout.datasets.ensure(project, "hq").path)
    return paths


@contextmanager
def project_without_dbt() -> Iterator[Path]:
    """Make the project as it is, but without transforms."""
    document = yaml.safe_load((ROOT / "meltano.yml").read_text())
    for job in document["jobs"]:
        job["tasks"] = [" ".join(task.split()[:2]) for task in job["tasks"]]
    folder = Path(tempfile.mkdtemp(prefix="scout-bench-project-"))
    try:
        (folder / "meltano.yml").write_text(yaml.safe_dump(document))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Measure everything, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--datasets", type=int, default=100, help="500 take twenty minutes")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path, default=RESULTS)
    chosen = options.parse_args()
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    head = HEAD.format(when=when, cores=os.cpu_count(), python=sys.version.split()[0])
    sys.stdout.write(head)
    lines = []
    with project_without_dbt() as project, installed(project, cases=4, forms=2) as world:
        for measure in (
            lambda: measure_cost(world, chosen.rounds),
            lambda: measure_throughput(world, chosen.datasets),
            lambda: measure_rounds(world),
        ):
            for row in measure():
                lines.append(f"{row}\n")
                sys.stdout.write(lines[-1])
                sys.stdout.flush()
    before = chosen.out.read_text() if chosen.out.exists() else ""
    others = "".join(before.partition("\n## ")[1:])  # of other measurements
    chosen.out.write_text(head + "".join(lines) + others)
    return 0


if __name__ == "__main__":
    sys.exit(main())
