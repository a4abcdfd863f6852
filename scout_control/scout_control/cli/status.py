"""``scout status``: what is wrong first, what is fine as a number, and an answer for monitoring."""

from __future__ import annotations

import os
import sys
from collections import Counter
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.api.progress_bars import duration
from scout_control.api.progress_display import is_ascii_only
from scout_control.cli.base import json_option, wants_json, with_scout
from scout_control.cli.output import (
    dataset_row,
    describe_run,
    format_cell,
    print_result,
    print_table,
    print_table_cut,
)
from scout_control.cli.terminal import say
from scout_control.errors import CONNECT, ControlError
from scout_control.rules.health import NO_WORKER, Condition, Health, MonitoringCode, monitoring_code
from scout_control.rules.run_history import LEGEND, picture
from scout_control.rules.terminal import as_json, escaped
from scout_control.rules.unlinked import choices
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scout_control.api.overview import Status
    from scout_control.api.scout import Scout

    Row = Mapping[str, Any]

MAX_FINE_LISTED = 10
"""More datasets that are fine are counted, unless --all lists them."""
MAX_NAMED = 3
"""How many datasets the line of --check names, and owners of what is alike the lists of --all."""
HISTORY_RUNS = 30
MAX_LISTED = 20
"""How many datasets are listed without --all or --failed: what fits a screen."""
COLUMNS = ("dataset", "state", "last_sync", "notes")
NAMES = {Condition.ATTENTION: "needing attention"}
READY, PENDING = "ready", "pending"
RECONNECT = "needs reconnect"


@click.command()
@click.option("--project", help="Only what this project uses.")
@click.option("--user", help="Only what this user sees.")
@click.option("--failed", is_flag=True, help="Only datasets that failed or need attention.")
@click.option("--all", "shows_all", is_flag=True, help="List everything that is fine, too.")
@click.option("--history", is_flag=True, help="Picture the last 30 runs of each dataset.")
@click.option(
    "--check",
    is_flag=True,
    help="One line for monitoring, and exit code 0 (ok), 1 (warning), 2 (critical), 3 (unknown).",
)
@json_option
@click.pass_context
def status(
    ctx: click.Context,
    *,
    project: str | None,
    user: str | None,
    failed: bool,
    shows_all: bool,
    history: bool,
    check: bool,
) -> None:
    """Show synced data, the worst first, and credentials that need a person."""
    ask = _status_check if check else _show_status
    try:
        ctx.invoke(
            with_scout(ask),
            project=project,
            user=user,
            failed=failed,
            shows_all=shows_all,
            history=history,
        )
    except ControlError as error:
        if not check:
            raise
        _print_check(MonitoringCode.UNKNOWN, str(error), {})


def _show_status(
    scout: Scout,
    *,
    project: str | None,
    user: str | None,
    failed: bool,
    shows_all: bool,
    history: bool,
) -> None:
    overview = scout.status(project=project, user=user, history=HISTORY_RUNS if history else 0)
    document = overview.as_dict()
    if failed:
        document["synced_data"] = [each for each in document["synced_data"] if _is_bad(each)]

    def show() -> None:
        if history:
            _print_history(document["synced_data"])
        elif shows_all:
            _print_all(overview)
        else:
            _print_summary(overview, document["synced_data"], only_bad=failed)

    print_result(document, show)


def _is_bad(dataset: Row) -> bool:
    return dataset["health"] in {Health.FAILED, Health.ATTENTION}


def _print_summary(overview: Status, listed: Sequence[Row], *, only_bad: bool) -> None:
    datasets = overview.synced_data
    if not datasets:
        say("There are no datasets yet.")
        _print_sources(overview)
        return
    counts = _counts(datasets)
    say(_summary(datasets), bold=True)
    is_short = counts[Condition.FINE] <= MAX_FINE_LISTED
    shown = [each for each in listed if is_short or each["condition"] != Condition.FINE]
    if not only_bad:
        shown = shown[:MAX_LISTED]
    if shown:
        say("")
        print_table_cut([_row(each) for each in shown], COLUMNS)
    if rest := len(listed) - len(shown):
        fine = "" if counts[Condition.FINE] < rest else ", all fine"
        say(f"\n{counted(rest, 'other')}{fine}; list them with: scout status --all")
    if any(each["reason"] == NO_WORKER for each in listed):
        # Also in a separate line: the notes are cut on a narrow terminal.
        say(f"\n{NO_WORKER}; or load one dataset now: scout run DATASET")
    _print_unlinked(listed)
    if not only_bad:
        _print_sources(overview)
    _print_credentials(overview.credentials)


