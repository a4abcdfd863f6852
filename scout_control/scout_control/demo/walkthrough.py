"""The demo from start to end: start services, change records, load, compare, show, suggest more."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scout_control.datasets.query import QueryError
from scout_control.demo import dataset, manual_pipe
from scout_control.demo.commcare import CommCare
from scout_control.demo.connect import Connect
from scout_control.demo.demo_file import DemoFile
from scout_control.demo.load import Loaded, load
from scout_control.demo.services import Services, embedded, started
from scout_control.errors import ConflictError, RunFailedError
from scout_control.installation import embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.datasets.schema_contents import Load
    from scout_control.demo.display import Display
    from scout_control.demo.sandbox import Size
    from scout_control.demo.source import Change, Source
    from scout_control.installation.settings import Settings

SOURCES: dict[str, Source] = {each.name: each for each in (CommCare(), Connect())}
KILL = "kill"
FAULTS = {"429": "Too Many Requests", "500": "an internal error"}
ONE_IN = 3  # requests that are answered with the fault
SLOW_MS = 500.0  # per page, and
SMALL_PAGES = {"page_size": 100}  # so that the loader can be killed in the middle of a run
HINTS = (
    ("make demo", "again: only changed records are read"),
    ("make demo ARGS=--edit", "change a few records, and read just those"),
    ('make demo ARGS="--fault kill"', "kill the loader in the middle of a run: nothing is lost"),
)
KEEP_RUNNING_HINT = (
    "make demo ARGS=--keep-running",
    "leave Postgres and the sandbox running, and show the same pipe without Meltano",
)
WIDEST_COMMAND = 88
ELSEWHERE = ("SCOUT_DATABASE_URL", "SCOUT_ENCRYPTION_KEYS")
"""Variables that would direct the commands to another installation than the demo's."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command."""

    source: Source
    size: Size
    fault: str | None = None
    edit: bool = False
    keep_running: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a demo showed. The names are those of ``--json``, which are public."""

    dataset: str
    schema: str
    is_incremental: bool
    seconds: float
    streams: list[Load]
    rows: dict[str, int]
    """Rows in Postgres, for the streams that are compared with the sandbox."""
    differences: dict[str, dict[str, int]]
    answer: list[tuple[object, ...]]


def run(settings: Settings, options: Options, display: Display) -> Report:
    """Run the demo, and return what it showed.

    Raises:
        ControlError: The run failed, or Postgres and the sandbox differ.
    """
    with started(embedded(settings), options.size, keep_running=options.keep_running) as services:
        report = Walkthrough(services, options, display).run()
    if report.differences:
        raise RunFailedError(
            f"Postgres and the sandbox differ: {report.differences}.", "Please report this bug."
        )
    return report


class Walkthrough:
    """One demo, on running services."""

    def __init__(self, services: Services, options: Options, display: Display) -> None:
        self._services, self._options, self._display = services, options, display
        self._scout, self._sandbox = services.scout, services.sandbox
        self._source = options.source
        self._demo_file = DemoFile.load(services.home)

    @cached_property
    def _path(self) -> str:
        """Return the path of the dataset, registered on first use."""
        return self._register()

    def _register(self, config: Mapping[str, int] | None = None) -> str:
        path = dataset.register(self._scout, self._demo_file, self._source, self._sandbox, config)
        self._demo_file.save(self._services.home)
        return path

    def run(self) -> Report:
        """Do all steps."""
        in_sandbox = _join(self._source.counts(self._sandbox))
        self._display.step(
            f"Postgres and the sandbox are up: {in_sandbox} behind {self._source.label}."
        )
        is_first = not any(self._row_counts().values())
        self._change_records()
        loaded = self._load(is_first=is_first)
        if loaded.error:
            log = _short(self._services.home) / "run.log"
            raise RunFailedError(loaded.error, f"The full output of Meltano is in {log}.")
        self._demo_file.schema = loaded.run.schema
        self._demo_file.save(self._services.home)
        report = self._report(loaded, is_first=is_first)
        self._show(report)
        self._suggest()
        return report

    def _change_records(self) -> None:
        """Repeat earlier changes, which a new sandbox has forgotten; make new ones if asked."""
        key = dataset.key_of(self._source, self._options.size)
        earlier = self._demo_file.changes.setdefault(key, [])
        if self._services.is_new_sandbox:
            self._make(earlier)
        if self._options.edit:
            changes = self._source.new_changes(self._query, len(earlier))
            self._make(changes)
            earlier += changes
            self._demo_file.save(self._services.home)
            self._display.step(f"{self._source.describe_changes(changes)}.")

    def _make(self, changes: list[Change]) -> None:
        for change in changes:
            body = {name: value for name, value in change.items() if name != "action"}
            self._sandbox.call(str(change["action"]), body)

    def _load(self, *, is_first: bool) -> Loaded:
        if self._options.fault in FAULTS:
            return self._load_with_fault(self._options.fault, is_first=is_first)
        if self._options.fault == KILL:
            return self._load_twice(is_first=is_first)
        return self._load_once(is_first=is_first)

    def _load_once(self, *, is_first: bool, kill_loader: bool = False) -> Loaded:
        totals = self._source.counts(self._sandbox) if is_first else {}
        log_file = self._services.home / "run.log"
        return load(
            self._scout, self._path, self._display, totals, log_file, kill_loader=kill_loader
        )

    def _load_with_fault(self, fault: str, *, is_first: bool) -> Loaded:
        self._sandbox.call("set", {"fault": fault, "fault_every": ONE_IN})
        self._display.step(f"One in {ONE_IN} requests is answered with {fault} ({FAULTS[fault]}).")
        try:
            loaded = self._load_once(is_first=is_first)
        finally:
            self._sandbox.call("set", {"fault": "", "fault_every": 0})
        self._display.step(f"Requests that failed and were retried: {self._sandbox.failures():,}.")
        return loaded

    def _load_twice(self, *, is_first: bool) -> Loaded:
        """Kill the loader in the middle of a run, and run again."""
        self._register(SMALL_PAGES)
        self._sandbox.call("set", {"latency_ms": SLOW_MS})
        try:
            killed = self._load_once(is_first=is_first, kill_loader=True)
        finally:
            self._sandbox.call("set", {"latency_ms": 0})
            self._register()
        if killed.rows_when_killed is None:
            self._display.step("The run ended before the loader could be killed.")
            return killed
        self._display.step(
            f"The loader was killed with SIGKILL when {killed.rows_when_killed:,} rows were "
            "committed."
        )
        self._display.step(f"The run failed: {killed.error}")
        loaded = self._load_once(is_first=is_first)
        self._display.step("The next run resumed from the last saved state.")
        return loaded

    def _report(self, loaded: Loaded, *, is_first: bool) -> Report:
        in_sandbox, in_postgres = self._source.counts(self._sandbox), self._row_counts()
        compared = {name: in_postgres.get(name) or 0 for name in self._source.compared_streams}
        differences = {
            name: {"postgres": rows, "sandbox": in_sandbox[name]}
            for name, rows in compared.items()
            if rows != in_sandbox[name]
        }
        return Report(
            dataset=self._path,
            schema=loaded.run.schema,
            is_incremental=not is_first,
            seconds=round(loaded.seconds, 2),
            streams=loaded.loads,
            rows=compared,
            differences=differences,
            answer=self._query(self._source.question.query),
        )

    def _show(self, report: Report) -> None:
        in_tables = self._row_counts()
        rows = [
            (
                each.stream,
                each.rows,
                in_tables.get(each.stream) or 0,
                round(each.seconds, 2),
                round(each.rows / each.seconds) if each.seconds else each.rows,
            )
            for each in report.streams
        ]
        kind = self._source.incremental if report.is_incremental else "First run: everything"
        columns = ("stream", "rows this run", "rows in table", "seconds", "rows/s")
        self._display.step(f"Read, loaded and modelled in {report.seconds:.1f} s.")
        self._display.table(kind, columns, rows)
        if not report.differences:
            self._display.say(f"Postgres has what the sandbox has: {_join(report.rows)}.")
        question = self._source.question
        self._display.table(question.title, question.columns, report.answer)

    def _row_counts(self) -> dict[str, int | None]:
        """Return the rows of each table, as control counted them after the last run."""
        return self._scout.datasets.show(self._path).row_counts

    def _query(self, statement: str) -> list[tuple[object, ...]]:
        """Query the dataset; empty before its first load, or if the table does not exist."""
        try:
            return list(self._scout.datasets.query(self._path, statement).rows)
        except (ConflictError, QueryError):
            return []

    def _suggest(self) -> None:
        programs = _short(Path(sys.executable).parent)
        scout = scout_command(programs, os.environ)
        hints = hints_for(scout, self._path, self._source, keep_running=self._options.keep_running)
        self._display.say(
            f"\nThe data is the dataset {self._path}, in schema {self._demo_file.schema} of the "
            f"Postgres in {_short(self._services.home)}."
        )
        self._display.say("What to type next:")
        width = min(max(len(line) for line, _ in hints), WIDEST_COMMAND)
        for line, what in hints:
            self._display.say(f"  {line:<{width}}  {what}")
        if self._options.keep_running:
            self._show_pipe(programs)

    def _show_pipe(self, programs: Path) -> None:
        """Show how to connect to the running services, and the command of the pipe itself."""
        services, source = self._services, self._source
        config = source.tap_config(self._sandbox)
        folder = _short(manual_pipe.write(services.home, config, services.database_url))
        self._display.say(f"The API is at {self._sandbox.url} until: make demo ARGS=--stop")
        # PGPASSWORD would take precedence over the password file that the URL names.
        clean = "env -u PGPASSWORD " if "PGPASSWORD" in os.environ else ""
        self._display.say(
            f"  {clean}PGOPTIONS=--search_path={self._demo_file.schema} "
            f"{shlex.quote(str(_short(embedded_postgres.psql())))} "
            f"{shlex.quote(services.database_url)}"
        )
        self._display.say("The same pipe without Meltano:")
        self._display.say(f"  {manual_pipe.command(source.source_type, programs, folder)}")


def scout_command(programs: Path, environment: Mapping[str, str]) -> str:
    """Return how ``scout`` is started on the installation of the demo, in a shell as it is now."""
    is_elsewhere = bool(environment.get(ELSEWHERE[0]))
    unset = f"env -u {' -u '.join(ELSEWHERE)} " if is_elsewhere else ""
    return f"{unset}{shlex.quote(f'{programs}/scout')}"


def hints_for(
    scout: str, path: str, source: Source, *, keep_running: bool
) -> list[tuple[str, str]]:
    """Return what to type after a demo of a source, and what each line does."""
    chosen = "make demo" if source.name == "commcare" else f"make demo SOURCE={source.name}"
    again = HINTS if keep_running else (*HINTS, KEEP_RUNNING_HINT)
    return [
        (f"{scout} status", "sources, credentials and datasets of this installation"),
        (
            f"{scout} query {shlex.quote(path)} {shlex.quote(source.example_query)}",
            "query the data, as its readers do",
        ),
        (f"{scout} describe {shlex.quote(path)}", "the tables and columns, and what they mean"),
        (f"{scout} psql", "explore the schema in SQL"),
        *((line.replace("make demo", chosen), what) for line, what in again),
    ]


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} {name}" for name, rows in counts.items())


def _short(path: Path) -> Path:
    """Return the path relative to the working directory, if that is shorter."""
    relative = Path(os.path.relpath(path))
    return relative if len(str(relative)) < len(str(path)) else path
