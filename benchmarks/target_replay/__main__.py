"""Replay the message files of other targets; compare each table with a reference model.

Run it with `python -m benchmarks.target_replay --files DIRECTORY`, a directory that holds checkouts
of other targets, each as OWNER+NAME. Every file below it whose lines are Singer messages is loaded
with the default settings into a new dataset schema, then once more into the same one. Then the
files of each folder are loaded into one dataset schema, one after another. Each time the tables,
columns, rows, STATE and exit code are compared with what `model.py` says. A difference that
`notes.toml` does not explain ends it with 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from scout_control.installation import embedded_postgres

from benchmarks.target_replay import report
from benchmarks.target_replay.files import Found, Notes, find
from benchmarks.target_replay.model import Model
from benchmarks.target_replay.seen import Database, difference

COMMAND = str(Path(sys.executable).parent / "target-scout-postgres")
PATIENCE_SECONDS = 300
REFUSED = 65


class Result(NamedTuple):
    """What one run was compared to."""

    found: Found
    mode: str  # once, again, chain
    refusal: str | None  # why the model refuses the input
    difference: str | None
    explanation: str | None


class Replay:
    """Runs the target on files, and compares."""

    def __init__(self, root: Path, settings: dict[str, Any], home: Path, notes: Notes) -> None:
        self._root = root
        self._settings = settings
        self._home = home
        self._notes = notes
        self._numbers = count(1)
        self._local = threading.local()
        self.results: list[Result] = []

    def file(self, found: Found) -> None:
        """Load a file into a new dataset schema, twice."""
        self._series([(found, "once"), (found, "again")])

    def folder(self, files: list[Found]) -> None:
        """Load the files of a folder into one dataset schema, one after another."""
        self._series([(found, "chain") for found in files])

    def _series(self, runs: list[tuple[Found, str]]) -> None:
        schema = f"data_replay_{next(self._numbers)}"
        model = Model(self._root / runs[0][0].repository)
        for found, mode in runs:
            refusal = model.run(found.lines)
            differs = self._run(found, schema, model, refusal)
            why = differs and self._notes.explanation(found.path, mode, differs)
            result = Result(found, mode, refusal, differs, why)
            self.results.append(result)
            report.show(result)
            if differs:
                break  # what follows would differ for the same reason
        self._database.drop(schema)

    @property
    def _database(self) -> Database:
        if not hasattr(self._local, "database"):
            self._local.database = Database(self._settings["database_url"])
        return self._local.database

    def _run(self, found: Found, schema: str, model: Model, refusal: str | None) -> str | None:
        """Run the target on a file and return how it differs from the model."""
        config = self._home / f"{schema}.json"
        config.write_text(json.dumps(self._settings | {"default_target_schema": schema}))
        done = subprocess.run(
            [COMMAND, "--config", str(config)],
            input=b"\n".join(found.lines),
            capture_output=True,
            check=False,
            cwd=self._root / found.repository,
            timeout=PATIENCE_SECONDS,
        )
        log = done.stderr.decode(errors="replace")
        expected = REFUSED if refusal else 0
        if done.returncode != expected or "Traceback" in log or "itself" in log:
            last = log.strip().splitlines()[-1:] or [""]
            said = f"the model says {expected}" + (f" ({refusal})" if refusal else "")
            return f"exit code {done.returncode}; {said}: {last[0]}"
        return difference(self._database.read(schema), model, done.stdout, is_refused=bool(refusal))


def main() -> int:
    """Read the command line, run, and say how it ended."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=Path, required=True, help="directory of checkouts")
    options.add_argument("--only", default="", help="part of the paths of the files to load")
    options.add_argument("--at-once", type=int, default=2)
    options.add_argument("--settings", type=json.loads, default={}, help="more settings, as JSON")
    options.add_argument("--results", type=Path, help="file to write the table of results to")
    chosen = options.parse_args()
    root = chosen.files.resolve()
    files = [found for found in find(root) if chosen.only in found.path]
    if not files:
        print(f"no file below {root} holds Singer messages")
        return 2
    distinct = {found.digest: found for found in reversed(files)}
    folders: dict[Path, list[Found]] = defaultdict(list)
    for found in files:
        folders[Path(found.path).parent].append(found)
    chains = {tuple(found.digest for found in part): part for part in folders.values()}
    notes = Notes()
    home = Path(tempfile.mkdtemp(prefix="scout-replay-"))
    home.chmod(0o755)
    try:
        url = embedded_postgres.start(home / "data", durable=False, as_superuser=True)
        replay = Replay(root, chosen.settings | {"database_url": url}, home, notes)
        with ThreadPoolExecutor(chosen.at_once) as pool:
            tasks = [pool.submit(replay.file, found) for found in reversed(distinct.values())]
            tasks += [pool.submit(replay.folder, part) for part in chains.values() if part[1:]]
            for task in tasks:
                task.result()
    finally:
        embedded_postgres.stop(home / "data")
        shutil.rmtree(home, ignore_errors=True)
    return report.summary(files, replay.results, notes, chosen.results)


if __name__ == "__main__":
    sys.exit(main())