def _counts(datasets: Sequence[Row]) -> Counter[Condition]:
    return Counter(Condition(each["condition"]) for each in datasets)


def _summary(datasets: Sequence[Row]) -> str:
    """Return how many datasets there are, and how many are in which condition."""
    counts = _counts(datasets)
    parts = [f"{counts[each]} {NAMES.get(each, each)}" for each in Condition if counts[each]]
    number = counted(len(datasets), "dataset")
    return f"{number}: {', '.join(parts)}" if parts else number


def _row(dataset: Row) -> dict[str, Any]:
    """Return the line of a dataset; the last column may be cut."""
    return {
        "dataset": dataset["path"],
        "state": dataset["condition"],
        "last_sync": _short_time(dataset["last_sync_at"]),
        "notes": ", ".join(_notes(dataset)) or None,
    }


def _notes(dataset: Row) -> Iterator[str]:
    """Yield what is worth knowing: what is wrong, what it is doing, or what it has."""
    if dataset["reason"]:
        yield dataset["reason"]
        return
    if dataset["run"]:
        yield describe_run(dataset["run"])
    if dataset["condition"] == Condition.INTERRUPTED:
        yield f"its rows are kept; to continue: scout run {quote(dataset['path'])}"
    counts = [count for count in dataset["row_counts"].values() if count is not None]
    if counts:
        yield f"{counted(sum(counts), 'row')} in {counted(len(counts), 'stream')}"
    # That of its run, and "pending", are in its condition.
    if dataset["status"] not in {READY, PENDING} and not dataset["run"]:
        yield dataset["status"]
    if dataset["is_paused"]:
        yield "schedule paused"
    elif dataset["next_sync_at"]:
        yield f"next {_short_time(dataset['next_sync_at'])}"


def _print_unlinked(datasets: Sequence[Row]) -> None:
    """Print what to do about data that is no longer read, also where the notes are cut."""
    found = [each for each in datasets if each["condition"] == Condition.UNLINKED]
    with_data = [each for each in found if each["reason"]]
    for each in with_data[:MAX_NAMED]:
        say(f"\n{each['path']} is unlinked. {choices(each['project'], each['source'])}")
    if len(with_data) > MAX_NAMED:
        more = counted(len(with_data) - MAX_NAMED, "other unlinked dataset")
        say(f"\n{more} with data; see: scout links list")


def _short_time(moment: str | None) -> str | None:
    return f"{moment[5:10]} {moment[11:16]}Z" if moment else None


def _print_sources(overview: Status) -> None:
    connected = sum(each["status"] != RECONNECT for each in overview.credentials)
    sources = counted(len(overview.available_sources), "source")
    say(f"\n{sources}, {counted(connected, 'credential')} connected")


def _print_credentials(credentials: Sequence[Row]) -> None:
    """Print what must be reconnected, with the command."""
    for each in credentials:
        if each["status"] == RECONNECT:
            kind, owner = ("user", each["user"]) if each["user"] else ("project", each["project"])
            say(f"Needs reconnect: {CONNECT} {quote(each['source'])} --{kind} {quote(owner)}")


