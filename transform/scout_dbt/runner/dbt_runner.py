"""Runs dbt in this process, leaving out the models of users that dbt cannot read.

A single unreadable file stops all of dbt. Such a file of a user is left out and dbt runs again, so
that one user's mistake does not cost the tables of all the others.
"""

from __future__ import annotations

import gc
import re
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psycopg2
import psycopg2.extensions
from dbt.cli.main import cli, dbtRunner
from dbt.exceptions import TargetNotFoundError

from scout_dbt.project import custom_models, model_needs
from scout_dbt.project.custom_models import CustomModels
from scout_dbt.project.model_needs import Skipped
from scout_dbt.runner import failures, jinja_sandbox, plain_text
from scout_dbt.runner.held_output import HeldOutput, held_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from dbt.cli.main import dbtRunnerResult

NOT_RUN = 2
INTERRUPTED: dict[int, int] = {signal.SIGTERM: 143, signal.SIGINT: 130}
DEPENDENT = re.compile(rf"\({custom_models.FOLDER}/(.+?\.sql)\) depends on a ")
READER_OPTIONS = ("--vars", "--profiles-dir", "--profile", "--project-dir", "--target-path")


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run of dbt ended."""

    exit_code: int
    outcomes: dict[str, str] = field(default_factory=dict)
    """Status of each model and test, by name."""
    messages: list[str] = field(default_factory=list)
    """Two lines for each file that was left out, and one for each model or test that failed."""
    skipped: tuple[Skipped, ...] = ()
    """Models of users that read what the dataset does not have."""

    @property
    def lines(self) -> list[str]:
        """Return the lines to print after dbt's own."""
        said = [model_needs.message(list(self.skipped))] if self.skipped else []
        return [*said, *self.messages]

    @property
    def is_interrupted(self) -> bool:
        """Return whether a signal ended it."""
        return self.exit_code in INTERRUPTED.values()


@dataclass(frozen=True, kw_only=True)
class Project:
    """The dbt project, and the copy of it that dbt reads."""

    source: Path
    assembled: Path
    """The same project with those models of users that dbt can read."""
    custom: CustomModels
    skipped: Mapping[str, Skipped] = field(default_factory=dict)
    """Models of users that are known not to be buildable in the dataset, by path."""


class OpaqueConnection(psycopg2.extensions.connection):
    """A connection that does not reveal its password: Jinja can get hold of connections."""

    @property
    def info(self) -> NoReturn:
        """Hide the parameters of the connection."""
        raise AttributeError("info")


def run_without_models(arguments: Sequence[str]) -> NoReturn:
    """Run a command of dbt that reads no models, and exit with its code."""
    jinja_sandbox.restrict()
    cli(list(arguments))
    raise SystemExit(0)


def run(arguments: Sequence[str], project: Project, *, is_docs: bool = False) -> Result:
    """Run dbt until it succeeds or fails for another reason than a file of a user.

    Args:
        arguments: The command line of dbt.
        project: Where its files are.
        is_docs: dbt documents the models: then a file that was left out is no failure, and models
            of users that cannot be compiled are left out, too, since one of them stops it.
    """
    jinja_sandbox.restrict()
    plain_text.render_as_it_is()
    # dbt opens its connections with this function.
    psycopg2.connect = partial(psycopg2.connect, connection_factory=OpaqueConnection)
    messages = _left_out(project.custom.refused)
    files, skipped = set(project.custom.files), dict(project.skipped)
    while True:
        custom_models.assemble(files, project.custom, project.source, project.assembled, skipped)
        with held_output() as output, _interruptible(output) as signals:
            done = dbtRunner().invoke(list(arguments))
            lacking = _lacking(done.exception, project.custom, skipped)
            if lacking:
                unreadable = {}
            elif not output.is_released:
                now = replace(project, skipped=skipped)
                unreadable = _unreadable(arguments, now, done.exception, files)
            else:
                unreadable = _not_compiled(done.exception, files) if is_docs else {}
            if not unreadable and not lacking:
                output.release()
        if signals:
            messages.append("Interrupted: finished models are kept. Run again for the others.")
            return Result(exit_code=INTERRUPTED[signals[0]], messages=messages)
        if not unreadable and not lacking:
            result = _result(done, messages, is_docs=is_docs)
            return replace(result, skipped=tuple(skipped[path] for path in sorted(skipped)))
        messages += _left_out(unreadable)
        files -= unreadable.keys()
        skipped |= lacking
        # The exception keeps dbt's thread pool alive, whose finaliser complains on exit.
        del done
        gc.collect()


