"""Kill tap and target again and again while the server changes; then every row must be right.

Run it with `python -m benchmarks.soak --cycles 100`. It starts, and stops, an embedded Postgres and
the sandbox.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from commcare_sandbox import Sandbox
from psycopg2 import sql
from psycopg2.extras import RealDictCursor
from scout_control.installation import embedded_postgres

PROGRAMS = Path(sys.executable).parent
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}
MOMENTS = {
    "cases": ("date_opened", "last_modified", "server_last_modified", "indexed_on", "date_closed"),
    "forms": ("received_on", "server_modified_on", "indexed_on", "edited_on"),
}
TEXTS = {
    "cases": ("case_id", "domain", "case_type", "case_name", "external_id", "owner_id"),
    "forms": ("form_id", "domain", "app_id", "build_id"),
}
PLAIN = {"cases": ("closed", "properties", "indices"), "forms": ("archived", "form_data")}
API_NAMES = {"form_id": "id", "form_data": "form"}


class Pipe:
    """`tap | target-scout-postgres` with the state that the target printed last."""

    def __init__(
        self, program: str, settings: dict, database_url: str, schema: str, folder: Path
    ) -> None:
        self.program = program
        self.folder = folder
        self.state: str | None = None
        target = {
            "database_url": database_url,
            "default_target_schema": schema,
            "batch_size_rows": 500,
        }
        self.configure("tap", settings)
        self.configure("target", target)

    def configure(self, name: str, settings: dict) -> None:
        """Give the tap or the target other settings from the next run on."""
        (self.folder / f"{name}.json").write_text(json.dumps(settings))

    def run(self, victim: str | None, after_seconds: float, number: int) -> tuple[int, int]:
        """Run once, send a signal to one of the two if asked, and return both exit codes."""
        state = self.folder / "state.json"
        command = [PROGRAMS / self.program, "--config", self.folder / "tap.json"]
        if self.state:
            state.write_text(self.state)
            command += ["--state", state]
        with (self.folder / "log").open("a") as log, (self.folder / "states").open("w+") as states:
            tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
            target = subprocess.Popen(
                [PROGRAMS / "target-scout-postgres", "--config", self.folder / "target.json"],
                stdin=tap.stdout,
                stdout=states,
                stderr=log,
            )
            tap.stdout.close()
            if victim:
                time.sleep(after_seconds)
                {"tap": tap, "target": target}[victim].send_signal(number)
            codes = tap.wait(300), target.wait(300)
            states.seek(0)
            # A killed target may leave half a line behind.
            whole = [
                line for line in states.read().splitlines(keepends=True) if line.endswith("\n")
            ]
        if whole:
            self.state = whole[-1]
        return codes


def settings_of(sandbox: Sandbox) -> dict:
    """Return the settings of the tap."""
    return {
        "base_url": sandbox.url,
        "domain": sandbox.domain,
        "username": sandbox.username,
        "api_key": sandbox.api_key,
        "page_size": 200,
        "overlap_seconds": 60,
    }


def moment(text: str | None) -> datetime | None:
    """Return a moment of the API, which is UTC if it does not say."""
    if not text:
        return None
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def wanted(sandbox: Sandbox, stream: str) -> dict[str, dict]:
    """Return what the server shows, as rows by their key."""
    rows = {}
    for record in sandbox.content(stream):
        # Postgres holds no NUL; the target promises to remove it.
        shown = json.loads(json.dumps(record).replace(r"\u0000", ""))
        row = {name: shown[API_NAMES.get(name, name)] or None for name in TEXTS[stream]}
        row |= {name: moment(shown.get(name)) for name in MOMENTS[stream]}
        row |= {name: shown[API_NAMES.get(name, name)] for name in PLAIN[stream]}
        rows[row[TEXTS[stream][0]]] = row
    return rows


def differences(sandbox: Sandbox, database_url: str, schema: str, stream: str) -> dict[str, int]:
    """Count what is missing in the table, what is too much, and what differs."""
    expected = wanted(sandbox, stream)
    key = TEXTS[stream][0]
    names = next(iter(expected.values())).keys()
    connection = psycopg2.connect(database_url)
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, stream)))
        found = [{name: row[name] for name in names} for row in cursor]
    connection.close()
    by_key = {row[key]: row for row in found}
    return {
        "rows": len(expected),
        "missing": len(expected.keys() - by_key.keys()),
        "extra": len(found) - len(expected.keys() & by_key.keys()),
        "different": sum(by_key[k] != row for k, row in expected.items() if k in by_key),
    }


def disturb(sandbox: Sandbox, chance: random.Random) -> None:
    """Change the server a little, as its users would."""
    for _ in range(chance.randrange(1, 6)):
        chance.choice((sandbox.edit_case, sandbox.submit_form, sandbox.archive_form))()


def soak(cycles: int, size: int, seed: int, signals: list[str], database_url: str) -> bool:
    """Run the cycles, print one line each, and tell whether everything was right in the end."""
    chance = random.Random(seed)
    schema = f"data_soak_{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="scout-soak-"))
    try:
        with Sandbox(cases=size, forms=size // 3, latency_ms=20) as sandbox:
            pipe = Pipe("tap-commcare", settings_of(sandbox), database_url, schema, folder)
            for cycle in range(cycles):
                disturb(sandbox, chance)
                if chance.random() < 0.05:
                    sandbox.reindex()
                victim, name = chance.choice(("tap", "target")), chance.choice(signals)
                after = chance.uniform(0.2, 3.0)
                codes = pipe.run(victim, after, SIGNALS[name])
                sys.stdout.write(f"{cycle + 1:4} SIG{name} {victim:6} at {after:.2f} s: {codes}\n")
                sys.stdout.flush()
            sandbox.set(latency_ms=0)
            codes = pipe.run(None, 0, 0)
            sys.stdout.write(f"last run, left alone: {codes}\n")
            results = {
                stream: differences(sandbox, database_url, schema, stream) for stream in TEXTS
            }
            sys.stdout.write(json.dumps(results) + "\n")
            wrong = sum(r["missing"] + r["extra"] + r["different"] for r in results.values())
            return codes == (0, 0) and wrong == 0
    finally:
        sys.stdout.write((folder / "log").read_text()[-2000:] if (folder / "log").exists() else "")
        shutil.rmtree(folder)


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield the URL of a server: the one that is given, or an embedded one for as long."""
    if url is not None:
        yield url
        return
    home = Path(tempfile.mkdtemp(prefix="scout-pg-"))
    home.chmod(0o755)
    try:
        yield embedded_postgres.start(home / "data", as_superuser=True)
    finally:
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    """Read the command line, run, and say how it ended."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cycles", type=int, default=20)
    options.add_argument("--cases", type=int, default=6000, help="forms: a third of it")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--signals", default="KILL", help="KILL, TERM, or KILL,TERM")
    options.add_argument("--database-url", help="default: an embedded Postgres")
    chosen = options.parse_args()
    names = chosen.signals.split(",")
    with database(chosen.database_url) as url:
        return 0 if soak(chosen.cycles, chosen.cases, chosen.seed, names, url) else 1


if __name__ == "__main__":
    sys.exit(main())
