"""Kill workers, Meltano, tap, target, dbt and the database while datasets are loaded; then compare.

Run it with `python -m benchmarks.control_soak --kills 200 --datasets 20 --workers 3`. Two thirds of
the datasets are domains of CommCare, the others opportunities of Connect; their data changes all
the time. In the end, after one last run of each, every dataset must equal its source.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil
import psycopg2
from scout_control.errors import ControlError
from scout_control.installation import embedded_postgres
from scout_control.meltano import workdir

from benchmarks import soak
from benchmarks.control.equality import Domain, Opportunity
from benchmarks.control.victims import Overlaps, attempts, below
from benchmarks.control.world import World, installed

# How often which kind is chosen; "all workers" is what a machine that loses its power does.
CHANCES = {
    "worker": 8,
    "all workers": 1,
    "leash": 6,
    "meltano": 20,
    "tap": 25,
    "target": 25,
    "dbt": 25,
    "database": 4,
}
ALWAYS_THERE = {"worker", "all workers", "database"}
ALIVE = {"queued", "running", "paused"}
LOCKS = """
    SELECT count(*) FROM scout_control.locks
      JOIN pg_stat_activity AS session USING (pid, backend_start)
"""
STATES = "SELECT state_id, completed_state::text || partial_state::text FROM scout_meltano.state"
LONGEST_WAIT_SECONDS = 900.0
LONGEST_PAUSE_SECONDS = 4.0
LONGEST_END_SECONDS = 120
LATENCY_MS = 30


@dataclass
class Soak:
    """One soak: its world, its workers, and what was done to them."""

    world: World
    chance: random.Random
    concurrency: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    sources: dict[str, Domain | Opportunity] = field(default_factory=dict)
    schemas: dict[str, str] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def add_datasets(self, count: int) -> None:
        """Make the datasets."""
        sandbox = self.world.sandbox
        for domain in sandbox.domains:
            self.sources[self.world.add_commcare(domain)] = Domain(sandbox, domain)
        for number in range(1, count - len(sandbox.domains) + 1):
            self.sources[self.world.add_connect(number)] = Opportunity(sandbox, number)
        for path in self.sources:
            self.schemas[path] = self.world.scout.datasets.show(path).schema

    def keep_workers(self, count: int) -> None:
        """Start workers for those that are not there."""
        self.workers = [each for each in self.workers if each.poll() is None]
        while len(self.workers) < count:
            self.workers.append(self.world.start_worker(self.concurrency))

    def queue_all(self) -> None:
        """Ask for a run of each dataset that has none."""
        for path in self.sources:
            try:
                self.world.scout.runs.queue(path)
            except ControlError:
                continue  # it has one, or the database is away

    def disturb(self) -> None:
        """Change the data of some sources a little."""
        for source in self.chance.sample(list(self.sources.values()), 3):
            if isinstance(source, Opportunity):
                source.insert()
                continue
            soak.disturb(source, self.chance)
            if self.chance.random() < 0.01:
                source.reindex()

    def kill(self) -> str:
        """Kill something that is there, at a random moment; return what."""
        time.sleep(self.chance.uniform(0, LONGEST_PAUSE_SECONDS))
        found = below(each.pid for each in self.workers)
        kinds = [kind for kind in CHANCES if kind in ALWAYS_THERE or found[kind]]
        kind = self.chance.choices(kinds, [CHANCES[each] for each in kinds])[0]
        act = {"database": self._restart, "worker": self._kill_worker, "all workers": self._storm}
        done = act[kind]() if kind in act else _killed(self.chance.choice(found[kind]))
        self.kills[kind] += int(bool(done))
        return f"{kind}: {done}" if done else ""

    def _kill_worker(self) -> str:
        worker = self.chance.choice(self.workers)
        number = self.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        worker.send_signal(number)
        return f"pid {worker.pid} with {number.name}"

    def _storm(self) -> str:
        for worker in self.workers:
            worker.kill()
        return f"{len(self.workers)} of them"

    def _restart(self) -> str:
        """Restart the database, in order or as if it had crashed."""
        how = self.chance.choice((signal.SIGINT, signal.SIGQUIT))
        pid = int((self.world.postgres / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, how)
        wait_for_end(pid)
        seconds = self.chance.uniform(0, 8)
        time.sleep(seconds)
        embedded_postgres.start(self.world.postgres)
        return f"away for {seconds:.1f} s after {how.name}"

    def wait(self, workers: int) -> float:
        """Wait until no run is alive; return for how long."""
        began = time.monotonic()
        while self.alive():
            if time.monotonic() - began > LONGEST_WAIT_SECONDS:
                break
            self.keep_workers(workers)
            time.sleep(1)
        return time.monotonic() - began

    def end(self) -> list[int]:
        """Tell the workers to end; return their exit codes."""
        for worker in self.workers:
            worker.terminate()
        return [worker.wait(LONGEST_END_SECONDS) for worker in self.workers]

    def alive(self) -> list[str]:
        """Return the runs that have not ended."""
        runs = self.world.scout.runs.list(limit=100_000)
        return [f"{run.dataset} {run.status}" for run in runs if run.status in ALIVE]


def _killed(victim: psutil.Process) -> str:
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return ""
    return f"pid {victim.pid}"


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended; its exit code is for whoever started it."""
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)


