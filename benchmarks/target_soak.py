"""Kill the target hundreds of times while the server restarts, then compare every row.

Run it with `make bench ARGS="target_soak --kills 300 --terms 100"`. A driver acts as a tap that
resumes from the last STATE which the target has printed. After each STATE, each kill and each round
the tables are read and compared with the input. It starts and stops its own embedded Postgres.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from queue import Queue

import psycopg2
from psycopg2 import sql
from scout_control.errors import ServerError
from scout_control.installation import embedded_postgres

from benchmarks.target.workloads import (
    STREAMS,
    Adding,
    Rows,
    Workload,
    WrongError,
    row_image,
    workloads,
)

COMMAND = str(Path(sys.executable).parent / "target-scout-postgres")
TIMEOUT_SECONDS = 60
DRAIN_SECONDS = 10.0  # SIGTERM must have ended the run within these
RESTARTS = ("in order", "crash")
MOST_STARTS = 3  # a busy machine may not have cleared away what a crash has left


class Server:
    """An embedded Postgres that can be restarted."""

    def __init__(self, home: Path) -> None:
        self.data = home / "data"
        self.url = embedded_postgres.start(self.data, as_superuser=True)

    def restart(self, how: str) -> None:
        """Stop the server, cleanly or as in a crash, and start it again."""
        running = self.data / "postmaster.pid"
        if how == "crash":
            os.kill(int(running.read_text().split()[0]), signal.SIGQUIT)
            while running.exists():
                time.sleep(0.02)
            time.sleep(0.2)
        embedded_postgres.stop(self.data)
        for _ in range(MOST_STARTS - 1):
            with suppress(ServerError):
                embedded_postgres.start(self.data, as_superuser=True)
                return
        embedded_postgres.start(self.data, as_superuser=True)

    def query(self, statement: str, *parts: str) -> list[tuple]:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET timezone = 'UTC'")
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, parts)))
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def is_busy(self) -> bool:
        """Return whether a session of the target still exists, including that of a killed one."""
        asked = "SELECT FROM pg_stat_activity WHERE application_name = 'target-scout-postgres'"
        return bool(self.query(asked))

    def rows(self, schema: str) -> Rows:
        """Return the rows that readers see: those not marked as deleted."""
        found: Rows = {}
        for stream in STREAMS:
            try:
                texts = self.query(
                    "SELECT to_jsonb(t)::text FROM {}.{} AS t "
                    "WHERE to_jsonb(t) ->> '_sdc_deleted_at' IS NULL",
                    schema,
                    stream,
                )
            except psycopg2.errors.UndefinedTable:
                texts = []
            found[stream] = Counter(row_image(text) for (text,) in texts)
        return found


class Run:
    """One run of the target: one thread feeds it, another reads its STATE lines."""

    def __init__(self, workload: Workload, schema: str, server: Server, config: Path) -> None:
        self.workload = workload
        self.schema = schema
        self.server = server
        self.begin = workload.place()
        self.first_state = threading.Event()
        self.failure: WrongError | None = None
        self.latest: Queue[dict[str, int] | None] = Queue()
        self.checked = 0
        self.process = subprocess.Popen(
            [COMMAND, "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.log = b""
        tasks = (self._feed, self._take, self._check, self._listen)
        self.threads = [threading.Thread(target=task, daemon=True) for task in tasks]
        for thread in self.threads:
            thread.start()

    def _feed(self) -> None:
        chance = random.Random(self.begin[1])
        try:
            for page in self.workload.messages():
                cut = chance.randrange(len(page))  # a line may be half there for a while
                for part in (page[:cut], page[cut:]):
                    self.process.stdin.write(part)
                    self.process.stdin.flush()
                    if chance.random() < 0.2:
                        time.sleep(chance.random() * 0.02)
            self.process.stdin.close()
        except BrokenPipeError:
            return

    def _take(self) -> None:
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                break
            try:
                self.workload.took(json.loads(line))
            except WrongError as error:
                self.failure = error
            self.first_state.set()
            self.latest.put(self.workload.state)
        self.latest.put(None)

    def _check(self) -> None:
        """Check the database when a STATE is printed; skip the ones printed meanwhile."""
        while (state := self.latest.get()) is not None:
            while not self.latest.empty() and self.latest.queue[0] is not None:
                state = self.latest.get()
            try:
                self.workload.judge_state(state, self.server.rows(self.schema))
                self.checked += 1
            except psycopg2.Error:
                continue  # the server is restarting; the check after the run comes
            except WrongError as error:
                self.failure = error

    def _listen(self) -> None:
        self.log = self.process.stderr.read()

    def end(self) -> int:
        """Wait for the process; return its exit code. The server must have no session of it."""
        code = self.process.wait(TIMEOUT_SECONDS * 3)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return code


class Soak:
    """The cycles and their counts."""

    def __init__(self, server: Server, home: Path, seed: int, only: str) -> None:
        self.server = server
        self.home = home
        self.chance = random.Random(seed)
        self.seed = seed
        self.loads = {name: one for name, one in workloads(seed).items() if only in name}
        self.rounds = Counter[str]()
        self.counts = Counter[str]()
        self.drains: list[float] = []

    def schema(self, name: str) -> str:
        return f"data_soak_{list(self.loads).index(name)}_{self.rounds[name]}"

    def config(self, workload: Workload) -> Path:
        path = self.home / "config.json"
        options = {
            "database_url": self.server.url,
            "default_target_schema": self.schema(workload.name),
            "batch_size_rows": self.chance.choice([7, 70, 700, 100_000]),
            "batch_size_bytes": self.chance.choice([10_000, 4_000_000]),
            "batch_wait_limit_seconds": self.chance.choice([0.02, 0.1, 1]),
        }
        path.write_text(json.dumps(options | workload.settings))
        return path

    def cycle(self, name: str, number: int | None) -> int:
        """Run once; send a signal if one is given. Return the exit code."""
        workload = self.loads[name]
        run = Run(workload, self.schema(name), self.server, self.config(workload))
        restart = self.chance.random() < 0.12 and number is not None
        helper = threading.Thread(target=self._restart) if restart else None
        if helper:
            helper.start()
        if number is not None:
            self._interrupt(run, number)
        code = run.end()
        if helper:
            helper.join()
        self._settled()
        self._look_at(run, code, number, was_restarted=restart)
        return code

    def _restart(self) -> None:
        time.sleep(self.chance.random() * 1.2)
        self.server.restart(self.chance.choice(RESTARTS))
        self.counts["server restarts"] += 1

    def _interrupt(self, run: Run, number: int) -> None:
        """Send the signal at a random time, during start-up or during the load."""
        if self.chance.random() < 0.85:
            run.first_state.wait(8)
        time.sleep(self.chance.random() * 0.7)
        began = time.monotonic()
        run.process.send_signal(number)
        if number == signal.SIGTERM:
            try:
                run.process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                raise WrongError("SIGTERM did not end the run") from None
            self.drains.append(time.monotonic() - began)

    def _settled(self) -> None:
        """Wait until the server has ended the sessions of a killed run."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.server.is_busy():
            if time.monotonic() > deadline:
                raise WrongError("a session of a run that has ended stays on the server")
            time.sleep(0.02)

    def _look_at(self, run: Run, code: int, number: int | None, *, was_restarted: bool) -> None:
        allowed = {0} | ({1} if was_restarted else set())
        allowed |= {None: set(), signal.SIGKILL: {-9}, signal.SIGTERM: {143, -15}}[number]
        if run.failure:
            raise run.failure
        if code not in allowed or b"Traceback" in run.log or b"itself" in run.log:
            raise WrongError(f"{run.workload.name} ended with {code}: {run.log.decode()[-800:]}")
        found = self.server.rows(run.schema)
        is_drained = code in {0, 143} and not was_restarted
        run.workload.judge(run.begin, found, is_drained=is_drained)
        self.counts[f"{'SIGKILL' if code == -9 else f'exit {code}'}"] += 1
        self.counts["STATE lines checked at once"] += run.checked

    def complete(self, name: str) -> None:
        """Run until the input ends, compare each row, and start over."""
        workload = self.loads[name]
        schema = self.schema(name)
        for _ in range(3):
            if self.cycle(name, None) == 0 and workload.is_complete:
                break
        found = self.server.rows(schema)
        workload.judge_end(found)
        self._check_load_log(schema)
        rows = sum(part.total() for part in found.values())
        self.counts["rounds compared"] += 1
        self.counts["rows compared"] += rows
        self.counts["kills between commit and STATE"] += workload.lost_acknowledgements
        self.counts["rows appended once more by them"] += workload.duplicates
        self.server.query("DROP SCHEMA {} CASCADE", schema)
        self.rounds[name] += 1
        self.loads[name] = workloads(self.seed + self.rounds.total())[name]

    def _check_load_log(self, schema: str) -> None:
        """Assert that no run looks alive and no table of a dead run is left."""
        running = "SELECT run_id FROM {}._scout_loads WHERE status = 'running'"
        if found := self.server.query(running, schema):
            raise WrongError(f"_scout_loads says that {len(found)} runs are running")
        tables = self.server.query(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE '\\_scout\\_%' "
            f"AND schemaname = '{schema}'"
        )
        left = {name for (name,) in tables} - {"_scout_loads", "_scout_lock", "_scout_streams"}
        if left:
            raise WrongError(f"tables of dead runs are left: {left}")

    def run(self, kills: int, terms: int) -> None:
        """Continue until each signal has ended this many runs."""
        left = Counter({signal.SIGKILL: kills, signal.SIGTERM: terms})
        ends = {signal.SIGKILL: -9, signal.SIGTERM: 143}
        number = 0
        while left.total():
            name = list(self.loads)[number % len(self.loads)]
            number += 1
            wanted = self.chance.choice(list(left.elements()))
            code = self.cycle(name, wanted)
            if code == ends[wanted]:
                left[wanted] -= 1
            state = self.loads[name].state
            print(f"{number:4} {name:18} {wanted.name}: {code:4} at {state}", flush=True)
            if isinstance(self.loads[name], Adding) and self.loads[name].is_complete:
                self.complete(name)
        for name in self.loads:
            self.complete(name)


def main() -> int:
    """Run from the command line; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=30)
    options.add_argument("--terms", type=int, default=10)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", default="", help="part of the names of the loads to run")
    chosen = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scout-soak-"))
    home.chmod(0o755)
    began = time.monotonic()
    soak = None
    try:
        soak = Soak(Server(home), home, chosen.seed, chosen.only)
        soak.run(chosen.kills, chosen.terms)
    except WrongError as error:
        print(f"WRONG: {error}")
        return 1
    finally:
        if soak is not None:
            print(f"{time.monotonic() - began:.0f} s; " + json.dumps(soak.counts))
            if soak.drains:
                print(
                    f"SIGTERM to the end: median {statistics.median(soak.drains):.2f} s, "
                    f"longest {max(soak.drains):.2f} s"
                )
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)
    print("every table is what the input says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
