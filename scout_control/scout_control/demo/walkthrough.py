"""The demo from start to end: start services, change records, load, compare, show, suggest more."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from scout_control.demo import dataset, manual_pipe
from scout_control.demo.commands import Commands, short
from scout_control.demo.commcare import CommCare
from scout_control.demo.connect import Connect
from scout_control.demo.demo_file import DemoFile
from scout_control.demo.load import Loaded, load
from scout_control.demo.services import Services, embedded, started
from scout_control.errors import ConflictError, QueryError, RunFailedError
from scout_control.installation import embedded_postgres
from scout_control.meltano import executables
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scout_control.api.scout import Scout
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
    ((), "again: only changed records are read"),
    (("--edit",), "change a few records, and read just those"),
    (("--fault kill",), "kill the loader in the middle of a run: nothing is lost"),
    (("--page",), "then show the data on a page in the browser, until Ctrl+C"),
)
KEEP_RUNNING_HINT = (
    ("--keep-running",),
    "leave Postgres and the sandbox running, and show the same pipe without Meltano",
)
WIDEST_COMMAND = 88


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


def run(
    settings: Settings,
    options: Options,
    display: Display,
    then: Callable[[Scout], None] = lambda _: None,
) -> Report:
    """Run the demo, and return what it showed.

    Args:
        settings: The settings of the installation.
        options: What to show.
        display: Where.
        then: Called at the end, while Postgres and the sandbox are still running.

    Raises:
        ControlError: The run failed, or Postgres and the sandbox differ.
    """
    with started(embedded(settings), options.size, keep_running=options.keep_running) as services:
        report = Walkthrough(services, options, display).run()
        then(services.scout)
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
        loaded = self._load()
        if loaded.error:
            log = short(self._services.home) / "run.log"
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

    def _load(self) -> Loaded:
        if self._options.fault in FAULTS:
            return self._load_with_fault(self._options.fault)
        if self._options.fault == KILL:
            return self._load_twice()
        return self._load_once()

    def _load_once(self, *, kill_loader: bool = False) -> Loaded:
        log_file = self._services.home / "run.log"
        return load(self._scout, self._path, self._display, log_file, kill_loader=kill_loader)

    def _load_with_fault(self, fault: str) -> Loaded:
        self._sandbox.call("set", {"fault": fault, "fault_every": ONE_IN})
        self._display.step(f"One in {ONE_IN} requests is answered with {fault} ({FAULTS[fault]}).")
        try:
            loaded = self._load_once()
        finally:
            self._sandbox.call("set", {"fault": "", "fault_every": 0})
        self._display.step(f"Requests that failed and were retried: {self._sandbox.failures():,}.")
        return loaded

    def _load_twice(self) -> Loaded:
        """Kill the loader in the middle of a run, and run again."""
        self._register(SMALL_PAGES)
        self._sandbox.call("set", {"latency_ms": SLOW_MS})
        try:
            killed = self._load_once(kill_loader=True)
        finally:
            self._sandbox.call("set", {"latency_ms": 0})
            self._register()
        if killed.rows_when_killed is None:
            self._display.step("The run ended before the loader could be killed.")
            return killed
        self._display.step(
            "The loader was killed with SIGKILL after it had committed "
            f"{counted(killed.rows_when_killed, 'row')}."
        )
        self._display.step(f"The run failed: {killed.error}")
        loaded = self._load_once()
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
        commands = Commands.here(self._source.name)
        is_kept = self._options.keep_running
        hints = hints_for(commands, self._path, self._source, keep_running=is_kept)
        schema, alias = self._demo_file.schema, self._scout.datasets.show(self._path).alias
        where = f"{alias} (all of it: {schema})" if alias else schema
        self._display.say(
            f"\nThe data is the dataset {self._path}, in schema {where} of the Postgres in "
            f"{short(self._services.home)}."
        )
        self._display.say("What to type next:")
        width = min(max(len(line) for line, _ in hints), WIDEST_COMMAND)
        for line, what in hints:
            self._display.say(f"  {line:<{width}}  {what}")
        if self._options.keep_running:
            self._show_pipe(commands)

    def _show_pipe(self, commands: Commands) -> None:
        """Show how to connect to the running services, and the command of the pipe itself."""
        services, source = self._services, self._source
        config = source.tap_config(self._sandbox)
        folder = short(manual_pipe.write(services.home, config, services.database_url))
        self._display.say(f"The API is at {self._sandbox.url} until: {commands.demo('--stop')}")
        # PGPASSWORD would take precedence over the password file that the URL names.
        clean = "env -u PGPASSWORD " if "PGPASSWORD" in os.environ else ""
        self._display.say(
            f"  {clean}PGOPTIONS=--search_path={self._demo_file.schema} "
            f"{shlex.quote(str(short(embedded_postgres.psql())))} "
            f"{shlex.quote(services.database_url)}"
        )
        pipe = manual_pipe.command(source.source_type, short(executables.PROGRAMS), folder)
        self._display.say("The same pipe without Meltano:")
        self._display.say(f"  {pipe}")


def hints_for(
    commands: Commands, path: str, source: Source, *, keep_running: bool
) -> list[tuple[str, str]]:
    """Return what to type after a demo of a source, and what each line does."""
    scout = commands.scout
    again = HINTS if keep_running else (*HINTS, KEEP_RUNNING_HINT)
    return [
        (f"{scout} status", "sources, credentials and datasets of this installation"),
        (
            f"{scout} query {shlex.quote(path)} {shlex.quote(source.example_query)}",
            "query the data, as its readers do",
        ),
        (f"{scout} describe {shlex.quote(path)}", "the tables and columns, and what they mean"),
        (f"{scout} psql", "explore the schema in SQL"),
        *((commands.demo(*options), what) for options, what in again),
    ]


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} {name}" for name, rows in counts.items())