def _lacking(
    error: BaseException | None, custom: CustomModels, skipped: Mapping[str, Skipped]
) -> dict[str, Skipped]:
    """Return the model of a user that refers to a model or source that does not exist here.

    A source that nothing declares is a mistake in the file, and no lack of the dataset.
    """
    if not isinstance(error, TargetNotFoundError):
        return {}
    # dbt keeps the node of this error in its message only.
    found = DEPENDENT.search(str(error))
    path = found[1] if found else ""
    is_mistake = error.target_kind != "node" and not error.disabled
    if path not in custom.files or path in skipped or is_mistake:
        return {}
    name = str(error.target_name)
    is_skipped = name in {each.name for each in skipped.values()}
    model = Skipped(
        name=Path(path).stem,
        relation=model_needs.read(custom.files[path].decode()).alias or Path(path).stem,
        missing=() if is_skipped else (name,),
        skipped=(name,) if is_skipped else (),
    )
    return {path: model}


def _unreadable(
    arguments: Sequence[str], project: Project, error: BaseException | None, files: set[str]
) -> dict[str, str]:
    """Return the files of users that keep dbt from reading the project, with the reason."""
    blamed = _blamed(error, files)
    if blamed is None:
        blamed = _bisect(files, _fails_with(arguments, project, error))
    return dict.fromkeys(sorted(blamed), failures.reason(str(error)))


def _not_compiled(error: BaseException | None, files: set[str]) -> dict[str, str]:
    """Return the files of users that keep dbt from compiling the models, with the reason."""
    return dict.fromkeys(sorted(_blamed(error, files) or ()), failures.reason(str(error)))


def _blamed(error: BaseException | None, files: set[str]) -> set[str] | None:
    """Return the files that an error of dbt names; None when it names none of them.

    Where it names several, those of a project go first: the operator's are for all datasets.
    """
    if not isinstance(error, Exception) or not files:
        return set()
    text = str(error)
    named = set()
    for path in files:
        stem = re.escape(Path(path).stem)
        if re.search(rf"(?<![\w.-]){re.escape(path)}(?!\w)|model\.\w+\.{stem}(?!\w)", text):
            named.add(path)
    return {path for path in named if "/" in path} or named or None


def _bisect(files: set[str], fails: Callable[[set[str]], bool]) -> set[str]:
    """Return the files that dbt cannot read, by trying halves of them.

    Used where dbt's error names no file. All files are returned when only a combination of them
    fails, none when dbt fails without any of them.
    """
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


def _fails_with(
    arguments: Sequence[str], project: Project, error: BaseException | None
) -> Callable[[set[str]], bool]:
    """Return a function that tries whether dbt fails in the same way with some of the files."""
    options = [
        word
        for option in READER_OPTIONS
        for at, first in enumerate(arguments)
        if first.partition("=")[0] == option
        for word in arguments[at : at + (1 if "=" in first else 2)]
    ]

    def fails(files: set[str]) -> bool:
        custom_models.assemble(
            files, project.custom, project.source, project.assembled, project.skipped
        )
        # dbt keeps what it has read without any of them, and reads only the others again.
        done = dbtRunner().invoke(["parse", *options])
        return type(done.exception) is type(error)

    return fails


def _left_out(files: Mapping[str, str]) -> list[str]:
    """Return the lines that name files which dbt is not given, with the reason of each."""
    return [
        line
        for path, reason in files.items()
        for line in failures.lines(
            f"model {Path(path).stem}", reason, f" ({custom_models.FOLDER}/{path})"
        )
    ]


def _result(done: dbtRunnerResult, messages: list[str], *, is_docs: bool) -> Result:
    if done.exception is not None:  # dbt fails without the files that were left out, too
        reason = failures.reason(str(done.exception))
        return Result(exit_code=NOT_RUN, messages=failures.lines("dbt project", reason))
    results = [
        each for each in getattr(done.result, "results", None) or () if hasattr(each, "node")
    ]
    failed = [each for each in results if str(each.status) in failures.FAILED]
    is_success = done.success and (is_docs or not messages)
    return Result(
        exit_code=0 if is_success else 1,
        outcomes={each.node.name: str(each.status) for each in results},
        messages=messages
        + [failures.of_node(each.node.unique_id, each.message) for each in failed],
    )


@contextmanager
def _interruptible(output: HeldOutput) -> Iterator[list[int]]:
    """Let dbt cancel its queries, silently, when this process is asked to end."""
    caught: list[int] = []

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        caught.append(signum)
        output.is_silent = True
        raise KeyboardInterrupt  # what dbt cancels the queries of its threads on

    before = {signum: signal.signal(signum, interrupt) for signum in INTERRUPTED}
    try:
        yield caught
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
