"""Overhead of control over bare `meltano run`: CPU, memory, throughput, scheduling.

Writes benchmarks/control/RESULTS.md. The project is the real one without dbt, whose start would
hide the overhead; the datasets are tiny, so that start-up dominates.
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
from psycopg.conninfo import conninfo_to_dict
from scout_control.datasets import schemas
from scout_control.meltano.process import Pipeline
from scout_control.meltano.process import environment as environment_of_run
from scout_control.runs import prepare
from scout_control.scheduler import maintenance
from scout_control.store import lookups
from scout_dbt import libpq
from sqlalchemy import text

from benchmarks.control.installation import ROOT, Installation, installed

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
HEAD = """# Overhead of control

{when} UTC, {cores} cores, Python {python}. One command: `make bench ARGS=control`.
Do not compare figures of different runs or machines.

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
    """Resources used by a command."""

    cpu_seconds: float
    wall_seconds: float
    bytes: int
    """Peak memory of the process tree, shared pages counted once (PSS)."""
    own_bytes: int
    """Peak memory of the command alone, shared pages included (RSS)."""


def cost_of(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command and measure its process tree."""
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
    """Track the peak memory of a process tree until the process ends."""
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


def bare(installation: Installation, path: str) -> tuple[list[str], dict[str, str]]:
    """Return the `meltano run` command that control would start for a provisioned dataset."""
    site = installation.scout.installation
    run_id = uuid.UUID(installation.scout.runs.queue(path).run_id)
    with site.store.begin() as session:
        run = lookups.run(session, str(run_id))
        run.dataset  # noqa: B018 - loaded while the transaction is open
    installation.scout.runs.cancel(str(run_id))
    place = schemas.provision(site, run.dataset)
    with prepare.prepared(site, run) as preparation:
        pipeline = prepare.pipeline(site, run, preparation, place)
    command = [str(PROGRAMS / "meltano"), "run", "--force", *pipeline.blocks]
    return command, bare_environment(pipeline, installation.folder)


def bare_environment(pipeline: Pipeline, folder: Path) -> dict[str, str]:
    """Return the environment in which Meltano does without control what it does with it.

    Every process gets all secrets, the project is the checkout itself, and files keep the state, so
    that later runs read what has changed, as under control.
    """
    work = Path(tempfile.mkdtemp(prefix="bare-", dir=folder))
    database = conninfo_to_dict(pipeline.database_url or "")
    return {
        **environment_of_run(pipeline, str(uuid.uuid4()), work),
        "MELTANO_PROJECT_ROOT": str(ROOT),
        "MELTANO_STATE_BACKEND_URI": f"file://{folder / 'bare-state'}",
        **pipeline.secrets,
        **libpq.variables(database),
        "PGPASSWORD": str(database.get("password", "")),
    }


def measure_cost(installation: Installation, rounds: int) -> Iterator[Row]:
    """Compare `scout run` with `meltano run`, alternating."""
    path = add(installation, 1, "cost")[0]
    controlled = [sys.executable, "-m", "scout_control", "run", path]
    cost_of(controlled, installation.environment)
    cost_of(*bare(installation, path))  # afterwards: each run sets a new password of the writer
    pairs = [
        (cost_of(controlled, installation.environment), cost_of(*bare(installation, path)))
        for _ in range(rounds)
    ]
    cpu = statistics.median(ours.cpu_seconds - bare.cpu_seconds for ours, bare in pairs)
    wall = statistics.median(ours.wall_seconds - bare.wall_seconds for ours, bare in pairs)
    memory = statistics.median(ours.bytes - bare.bytes for ours, bare in pairs) / 1e6
    own = statistics.median(ours.own_bytes for ours, _ in pairs) / 1e6
    alone = statistics.median(bare.cpu_seconds for _, bare in pairs)
    yield Row(what="CPU of a bare `meltano run`", measured=f"{alone:.2f} s")
    yield Row(
        what="overhead of `scout run`: CPU",
        measured=f"{cpu:.2f} s",
        goal="< 0.3 s",
        is_met=cpu < 0.3,
    )
    yield Row(
        what="overhead of `scout run`: memory, shared pages counted once",
        measured=f"{memory:.0f} MB",
        goal="< 60 MB",
        is_met=memory < 60,
    )
    yield Row(what="memory of its process, shared pages included", measured=f"{own:.0f} MB")
    yield Row(what="overhead of `scout run`: time", measured=f"{wall:.2f} s")


def measure_throughput(installation: Installation, count: int) -> Iterator[Row]:
    """Run many due datasets with two workers, then with two loops of bare `meltano run`."""
    due = add(installation, count, "due")
    others = [bare(installation, path) for path in add(installation, count, "bare")]
    for path in installation.scout.datasets.list():
        if not path.path.startswith("due"):
            installation.scout.datasets.pause(path.path)
    queued = maintenance.start_due(installation.scout.installation, datetime.now(UTC))
    began, used = time.monotonic(), children_cpu_seconds()
    workers = [installation.start_worker(1, "--until-idle") for _ in range(CORES)]
    peaks = _peaks(workers)
    ours, our_cpu = time.monotonic() - began, children_cpu_seconds() - used
    began, used = time.monotonic(), children_cpu_seconds()
    with ThreadPoolExecutor(CORES) as loops:
        list(loops.map(lambda each: run_quietly(*each), others))
    theirs, their_cpu = time.monotonic() - began, children_cpu_seconds() - used
    runs = [run for path in due for run in installation.scout.runs.list(dataset=path)]
    once = [run for run in runs if run.status == "completed" and run.attempt == 1]
    share = theirs / ours
    yield Row(
        what=f"{queued} due datasets, {CORES} workers: completed exactly once",
        measured=f"{len(once)} of {len(runs)}",
        goal="all",
        is_met=len(once) == len(runs) == queued == count,
    )
    yield Row(
        what=f"throughput of {CORES} workers and of {CORES} loops of `meltano run`",
        measured=f"{count / ours * 60:.0f} and {count / theirs * 60:.0f} a minute, {share:.0%}",
        goal="> 90%",
        is_met=share > 0.9,
    )
    each = (our_cpu - their_cpu) / count
    yield Row(
        what="overhead of a worker's run over `meltano run`: CPU",
        measured=f"{each:.2f} s",
        goal="< 0.3 s",
        is_met=each < 0.3,
    )
    yield Row(what="memory of a worker", measured=f"{max(peaks) / 1e6:.0f} MB")


def run_quietly(command: list[str], environment: dict[str, str]) -> None:
    """Run a command, which must succeed."""
    nowhere = subprocess.DEVNULL
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=nowhere, stderr=nowhere)


def children_cpu_seconds() -> float:
    """Return the CPU time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peaks(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for workers to end; return the peak memory of each."""
    peaks = [0] * len(workers)
    while any(worker.poll() is None for worker in workers):
        for at, worker in enumerate(workers):
            if worker.poll() is None:
                peaks[at] = max(peaks[at], psutil.Process(worker.pid).memory_info().rss)
        time.sleep(0.1)
    return peaks


def measure_rounds(installation: Installation) -> Iterator[Row]:
    """Fill the store and measure scheduling rounds over it."""
    site = installation.scout.installation
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
        ("nothing due", "SELECT 1", due),
        ("1 % due", LET_SOME_BE_DUE, due),
        ("all maintenance, nothing due", "SELECT 1", tick),
    ):
        with site.store.begin() as session:
            session.execute(text(setting))
        seconds, done = timed(do)
        yield Row(
            what=f"scheduling round over {MANY:,} datasets: {what} ({done} queued)",
            measured=f"{seconds:.2f} s",
            goal="< 1 s",
            is_met=seconds < 1,
        )


def timed(do: Callable[[], int]) -> tuple[float, int]:
    """Return the duration of a call and its result."""
    began = time.monotonic()
    answer = do()
    return time.monotonic() - began, answer


def add(installation: Installation, count: int, prefix: str) -> list[str]:
    """Create datasets of separate projects, all of one source; return their paths."""
    scout, sandbox = installation.scout, installation.sandbox
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
    """Copy the project without its transforms."""
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
    """Measure everything and write the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--datasets", type=int, default=100, help="500 take twenty minutes")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path, default=RESULTS)
    chosen = options.parse_args()
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    head = HEAD.format(when=when, cores=os.cpu_count(), python=sys.version.split()[0])
    sys.stdout.write(head)
    lines = []
    with project_without_dbt() as project, installed(project, cases=4, forms=2) as installation:
        for measure in (
            lambda: measure_cost(installation, chosen.rounds),
            lambda: measure_throughput(installation, chosen.datasets),
            lambda: measure_rounds(installation),
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
