"""Finds the processes of runs below workers, and tells when one dataset has two runs at once."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

import psutil

# By the first argument that names a program; the order matters.
PROGRAMS = {
    "parent_death.py": "leash",
    "tap-commcare": "tap",
    "tap-commcare-connect": "tap",
    "target-scout-postgres": "target",
    "scout-dbt": "dbt",
    "meltano": "meltano",
}
WORDS_TO_LOOK_AT = 4
SECONDS_BETWEEN_LOOKS = 0.5


def kind_of(process: psutil.Process) -> str | None:
    """Return what a process is in a run, or nothing when it is gone or something else."""
    try:
        words = process.cmdline()[:WORDS_TO_LOOK_AT]
    except psutil.Error:
        return None
    names = (word.rpartition("/")[2] for word in words)
    return next((PROGRAMS[name] for name in names if name in PROGRAMS), None)


def below(pids: Iterable[int]) -> dict[str, list[psutil.Process]]:
    """Return the processes of runs below these workers, by kind."""
    found: dict[str, list[psutil.Process]] = defaultdict(list)
    for pid in pids:
        try:
            children = psutil.Process(pid).children(recursive=True)
        except psutil.Error:
            continue
        for child in children:
            if kind := kind_of(child):
                found[kind].append(child)
    return found


def attempts(home: str) -> dict[str, set[str]]:
    """Return, by dataset schema, the attempts that have living processes of this installation."""
    found: dict[str, set[str]] = defaultdict(set)
    for process in psutil.process_iter():
        try:
            told = process.environ()
            is_alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if is_alive and "SCOUT_RUN_ID" in told and told.get("DBT_TARGET_PATH", "").startswith(home):
            found[told["SCOUT_DATASET_SCHEMA"]].add(told["SCOUT_RUN_ID"])
    return found


class Overlaps(threading.Thread):
    """Looks again and again whether a dataset has processes of two attempts."""

    def __init__(self, home: str) -> None:
        super().__init__(name="overlaps", daemon=True)
        self.found: list[str] = []
        self.looks = 0
        self._home = home
        self._over = threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self.looks += 1
            for schema, runs in attempts(self._home).items():
                if len(runs) > 1:
                    self.found.append(f"{schema}: {', '.join(sorted(runs))}")

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()