def say(text: str) -> None:
    """Print a line with the time."""
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stdout.flush()


def torment(job: Soak, kills: int, workers: int) -> None:
    """Kill so often, with all datasets always due and all sources always changing."""
    job.keep_workers(workers)
    done = 0
    while done < kills:
        job.queue_all()
        job.disturb()
        if told := job.kill():
            done += 1
            say(f"{done:4} {told}")
        job.keep_workers(workers)


def findings(job: Soak, overlaps: Overlaps) -> dict[str, object]:
    """Return what is wrong in the end, by what it is; empty is right."""
    world = job.world
    last = {path: world.scout.runs.list(dataset=path, limit=1)[0] for path in job.sources}
    differing = {}
    for path, source in job.sources.items():
        found = source.differences(world.url, job.schemas[path])
        if any(found[what] for what in ("missing", "extra", "different", "foreign")):
            differing[path] = dict(found)
    with closing(psycopg2.connect(world.url)) as connection, connection.cursor() as cursor:
        cursor.execute(LOCKS)
        [(locks,)] = cursor.fetchall()
        cursor.execute(STATES)
        mixed = [name for name, state in cursor.fetchall() if _is_mixed(job, name, state)]
    return {
        "datasets that differ": differing,
        "last runs that did not complete": {
            path: run.error_message for path, run in last.items() if run.status != "completed"
        },
        "runs still alive": job.alive(),
        "locks held": locks,
        "states that name another dataset's source": mixed,
        "two runs of a dataset at once": overlaps.found,
        "processes left": dict(attempts(str(world.settings.home))),
        "directories left": [str(path) for path in workdir.abandoned()],
    }


def _is_mixed(job: Soak, state_id: str, state: str) -> bool:
    path = next(path for path, schema in job.schemas.items() if state_id.endswith(f":{schema}"))
    own = job.sources[path]
    others = (source for source in job.sources.values() if isinstance(source, Domain))
    names = {source.name for source in others if source is not own}
    return any(f'"{name}"' in state for name in names)


def told_of_runs(job: Soak) -> None:
    """Print how the runs ended."""
    runs = job.world.scout.runs.list(limit=100_000)
    say(f"runs: {dict(Counter(run.status for run in runs))}")
    say(f"attempts: {dict(sorted(Counter(run.attempt for run in runs).items()))}")
    reasons = Counter(run.error_message or run.transform_error for run in runs)
    for reason, count in reasons.most_common(12):
        if reason:
            say(f"  {count:4} {reason[:150]}")


def run(options: argparse.Namespace) -> bool:
    """Run the soak; tell whether everything was right in the end."""
    domains = max(1, options.datasets * 2 // 3)
    size = {"cases": options.cases, "forms": options.cases // 3, "domains": domains}
    size |= {"connect_opportunities": options.datasets - domains, "connect_visits": 200}
    size |= {"latency_ms": LATENCY_MS, "seed": options.seed}
    with installed(**size) as world:
        job = Soak(world, random.Random(options.seed), options.concurrency)
        job.add_datasets(options.datasets)
        overlaps = Overlaps(str(world.settings.home))
        overlaps.start()
        try:
            torment(job, options.kills, options.workers)
        except BaseException:
            job.end()
            raise
        say(f"kills: {dict(job.kills)}; now it is quiet")
        world.sandbox.set(latency_ms=0)
        say(f"all runs had ended after {job.wait(options.workers):.0f} s")
        told_of_runs(job)
        job.queue_all()
        say(f"one more run of each took {job.wait(options.workers):.0f} s")
        say(f"exit codes of the workers: {job.end()}")
        overlaps.end()
        wrong = findings(job, overlaps)
        for what, found in wrong.items():
            say(f"{what}: {found or 'none'}")
        if options.log:
            options.log.write((world.folder / "workers.log").read_text(errors="replace"))
        return not any(wrong.values())


def main() -> int:
    """Read the command line, run, and say how it ended."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--datasets", type=int, default=20)
    options.add_argument("--workers", type=int, default=3)
    options.add_argument("--concurrency", type=int, default=2, help="runs at once a worker")
    options.add_argument("--cases", type=int, default=300, help="a domain; forms: a third of it")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--log", type=argparse.FileType("w"), help="what the workers said")
    is_right = run(options.parse_args())
    say("everything is right" if is_right else "NOT EVERYTHING IS RIGHT")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
