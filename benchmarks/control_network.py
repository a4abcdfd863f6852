"""Cut one machine off in the middle of its run: another takes over, and the first stays out.

Run it as root with `python -m benchmarks.control_network`. Two workers live in network namespaces
with addresses of their own, one Postgres is between them. It takes six minutes: the intervals
are those of production.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
from commcare_sandbox import Sandbox
from psycopg2 import sql
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings

from benchmarks.control.equality import Domain
from benchmarks.control.machines import Machine, machines, postgres
from benchmarks.control.victims import attempts
from benchmarks.control.world import DATABASE, ROOT, World

PORT = 54329
CASES, PAGE_SIZE, LATENCY_MS = 1500, 25, 1000.0
ROWS_BEFORE_THE_CUT = 100
LONGEST_SECONDS = 600.0
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s"


@dataclass
class Proof:
    """The two machines, the dataset, and when it began."""

    world: World
    path: str
    schema: str
    began: float

    def say(self, text: str) -> None:
        """Print a line with the seconds since the cut."""
        sys.stdout.write(f"{time.monotonic() - self.began:6.1f} s  {text}\n")
        sys.stdout.flush()

    def wait(self, what: str, is_so: Callable[[], object]) -> None:
        """Wait for something, and say when it came."""
        until = time.monotonic() + LONGEST_SECONDS
        while not is_so():
            if time.monotonic() > until:
                raise TimeoutError(what)
            time.sleep(0.5)
        self.say(what)

    def rows(self) -> int:
        """Return how many cases are committed."""
        with closing(psycopg2.connect(self.world.url)) as connection, connection.cursor() as cursor:
            table = sql.Identifier(self.schema, "cases")
            try:
                cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
            except psycopg2.errors.UndefinedTable:
                return 0
            return int(cursor.fetchall()[0][0])

    def sessions(self, address: str) -> int:
        """Return how many sessions the server believes to have from an address."""
        with closing(psycopg2.connect(self.world.url)) as connection, connection.cursor() as cursor:
            cursor.execute(SESSIONS, [address])
            return int(cursor.fetchall()[0][0])


def start_worker(world: World, machine: Machine) -> subprocess.Popen[bytes]:
    """Start a worker on a machine."""
    url = f"postgresql://postgres@{machine.our_address}:{PORT}/{DATABASE}"
    environment = world.environment | {
        "SCOUT_DATABASE_URL": url,
        "SCOUT_HOME": str(world.folder / machine.name),
    }
    machine.forward(urlsplit(world.sandbox.url).port or 0)
    log = (world.folder / f"{machine.name}.log").open("wb")
    command = [sys.executable, "-m", "scout_control", "worker", "--concurrency", "1"]
    return machine.start(command, env=environment, stderr=log)


def prove(world: World, first: Machine, second: Machine) -> bool:
    """Cut the first machine off; tell whether everything went right."""
    path = world.add_commcare(world.sandbox.domain)
    schema = world.scout.datasets.show(path).schema
    proof = Proof(world, path, schema, time.monotonic())
    runs = world.scout.runs
    run_id = runs.queue(path).run_id
    cut_worker = start_worker(world, first)
    proof.wait("the first machine has committed rows", lambda: proof.rows() > ROWS_BEFORE_THE_CUT)
    start_worker(world, second)
    holder = runs.show(run_id)
    its_attempt = str(world.folder / first.name)
    first.pull()
    proof.began = time.monotonic()
    proof.say(f"cut off with {proof.rows()} rows, attempt {holder.attempt}")
    proof.wait("the first machine has ended its run", lambda: not attempts(its_attempt))
    proof.wait("the run is taken over", lambda: runs.show(run_id).attempt > holder.attempt)
    before = proof.sessions(f"10.213.{first.number}.2")
    proof.say(f"sessions that the server still has of the first machine: {before}")
    proof.wait("the second machine loads", lambda: runs.show(run_id).progress)
    first.plug()
    proof.say("the first machine is back")
    proof.wait("the run has ended", lambda: runs.show(run_id).status not in {"queued", "running"})
    ended = runs.show(run_id)
    found = Domain(world.sandbox, world.sandbox.domain).differences(world.url, schema)
    proof.say(f"{ended.status}, attempt {ended.attempt}, {dict(found)}")
    is_right = ended.status == "completed" and ended.attempt == holder.attempt + 1
    is_right &= not any(found[what] for what in ("missing", "extra", "different", "foreign"))
    second.pull()
    world.sandbox.set(latency_ms=0)
    again = runs.queue(path).run_id
    proof.wait(
        "the first machine does the next run",
        lambda: runs.show(again).status not in {"queued", "running"},
    )
    proof.say(f"{runs.show(again).status}, worker alive: {cut_worker.poll() is None}")
    return is_right and runs.show(again).status == "completed" and cut_worker.poll() is None


def main() -> int:
    """Set everything up, prove, and say how it ended."""
    folder = Path(tempfile.mkdtemp(prefix="scout-bench-"))
    folder.chmod(0o755)
    sizes = {"cases": CASES, "forms": 100, "latency_ms": LATENCY_MS}
    try:
        with (
            machines("scout-a", "scout-b") as (first, second),
            postgres(folder, PORT) as server,
            Sandbox(**sizes) as sandbox,
        ):
            settings = Settings(
                project_root=ROOT,
                home=folder / "home",
                database_url=embedded_postgres.create_database(server, DATABASE),
                encryption_keys=generate(),
            )
            with Scout(settings) as scout:
                scout.init()
                world = World(
                    scout=scout,
                    settings=settings,
                    sandbox=sandbox,
                    postgres=folder / "data",
                    folder=folder,
                    tap_settings={"page_size": PAGE_SIZE, "concurrency": 1},
                )
                is_right = prove(world, first, second)
        sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {'right' if is_right else 'WRONG'}\n")
        return 0 if is_right else 1
    finally:
        for log in folder.glob("scout-*.log"):
            sys.stdout.write(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}\n")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
