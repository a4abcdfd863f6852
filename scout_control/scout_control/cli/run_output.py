"""How runs and their logs are printed for people."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.api.progress_bars import duration
from scout_control.cli.output import format_cell, print_record, print_table, print_table_cut
from scout_control.cli.terminal import say
from scout_control.rules import retention
from scout_control.rules.json_values import to_json_value
from scout_control.rules.statuses import RunStatus
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.api.views import Dataset, LogLine, Run

COLUMNS = (
    *("run", "dataset", "status", "started", "took", "written", "in_tables", "rate", "reason"),
)
STREAMS = ("stream", "status", "rows_this_run", "of", "rows_in_table")
SHORT_ID = 8
LONG = "30d"
"""How long to keep data, as suggested for what is kept for less."""
HIDDEN_FIELDS = frozenset(
    {
        *(
            "result",
            "error",
            "warning",
            "warnings",
            "column_rules",
            "sources",
            "progress",
            "activity",
            "phase_seconds",
            "seconds",
        ),
        *("is_interrupted", "cancelled", "previous_state", "worked_seconds"),
        "column_rules_so_far",
    }
)


def print_runs(runs: Sequence[Run]) -> None:
    """Print a list of runs, with the reason of each that did not succeed."""
    rows = [_row(run) for run in runs]
    # The reason comes last, and is cut on a terminal: what no run has takes no space before it.
    columns = [name for name in COLUMNS if any(row[name] for row in rows)]
    print_table_cut(rows, columns)


def _row(run: Run) -> dict[str, Any]:
    rows = sum(run.rows_loaded.values()) or _committed(run)
    return {
        "run": run.run_id[:SHORT_ID],
        "dataset": run.dataset,
        "status": status(run),
        "started": f"{run.started_at:%m-%d %H:%M}" if run.started_at else None,
        "took": None if run.seconds is None else duration(run.seconds),
        "written": f"{rows:,}",
        "in_tables": _number(run.rows_in_tables),
        "rate": rate(rows, run),
        "reason": reason(run),
    }


def rate(rows: int, run: Run) -> str | None:
    """Return the rows per second of loading, without the time of preparing and of dbt."""
    seconds = run.phase_seconds.get("load", 0.0)
    return f"{rows / seconds:,.0f}/s" if rows and seconds else None


def status(run: Run) -> str:
    """Return the status of a run as people see it."""
    return "interrupted" if run.is_interrupted else run.status


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def reason(run: Run) -> str | None:
    """Return why a run failed, paused or waits; None when nothing is wrong."""
    if run.is_interrupted:
        return "its worker has ended or lost the store; a worker resumes it"
    why = run.error_message or run.transform_error
    return why or stop_reason(run) or (run.activity.get("wait") or {}).get("reason")


def stop_reason(run: Run) -> str | None:
    """Return what stopped a run that was cancelled, or that a worker continues."""
    if run.status == RunStatus.CANCELLED:
        return str(run.result.get("reason", "cancelled"))
    is_stopped = run.status == RunStatus.QUEUED and run.attempt
    return (run.activity.get("wait") or {}).get("reason") if is_stopped else None


def print_run(run: Run, document: dict[str, Any]) -> None:
    """Print one run: its fields, the seconds of its phases, and the rows of its streams."""
    hidden = HIDDEN_FIELDS | {"reason"}  # comes last
    if run.status != RunStatus.RUNNING:
        hidden |= {"phase"}
    fields = {name: value for name, value in document.items() if name not in hidden}
    fields |= {"status": status(run), "reason": _shown_reason(run)}
    fields |= {"took": duration(run.seconds) if run.seconds is not None else None}
    if models := run.activity.get("models"):
        fields["dbt"] = f"{models['done']} of {models['total']} models and tests"
    if wait := run.activity.get("wait"):
        until = f" until {format_cell(wait['until'])}" if "until" in wait else ""
        is_stopped = run.status == RunStatus.QUEUED and not until
        fields["waits"] = "for a worker" if is_stopped else f"{wait['reason']}{until}"
    print_record(fields)
    if run.phase_seconds:
        say("")
        phases = [
            {"phase": name, "seconds": f"{spent:.1f}"} for name, spent in run.phase_seconds.items()
        ]
        print_table(phases, ("phase", "seconds"))
    if streams := _streams(run, document):
        say("")
        named = [name for name in STREAMS if any(each.get(name) for each in streams)]
        print_table(streams, named)
    if told := warnings(run):
        say("\n" + "\n".join(f"Warning: {escaped(each)}" for each in told))
    say(f"\nIts log: scout runs logs {run.run_id}")


def _shown_reason(run: Run) -> str | None:
    """Return the reason of a run that the other fields do not tell."""
    return reason(run) if run.is_interrupted or stop_reason(run) else None


def warnings(run: Run) -> list[str]:
    """Return what people should see of a run although they read no log."""
    known = run.result.get("warning")
    return [*run.result.get("warnings", ()), *([known] if known else [])]


def _streams(run: Run, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the selected streams of a run: from its result or, while it runs, its progress."""
    if sources := document.get("sources"):
        return [
            {
                "stream": name,
                "status": each["status"],
                "rows_this_run": f"{each['rows']:,}",
                "rows_in_table": _number(each.get("rows_in_table")),
            }
            for name, each in sorted(sources.items())
            if each.get("is_selected", True) or each["rows"]
        ]
    return [
        {
            "stream": name,
            "status": status(run),
            "rows_this_run": f"{each.get('committed') or each['fetched']:,}",
            "of": None if each.get("total") is None else f"{each['total']:,}",
        }
        for name, each in sorted(_progress(run).items())
    ]


