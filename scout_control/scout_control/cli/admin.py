"""Operations: init, doctor, worker, tick, pipelines, completion."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from click.shell_completion import get_completion_class

from scout_control.cli.base import json_option, wants_json, with_scout
from scout_control.cli.output import dataset_row, print_done, print_result, print_table, suggest
from scout_control.cli.project import folder_option
from scout_control.cli.terminal import log_to_stderr, say
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scout_control.api.scout import Scout
    from scout_control.api.views import Dataset
    from scout_control.installation.stored_secrets import DeletedSecret

MOST_NAMED = 5
idle_option = click.option(
    "--idle-hours",
    type=click.FloatRange(0.01),
    envvar="SCOUT_IDLE_HOURS",
    help="Drop data unused for this many hours, instead of the installation's retention period.",
)


log_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar="SCOUT_LOG_FORMAT",
    help="Lines for people, or one JSON object per line; with --json, JSON by default.",
)


@click.command()
@folder_option
@click.option(
    "--reset-unreadable",
    is_flag=True,
    help="Delete the stored secrets that no encryption key decrypts; they must be stored again.",
)
@click.option(
    "--keep",
    metavar="PERIOD",
    help="How long unused data is kept: 24h, 30d or forever, as in a warehouse. [first: 24h]",
)
@click.option(
    "--listen",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help="Let the embedded Postgres listen on this port of 127.0.0.1, too, for BI tools; 0: not.",
)
@with_scout
def init(scout: Scout, *, reset_unreadable: bool, keep: str | None, listen: int | None) -> None:
    """Initialise or upgrade the installation. Safe to repeat.

    Refuses keys that do not decrypt what is stored, and names what would be lost.
    """
    deleted: list[DeletedSecret] = []
    version = scout.init(
        keep=keep, reset_unreadable=reset_unreadable, listen=listen, on_reset=deleted.append
    )
    settings = scout.installation.settings
    server = (
        "the server of SCOUT_DATABASE_URL"
        if settings.database_url
        else f"the embedded Postgres in {settings.home}"
    )
    data = {
        "store_version": version,
        "project": str(settings.project_root),
        "home": str(settings.home),
        "is_embedded": not settings.database_url,
    }
    if reset_unreadable:
        data["deleted"] = [asdict(each) for each in deleted]
        _tell_deleted(deleted)
    print_done(f"Ready on {server} (store version {version}).", data)
    if reset_unreadable:
        suggest("scout doctor")
    elif not scout.projects.list():
        suggest("scout projects create PROJECT")


def _tell_deleted(secrets: Sequence[DeletedSecret]) -> None:
    """Tell people which secrets were deleted, and how each is stored again."""
    if wants_json():
        return
    say(f"Deleted {counted(len(secrets), 'stored secret')} that no key decrypts.", err=True)
    for each in secrets:
        again = f"Store it again: {each.command}" if each.command else "It is made again."
        say(f"Deleted {each.what}. {again}", err=True)


@click.command()
@json_option
def doctor() -> None:
    """Check the installation; each problem comes with its remedy. Exits with code 1 if any."""
    from scout_control.api.doctor import run_checks

    findings = run_checks()
    rows = [finding.as_dict() for finding in findings]
    columns = ("check", "is_well", "finding", "remedy")
    titles = ("check", "ok", "finding", "remedy")
    print_result({"findings": rows}, lambda: print_table(rows, columns, titles=titles))
    sys.exit(0 if all(finding.is_well for finding in findings) else 1)


@click.command()
@with_scout
def pipelines(scout: Scout) -> None:
    """List pipelines, the jobs of meltano.yml that load datasets."""
    rows = [
        {
            "name": job.name,
            "provider": job.provider,
            "blocks": list(job.blocks),
            "transforms": list(job.transforms),
        }
        for job in scout.pipelines()
    ]
    print_result(rows, lambda: print_table(rows, ("name", "provider", "transforms")))


@click.command()
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Number of runs executed at the same time.",
)
@click.option(
    "--grace-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Shutdown grace period; unfinished runs are requeued.",
)
@click.option(
    "--slice-minutes",
    type=click.FloatRange(0.01),
    default=1.0,
    show_default=True,
    help="Time after which a run yields to owners that are waiting.",
)
@click.option(
    "--until-idle", is_flag=True, help="Start what is due, and exit when nothing is left to do."
)
@log_option
@idle_option
@with_scout
def worker(
    scout: Scout,
    *,
    concurrency: int,
    grace_seconds: float,
    slice_minutes: float,
    until_idle: bool,
    log_format: str | None,
    idle_hours: float | None,
) -> None:
    """Execute queued runs and background jobs. Start any number, on any number of machines."""
    from scout_control.scheduler.worker import Options, work

    _log_to_stderr(log_format)
    signum = work(
        scout.installation,
        Options(
            concurrency=concurrency,
            grace_seconds=grace_seconds,
            time_slice=timedelta(minutes=slice_minutes),
            idle=_as_period(idle_hours),
            until_idle=until_idle,
        ),
    )
    print_result({"success": True, "signal": signum or None}, lambda: None)
    sys.exit(128 + signum if signum else 0)


@click.command()
@click.option("--work", "is_working", is_flag=True, help="Then execute queued runs, and exit.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Number of runs executed at the same time.",
)
@log_option
@idle_option
@click.option("--plan", "is_plan", is_flag=True, help="Only list the data that would be dropped.")
@click.option("--yes", is_flag=True, help="Drop data that only --idle-hours makes expire.")
@with_scout
def tick(
    scout: Scout,
    *,
    is_working: bool,
    concurrency: int,
    log_format: str | None,
    idle_hours: float | None,
    is_plan: bool,
    yes: bool,
) -> None:
    """Run the background jobs once, for cron.

    They queue due runs, renew tokens, drop expired data and reclaim runs of dead workers.
    """
    idle = _as_period(idle_hours)
    if is_plan:
        _print_expiring(scout.would_expire(idle=idle))
        return
    # A variable is a decision of the installation; an option may be a slip of the hand.
    source = click.get_current_context().get_parameter_source("idle_hours")
    if source is ParameterSource.COMMANDLINE and not yes:
        _refuse_surprises(scout, idle)
    done = scout.tick(idle=idle)
    if is_working:
        _log_to_stderr(log_format)
        signum = scout.work(concurrency=concurrency, until_idle=True)
        if signum:
            sys.exit(128 + signum)
    print_done(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in done.items()), done)


def _as_period(hours: float | None) -> timedelta | None:
    return None if hours is None else timedelta(hours=hours)


def _print_expiring(found: list[Dataset]) -> None:
    rows = [each.as_dict() for each in found]
    columns = ("path", "schema", "rows", "last_activity_at", "keep")
    empty = "No data would be dropped now."
    print_result(rows, lambda: print_table(map(dataset_row, rows), columns, empty))


def _refuse_surprises(scout: Scout, idle: timedelta | None) -> None:
    """Raise if an idle time drops data that the installation would keep."""
    regular = {each.id for each in scout.would_expire()}
    surprises = [each for each in scout.would_expire(idle=idle) if each.id not in regular]
    if surprises:
        names = ", ".join(escaped(each.path) for each in surprises[:MOST_NAMED])
        more = f" and {len(surprises) - MOST_NAMED} more" if len(surprises) > MOST_NAMED else ""
        raise click.UsageError(
            f"--idle-hours would drop data that is otherwise kept: {names}{more}. Nothing was done."
            " List all with --plan; drop them with --yes."
        )


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    Use it as: eval "$(scout completion bash)"
    """
    completer = get_completion_class(shell)
    context = click.get_current_context().find_root()
    if completer is not None:
        script = completer(context.command, {}, "scout", "_SCOUT_COMPLETE").source()
        print_result({"script": script}, lambda: click.echo(script))


def _log_to_stderr(log_format: str | None) -> None:
    log_to_stderr(is_json=log_format == "json" or (log_format is None and wants_json()))
    # Its job has succeeded however the run ended: the worker says that itself.
    for name in ("alembic", "procrastinate"):
        logging.getLogger(name).setLevel(logging.WARNING)
