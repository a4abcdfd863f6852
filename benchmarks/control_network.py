"""Disconnect a machine during its run: another one reclaims the run, the first stays out.

Run it as root with `make bench ARGS=control_network`. Two workers run in separate network
namespaces with one Postgres between them. Takes six minutes: the intervals are those of
production.
"""

from __future__ import annotations

import argparse
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
from benchmarks.control.installation import DATABASE, ROOT, Installation
from benchmarks.control.network_namespaces import Machine, create_namespaces, postgres
from benchmarks.control.run_processes import attempts

PORT = 54329
CASES, PAGE_SIZE, LATENCY_MS = 1500, 25, 1000.0
ROWS_BEFORE_THE_CUT = 100
LONGEST_SECONDS = 600.0
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s"


@dataclass
class Proof:
    """The two machines, the dataset, and the start time."""

    installation: Installation
    path: str
    schema: str
    began: float

    def say(self, text: str) -> None:
        """Print a line with the seconds since the disconnection."""
        sys.stdout.write(f"{time.monotonic() - self.began:6.1f} s  {text}\n")
        sys.stdout.flush()

    def wait(self, what: str, is_so: Callable[[], object]) -> None:
        """Wait for a condition and print when it became true."""
        until = time.monotonic() + LONGEST_SECONDS
        while not is_so():
            if time.monotonic() > until:
                raise TimeoutError(what)
            time.sleep(0.5)
        self.say(what)

    def rows(self) -> int:
        """Return the number of committed cases."""
        with (
            closing(psycopg2.connect(self.installation.url)) as connection,
            connection.cursor() as cursor,
        ):
            table = sql.Identifier(self.schema, "cases")
            try:
                cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
            except psycopg2.errors.UndefinedTable:
                return 0
            return int(cursor.fetchall()[0][0])

    def sessions(self, address: str) -> int:
        """Return the number of sessions from an address, as the server sees it."""
        with (
            closing(psycopg2.connect(self.installation.url)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(SESSIONS, [address])
            return int(cursor.fetchall()[0][0])


def start_worker(installation: Installation, machine: Machine) -> subprocess.Popen[bytes]:
    """Start a worker on a machine."""
    url = f"postgresql://postgres@{machine.our_address}:{PORT}/{DATABASE}"
    environment = installation.environment | {
        "SCOUT_DATABASE_URL": url,
        "SCOUT_HOME": str(installation.folder / machine.name),
    }
    machine.forward(urlsplit(installation.sandbox.url).port or 0)
    log = (installation.folder / f"{machine.name}.log").open("wb")
    command = [sys.executable, "-m", "scout_control", "worker", "--concurrency", "1"]
    return machine.start(command, env=environment, stderr=log)


def prove(installation: Installation, first: Machine, second: Machine) -> bool:
    """Disconnect the first machine; return whether everything went right."""
    path = installation.add_commcare(installation.sandbox.domain)
    schema = installation.scout.datasets.show(path).schema
    proof = Proof(installation, path, schema, time.monotonic())
    runs = installation.scout.runs
    run_id = runs.queue(path).run_id
    cut_worker = start_worker(installation, first)
    proof.wait("the first machine has committed rows", lambda: proof.rows() > ROWS_BEFORE_THE_CUT)
    start_worker(installation, second)
    holder = runs.show(run_id)
    its_attempt = str(installation.folder / first.name)
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
    found = Domain(installation.sandbox, installation.sandbox.domain).differences(
        installation.url, schema
    )
    proof.say(f"{ended.status}, attempt {ended.attempt}, {dict(found)}")
    is_right = ended.status == "completed" and ended.attempt == holder.attempt + 1
    is_right &= not any(found[what] for what in ("missing", "extra", "different", "foreign"))
    second.pull()
    installation.sandbox.set(latency_ms=0)
    again = runs.queue(path).run_id
    proof.wait(
        "the first machine does the next run",
        lambda: runs.show(again).status not in {"queued", "running"},
    )
    proof.say(f"{runs.show(again).status}, worker alive: {cut_worker.poll() is None}")
    return is_right and runs.show(again).status == "completed" and cut_worker.poll() is None


def main() -> int:
    """Set everything up and run the test; return the exit code."""
    argparse.ArgumentParser(prog="control_network", description=__doc__).parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scout-bench-"))
    folder.chmod(0o755)
    sizes = {"cases": CASES, "forms": 100, "latency_ms": LATENCY_MS}
    try:
        with (
            create_namespaces("scout-a", "scout-b") as (first, second),
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
                installation = Installation(
                    scout=scout,
                    settings=settings,
                    sandbox=sandbox,
                    postgres=folder / "data",
                    folder=folder,
                    tap_settings={"page_size": PAGE_SIZE, "concurrency": 1},
                )
                is_right = prove(installation, first, second)
        sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {'right' if is_right else 'WRONG'}\n")
        return 0 if is_right else 1
    finally:
        for log in folder.glob("scout-*.log"):
            sys.stdout.write(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}\n")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