def _progress(run: Run) -> dict[str, Any]:
    """Return the counts of a run; the last ones of an attempt that was stopped are its rows."""
    if not stop_reason(run):
        return run.progress
    rows = {name: {"fetched": 0, "committed": rows} for name, rows in run.rows_loaded.items()}
    return {**run.progress, **rows}


def _committed(run: Run) -> int:
    return sum(each.get("committed") or 0 for each in run.progress.values())


def print_ended(run: Run) -> None:
    """Print how a run that was executed here ended: the rows of its streams, and how long."""
    streams = _streams(run, run.as_dict())
    if why := stop_reason(run):
        _print_stopped(run, why, [each for each in streams if each["rows_this_run"] != "0"])
        return
    print_table(streams, ("stream", "rows_this_run", "rows_in_table"), "No rows were written.")
    phases = ", ".join(f"{name} {duration(spent)}" for name, spent in run.phase_seconds.items())
    took = f" in {duration(run.seconds or 0)} ({phases})" if phases else ""
    written = counted(sum(run.rows_loaded.values()), "row")
    present = run.rows_in_tables
    rows = "" if present is None else f"; {written} written, {present:,} in the tables"
    say(f"\n{escaped(run.dataset)}: {run.status}{took}{rows}")
    where = f"{run.alias} (all of it: {run.schema})" if run.alias else run.schema
    say(f"Run {run.run_id}, schema {where}")


def _print_stopped(run: Run, why: str, streams: Sequence[dict[str, Any]]) -> None:
    if streams:
        print_table(streams, ("stream", "rows_this_run"))
        say("")
    took = f" after {duration(run.seconds)}" if run.seconds is not None else ""
    written = sum(run.rows_loaded.values()) or _committed(run)
    are = "is" if written == 1 else "are"
    kept = f"{counted(written, 'row')} written {are} kept" if written else "no rows were written"
    say(f"{escaped(run.dataset)}: {escaped(why)}{took}; {kept}.")


def has_written(run: Run) -> bool:
    """Return whether a run completed, or left rows in its tables although it did not."""
    is_done = run.status in {RunStatus.COMPLETED, RunStatus.PARTIAL}
    return is_done or bool(sum(run.rows_loaded.values()) or _committed(run))


def expiry(dataset: Dataset) -> str | None:
    """Return when the data of a dataset expires, and how to keep it longer if that is short."""
    if dataset.expires_at is None:
        return None
    when = format_cell(to_json_value(dataset.expires_at))
    text = f"The data expires at {when} unless it is used before."
    if retention.parse(dataset.keep) >= retention.parse(LONG):
        return text
    command = f"scout datasets update {quote(dataset.path)} --keep {LONG}"
    return f"{text} To keep it longer: {command}"


def log_text(line: LogLine) -> str:
    """Return a line of a log as people read it: time of day, source, level if not info, text."""
    level = "" if line.level in {"info", "debug"} else f"{line.level.upper()} "
    return escaped(f"{line.at[11:19]} {line.source}: {level}{line.text}")


class WaitingNotes:
    """What the follower of a run that has not begun is told, once per change."""

    def __init__(self) -> None:
        self._last = ""

    def note(self, run: Run, before: int) -> str | None:
        """Return what to tell about a run now; None when it was told already."""
        text = _waiting_text(run, before)
        if text == self._last:
            return None
        self._last = text
        return text or None


def _waiting_text(run: Run, before: int) -> str:
    if run.status != "queued":
        return ""
    wait = run.activity.get("wait") or {}
    if "until" in wait:
        return f"Waiting: {escaped(wait['reason'])}."
    are = "is" if before == 1 else "are"
    others = f"; {counted(before, 'queued run')} {are} older" if before else ""
    what = "resume" if run.attempt else "start"
    return f"Waiting for a worker to {what} it{others}. No worker? Run: scout worker"
