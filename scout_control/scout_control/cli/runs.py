"""``scout run`` and ``scout runs``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from scout_control.api import run_list
from scout_control.api.progress_display import shown_progress
from scout_control.cli.base import LazyGroup, wants_json, with_scout
from scout_control.cli.output import format_cell, print_done, print_result, suggest
from scout_control.cli.run_output import (
    WaitingNotes,
    expiry,
    has_written,
    log_text,
    print_ended,
    print_run,
    print_runs,
    warnings,
)
from scout_control.cli.terminal import say
from scout_control.errors import RunFailedError, RunInterruptedError, RunPausedError
from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import ON_REQUEST, RunStatus
from scout_control.rules.terminal import as_json, escaped
from scout_control.rules.wording import interruption

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from scout_control.api.scout import Scout
    from scout_control.api.views import LogLine, Run

# By status, where the error does not decide. The exit codes are public.
EXIT_CODES = {
    RunStatus.COMPLETED: 0,
    RunStatus.PARTIAL: RunFailedError.exit_code,
    RunStatus.QUEUED: RunInterruptedError.exit_code,
    RunStatus.CANCELLED: RunInterruptedError.exit_code,
    RunStatus.PAUSED: RunPausedError.exit_code,
}


@click.command()
@click.argument("dataset")
@click.option("--full-refresh", is_flag=True, help="Discard the state and read everything.")
@click.option("--early", is_flag=True, help="Resume a paused run now.")
@click.option(
    "--queue",
    "is_queued",
    is_flag=True,
    help="Leave the run to a worker.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the full output of Meltano and its plugins to this file.",
)
@with_scout
def run(
    scout: Scout,
    dataset: str,
    *,
    full_refresh: bool,
    early: bool,
    is_queued: bool,
    log_file: Path | None,
) -> None:
    """Load and transform DATASET now.

    DATASET is PROJECT/SOURCE, PROJECT/SOURCE/USER, a schema or an id.

    Exit code 75 means that the source is rate-limiting, 77 that a person must connect an account.
    """
    if log_file is not None and not log_file.absolute().parent.is_dir():
        raise click.UsageError(f"The folder {log_file.absolute().parent} does not exist.")
    if is_queued:
        queued = scout.runs.queue(dataset, full_refresh=full_refresh).as_dict()
        print_result(queued, lambda: say(f"Queued as run {queued['run_id']}."))
        return
    code = run_here(scout, dataset, full_refresh=full_refresh, early=early, log_file=log_file)
    sys.exit(code)


def run_here(
    scout: Scout,
    dataset: str,
    *,
    full_refresh: bool = False,
    early: bool = False,
    log_file: Path | None = None,
) -> int:
    """Run a dataset with its progress shown, and print how it ended; return the exit code."""
    signals: list[int] = []
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, _append_to(signals))
    with shown_progress(dataset) as show:
        try:
            ended = scout.runs.execute(
                dataset,
                full_refresh=full_refresh,
                early=early,
                on_progress=show,
                should_stop=lambda: bool(signals),
                stop_reason=lambda: interruption(signals),
                log_file=log_file,
            )
        except RunPausedError:
            if waiting := scout.datasets.show(dataset).run:
                _announce_pause(waiting["resume_at"])
            raise
    if signal.SIGINT in signals and ended.status == RunStatus.QUEUED:
        # Ctrl-C means that a person does not want the run; after SIGTERM a worker may finish it.
        ended = scout.runs.cancel(ended.run_id, reason=interruption(signals) or ON_REQUEST)
    _show_end(ended)
    if has_written(ended) and not wants_json() and (text := expiry(scout.datasets.show(dataset))):
        say(text, err=True)
    return 128 + signals[0] if signals else exit_code(ended)


def exit_code(ended: Run) -> int:
    """Return the exit code for how a run ended."""
    if ended.transform_error:
        return RunFailedError.exit_code
    status = RunStatus(ended.status)
    if status in EXIT_CODES:
        return EXIT_CODES[status]
    return int(ended.result.get("error", {}).get("exit_code", RunFailedError.exit_code))


@click.group(cls=LazyGroup)
def runs() -> None:
    """List, show and cancel runs, and read their logs."""


@runs.command("list")
@click.option("--dataset")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@with_scout
def list_runs(scout: Scout, *, dataset: str | None, limit: int) -> None:
    """List the latest runs."""
    found = run_list.latest(scout.installation, dataset=dataset, limit=limit)
    print_result([each.as_dict() for each in found], lambda: print_runs(found))


@runs.command()
@click.argument("run_id")
@with_scout
def show(scout: Scout, run_id: str) -> None:
    """Show one run with its phases and streams; exit code 3 when no run has this id.

    RUN_ID is the id of a run, the beginning of it, or a dataset for its latest run.
    """
    found = scout.runs.show(run_id)
    document = found.as_dict()
    print_result(document, lambda: print_run(found, document))


@runs.command()
@click.argument("run_id")
@click.option("--follow", "-f", is_flag=True, help="Print new lines until the run ends.")
@with_scout
def logs(scout: Scout, run_id: str, *, follow: bool) -> None:
    """Print the log of a run: what scout, Meltano and the plugins wrote.

    RUN_ID is the id of a run, the beginning of it, or a dataset for its latest run. With --json,
    each line is an object. With --follow, the exit code is that of the run.
    """
    show = _print_log_line
    if not follow:
        for line in scout.runs.logs(run_id):
            show(line)
        return
    notes = WaitingNotes()

    def note_wait(run: Run) -> None:
        before = scout.runs.waiting_before(run.run_id) if run.status == RunStatus.QUEUED else 0
        if text := notes.note(run, before):
            say(text, err=True)

    found = scout.runs.show(run_id)
    for line in scout.runs.follow(found.run_id, on_status=note_wait):
        show(line)
    sys.exit(exit_code(scout.runs.show(found.run_id)))


def _print_log_line(line: LogLine) -> None:
    say(as_json(line.as_dict()) if wants_json() else log_text(line))


@runs.command()
@click.argument("run_id")
@with_scout
def cancel(scout: Scout, run_id: str) -> None:
    """Cancel a run; committed rows stay."""
    found = scout.runs.cancel(run_id).as_dict()
    print_done(f"Cancelled run {run_id}.", {"run": found})


def _append_to(signals: list[int]) -> Callable[[int, FrameType | None], None]:
    def handler(signum: int, _frame: FrameType | None) -> None:
        signals.append(signum)

    return handler


def _announce_pause(resume_at: str) -> None:
    """Print the line that all programs here print when they pause, for log readers."""
    say(f"event=paused resume_at={resume_at}", err=True)


def _show_end(ended: Run) -> None:
    if wants_json():
        say(as_json({"success": exit_code(ended) == 0, **ended.as_dict()}))
    else:
        print_ended(ended)
    if ended.resume_at:
        _announce_pause(to_json_value(ended.resume_at))
        when = format_cell(to_json_value(ended.resume_at))
        say(f"Paused until {when}; a worker resumes it then.", err=True)
    if ended.status == RunStatus.QUEUED:
        say("A worker continues it.", err=True)
    if ended.status in {RunStatus.QUEUED, RunStatus.CANCELLED}:
        suggest(f"scout run {quote(ended.dataset)}")
    if skipped := ended.result.get("skipped_models"):
        say(escaped(skipped), err=True)
    for warning in warnings(ended):
        say(f"Warning: {escaped(warning)}", err=True)
    for text in (ended.error_message, ended.transform_error):
        if text:
            say(f"Error: {escaped(text)}", err=True)
