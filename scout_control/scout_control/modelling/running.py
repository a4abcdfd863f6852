"""Runs dbt in this process, without those models of users that dbt cannot read.

One file that cannot be read stops all of dbt. Such a file of a user is left out, and dbt starts
again without it: tables that others made wait for nobody.
"""

from __future__ import annotations

import gc
import io
import re
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg2
import psycopg2.extensions
from dbt.cli.main import cli, dbtRunner

from scout_control.modelling import custom, failures, sandbox
from scout_control.modelling.custom import Custom
from scout_control.rules.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

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


class DiscreetConnection(psycopg2.extensions.connection):
    """A connection that tells its password to no model: their Jinja gets hold of connections."""

    @property
    def info(self) -> NoReturn:
        """Tell nothing."""
        raise AttributeError("info")


@dataclass(frozen=True, kw_only=True)
class Project:
    """The project that dbt is given."""

    real: Path
    """As it was written."""
    made: Path
    """As dbt reads it: with the models of users that it can read."""
    custom: Custom


def plain(arguments: Sequence[str]) -> NoReturn:
    """Be dbt, for what has nothing to do with models."""
    sandbox.close()
    cli(list(arguments))
    raise SystemExit(0)


def run(arguments: Sequence[str], project: Project) -> Ended:
    """Run dbt."""
    gc.set_threshold(*LOOK_FOR_GARBAGE)
    sandbox.close()
    psycopg2.connect = partial(psycopg2.connect, connection_factory=DiscreetConnection)
    words = [
        word
        for path, why in project.custom.refused.items()
        for word in failures.lines(f"model {Path(path).stem}", why, _place(path))
    ]
    left = set(project.custom.files)
    while True:
        custom.lay_out(left, project.custom, project.real, project.made)
        with _held() as said, _interruptible(said) as interrupted:
            done = dbtRunner().invoke(list(arguments))
            culprits = set() if said.is_through else _culprits(done.exception, left)
            if culprits is None:
                culprits = _by_halves(left, _reader(arguments, project, done.exception))
            if not culprits:
                said.let_through()
        if interrupted:
            words.append("Interrupted: what was built stays, the rest is as it was. Run again.")
            return Ended(returncode=INTERRUPTED[interrupted[0]], words=words)
        if not culprits:
            return _ended(done, words)
        words += _of(culprits, str(done.exception))
        left -= culprits


def _culprits(error: BaseException | None, files: set[str]) -> set[str] | None:
    """Return the files that dbt complains of; nothing at all when it names none.

    Where it names several, those of a project go first: the operator's are for all datasets.
    """
    if not isinstance(error, Exception) or not files:
        return set()
    text = str(error)
    found = set()
    for path in files:
        stem = re.escape(Path(path).stem)
        if re.search(rf"(?<![\w.-]){re.escape(path)}(?!\w)|model\.\w+\.{stem}(?!\w)", text):
            found.add(path)
    return {path for path in found if "/" in path} or found or None


def _by_halves(files: set[str], fails: Callable[[set[str]], bool]) -> set[str]:
    """Return those files that dbt cannot read, found by leaving out halves; it names none."""
    if fails(set()):
        return set()
    suspects, found = [sorted(files)], set[str]()
    while suspects:
        some = suspects.pop()
        if not fails(set(some)):
            continue
        if len(some) == 1:
            found.update(some)
        middle = len(some) // 2
        suspects += [half for half in (some[:middle], some[middle:]) if half and len(some) > 1]
    return found or files


def _reader(
    arguments: Sequence[str], project: Project, error: BaseException | None
) -> Callable[[set[str]], bool]:
    """Return what tells whether dbt fails in the same way with some files only."""
    options = [
        word
        for option in ("--vars", "--profiles-dir", "--profile", "--project-dir", "--target-path")
        for at, first in enumerate(arguments)
        if first.partition("=")[0] == option
        for word in arguments[at : at + (1 if "=" in first else 2)]
    ]

    def fails(files: set[str]) -> bool:
        custom.lay_out(files, project.custom, project.real, project.made)
        done = dbtRunner().invoke(["parse", "--no-partial-parse", *options])
        return type(done.exception) is type(error)

    return fails


def _of(culprits: set[str], message: str) -> Iterator[str]:
    for path in sorted(culprits):
        name = f"model {Path(path).stem}"
        yield from failures.lines(name, failures.reason(message), _place(path))


def _place(path: str) -> str:
    return f" ({custom.FOLDER}/{path})"


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
            self.behind.write(harmless(text, keep="\n"))
            return len(text)
        self.kept.append(text)
        if READ_ALL.search(text):
            self.let_through()
        return len(text)

    def let_through(self) -> None:
        self.is_through = True
        self.behind.write(harmless("".join(self.kept), keep="\n"))
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