def credential_rows(credentials: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the lines of credentials; many alike that need no person are one."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for number, each in enumerate(credentials):
        alike = (each["source"], each["user"] is None, each["kind"], each["status"])
        groups.setdefault((*alike, number if each["status"] == RECONNECT else None), []).append(
            each
        )
    return [row for group in groups.values() for row in _credentials_alike(group)]


def _credentials_alike(group: Sequence[Row]) -> list[dict[str, Any]]:
    if len(group) <= MAX_NAMED:
        return [dict(each) for each in group]
    owner = "user" if group[0]["user"] else "project"
    expiring = [each["token_expires_at"] for each in group if each["token_expires_at"]]
    return [
        {
            **group[0],
            owner: first_names([each[owner] for each in group]),
            "status": f"{group[0]['status']}: {len(group)} of {group[0]['source']}",
            "token_expires_at": min(expiring, default=None),
        }
    ]


def first_names(names: Sequence[str]) -> str | list[str]:
    """Return the first of many names, with how many there are."""
    if len(names) <= MAX_NAMED:
        return list(names)
    return f"{len(names)}: {', '.join(names[:MAX_NAMED])}, ..."


def _print_all(overview: Status) -> None:
    say("Available sources", bold=True)
    sources = [
        {**each, "projects": first_names(each["projects"])} for each in overview.available_sources
    ]
    print_table(sources, ("name", "source_type", "base_url", "projects"))
    say("\nCredentials", bold=True)
    columns: tuple[str, ...] = ("source", "project", "user", "kind", "status", "token_expires_at")
    print_table(credential_rows(overview.credentials), columns)
    say("\nSynced data", bold=True)
    columns = ("path", "status", "rows", "last_sync_at", "next_sync_at", "sync_error")
    # What its last run said of one that is no longer read does not matter any longer.
    rows = [
        each if each["is_linked"] else {**each, "sync_error": each["reason"]}
        for each in overview.synced_data
    ]
    print_table(map(dataset_row, rows), columns)


def _print_history(datasets: Sequence[Row]) -> None:
    is_ascii = is_ascii_only(sys.stdout, os.environ)
    rows = [
        {
            "dataset": each["path"],
            "runs, latest last": picture(each["history"], is_ascii=is_ascii),
            "last took": _last_seconds(each["history"]),
            "state": each["condition"],
        }
        for each in datasets
    ]
    print_table_cut(rows, ("dataset", "runs, latest last", "last took", "state"))
    if rows:
        say(f"\n{LEGEND[is_ascii]}")


def _last_seconds(history: Sequence[Row]) -> str | None:
    known = [run["seconds"] for run in history if run["seconds"] is not None]
    return duration(known[-1]) if known else None


def _status_check(scout: Scout, *, project: str | None, user: str | None, **_options: bool) -> None:
    datasets = scout.status(project=project, user=user).synced_data
    code = monitoring_code(Health(each["health"]) for each in datasets)
    counts = _counts(datasets)
    bad = [each for each in datasets if _is_bad(each)]
    named = "; ".join(f"{each['path']}: {each['reason']}" for each in bad[:MAX_NAMED])
    more = f"; and {len(bad) - MAX_NAMED} more" if len(bad) > MAX_NAMED else ""
    need = "needs" if len(bad) == 1 else "need"
    text = f"{len(bad)} of {counted(len(datasets), 'dataset')} {need} attention: {named}{more}"
    measured = {
        "datasets": len(datasets),
        "failed": counts[Condition.FAILED],
        "attention": len(bad) - counts[Condition.FAILED],
        "running": counts[Condition.RUNNING],
        "queued": counts[Condition.QUEUED],
        "paused": counts[Condition.PAUSED],
        "never_loaded": counts[Condition.NEVER_LOADED],
        "interrupted": counts[Condition.INTERRUPTED],
        "unlinked": counts[Condition.UNLINKED],
    }
    _print_check(code, text if bad else _summary(datasets), measured)


def _print_check(code: MonitoringCode, text: str, measured: Mapping[str, int]) -> None:
    """Print the one line that monitoring systems read, and exit with their code."""
    if wants_json():
        say(as_json({"status": code.name, "exit_code": int(code), "text": text, **measured}))
    else:
        data = " ".join(f"{name}={value}" for name, value in measured.items())
        line = f"{code.name} - {format_cell(text)}" + (f" | {data}" if data else "")
        say(escaped(line.replace("\n", " ")))
    sys.exit(int(code))
