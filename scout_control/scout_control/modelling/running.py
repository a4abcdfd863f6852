"""Runs dbt in this process, without those models of users that dbt cannot read.

One file that cannot be read stops all of dbt. Such a file of a user is left out, and dbt starts
again without it: tables that others made wait for nobody.
"""

from __future__ import annotations

import gc
import io
import re
import shutil
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbt.cli.main import dbtRunner

from scout_control.modelling import failures

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence
    from types import FrameType

CUSTOM, CUSTOM_MODELS = "models/custom", "SCOUT_CUSTOM_MODELS"
READ_ALL = re.compile(r"Found \d+ ")  # what dbt says when it has read every file
NOTHING_DONE = 2
INTERRUPTED: dict[int, int] = {signal.SIGTERM: 143, signal.SIGINT: 130}
# dbt makes objects by the hundred thousand and keeps them: looking for garbage less often saves
# a fifth of its time.
LOOK_FOR_GARBAGE = (100_000, 50, 50)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How dbt ended."""

    returncode: int
    outcomes: dict[str, str] = field(default_factory=dict)
    """How each model and test ended, by its name."""
    words: list[str] = field(default_factory=list)
    """What to say of each that failed."""


def names(project: Path) -> frozenset[str]:
    """Return the names of the models of users."""
    return frozenset(file.stem for file in (project / CUSTOM).rglob("*.sql"))


def run(
    arguments: Sequence[str], project: Path, spare: Path, environment: MutableMapping[str, str]
) -> Ended:
    """Run dbt.

    Args:
        arguments: Of dbt.
        project: The dbt project.
        spare: A folder for those models of users that can be read, when others cannot.
        environment: Of this process; dbt is told there where the models of users are.
    """
    gc.set_threshold(*LOOK_FOR_GARBAGE)
    shutil.rmtree(spare, ignore_errors=True)
    home = project / CUSTOM
    left = {file for file in home.rglob("*") if file.suffix in {".sql", ".yml", ".yaml"}}
    words: list[str] = []
    while True:
        with _held() as said, _interruptible(said) as interrupted:
            done = dbtRunner().invoke(list(arguments))
            was_read = said.is_through
            culprits = set() if was_read else _culprits(done.exception, left, home)
            if not culprits:
                said.let_through()
        if interrupted:
            words.append("Interrupted: what was built stays, the rest is as it was. Run again.")
            return Ended(returncode=INTERRUPTED[interrupted[0]], words=words)
        if not culprits:
            return _ended(done, words)
        words += _of(culprits, home, str(done.exception))
        left -= culprits
        _copy(left, home, spare)
        environment[CUSTOM_MODELS] = str(spare)


def _culprits(error: BaseException | None, files: set[Path], home: Path) -> set[Path]:
    """Return the files that dbt complains of; all of them when it names none."""
    if not isinstance(error, Exception):
        return set()
    text = str(error)
    found = set()
    for file in files:
        path = re.escape(file.relative_to(home).as_posix())
        if re.search(rf"(?<![\w.-]){path}(?!\w)|model\.\w+\.{re.escape(file.stem)}(?!\w)", text):
            found.add(file)
    return found or files


def _of(culprits: set[Path], home: Path, message: str) -> Iterator[str]:
    for file in sorted(culprits):
        place = f" ({CUSTOM}/{file.relative_to(home).as_posix()})"
        yield from failures.lines(f"model {file.stem}", failures.reason(message), place)


def _copy(files: set[Path], home: Path, spare: Path) -> None:
    shutil.rmtree(spare, ignore_errors=True)
    spare.mkdir(parents=True)
    for file in files:
        copy = spare / file.relative_to(home)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def _ended(done: Any, words: list[str]) -> Ended:
    if done.exception is not None:  # what was left out was not to blame
        why = failures.reason(str(done.exception))
        return Ended(returncode=NOTHING_DONE, words=failures.lines("dbt project", why))
    results = getattr(done.result, "results", None) or []
    failed = [each for each in results if str(each.status) in failures.FAILED]
    return Ended(
        returncode=0 if done.success and not words else 1,
        outcomes={each.node.name: str(each.status) for each in results if hasattr(each, "node")},
        words=words + [failures.of_node(each.node.unique_id, each.message) for each in failed],
    )


class _Held(io.TextIOBase):
    """Output that is kept back until dbt has read every file."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind
        self.kept: list[str] = []
        self.is_through = False
        self.is_silent = False

    def write(self, text: str, /) -> int:
        if self.is_silent:
            return len(text)
        if self.is_through:
            return int(self.behind.write(text))
        self.kept.append(text)
        if READ_ALL.search(text):
            self.let_through()
        return len(text)

    def let_through(self) -> None:
        self.is_through = True
        self.behind.write("".join(self.kept))
        self.kept.clear()
        self.flush()

    def flush(self) -> None:
        if self.is_through:
            self.behind.flush()


@contextmanager
def _held() -> Iterator[_Held]:
    before, sys.stdout = sys.stdout, _Held(sys.stdout)
    try:
        yield sys.stdout
    finally:
        sys.stdout = before


@contextmanager
def _interruptible(said: _Held) -> Iterator[list[int]]:
    """Let dbt cancel what runs in the database, without a word, when this process is to end."""
    caught: list[int] = []

    def end(signum: int, _frame: FrameType | None) -> None:
        caught.append(signum)
        said.is_silent = True
        raise KeyboardInterrupt

    before = {signum: signal.signal(signum, end) for signum in INTERRUPTED}
    try:
        yield caught
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
