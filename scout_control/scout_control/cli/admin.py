"""What operators need: init, status, doctor, keys, worker, tick, pipelines, completion."""

from __future__ import annotations

import json
import logging
import sys
from datetime import timedelta
from typing import IO, TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from scout_control.cli.base import Commands, json_option, wants_json, with_scout
from scout_control.cli.output import advise, answer, in_short, said, table
from scout_control.cli.terminal import log_to_stderr, say
from scout_control.rules.terminal import as_json

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

idle_option = click.option(
    "--idle-hours",
    type=click.FloatRange(0.01),
    default=24.0,
    show_default=True,
    envvar="SCOUT_IDLE_HOURS",
    help="Data that nobody uses for so long is dropped.",
)


@click.command()
@with_scout
def init(scout: Scout) -> None:
    """Set an installation up, or bring it to this version; may be repeated."""
    version = scout.init()
    home = scout.site.settings.home
    where = "the server of SCOUT_DATABASE_URL"
    if not scout.site.settings.database_url:
        where = f"the embedded Postgres in {home}"
    data = {"store_version": version, "home": str(home), "is_embedded": where.startswith("the emb")}
    said(f"Ready in {where} (store version {version}).", data)
    if not scout.projects.list():
        advise("scout projects create PROJECT")


@click.command()
@click.option("--project")
@click.option("--user")
@with_scout
def status(scout: Scout, *, project: str | None, user: str | None) -> None:
    """Show what can be connected, what is connected, and what data is there."""
    found = scout.status(project=project, user=user)

    def show() -> None:
        say("Available sources", bold=True)
        table(found.available_sources, ("name", "source_type", "base_url", "projects"))
        say("\nConnections", bold=True)
        columns = ("source", "project", "user", "kind", "status", "token_expires_at")
        table(found.connections, columns)
        say("\nSynced data", bold=True)
        columns = ("path", "status", "rows", "last_sync_at", "next_sync_at", "sync_error")
        table(map(in_short, found.synced_data), columns)

    answer(found.as_dict(), show)


@click.command()
@json_option
def doctor() -> None:
    """Look for what is wrong; each finding says what to do. Exit code 1 when something is."""
    from scout_control.api.doctor import examine  # noqa: PLC0415 - takes a moment to load

    findings = examine()
    rows = [finding.as_dict() for finding in findings]
    answer({"findings": rows}, lambda: table(rows, ("check", "is_well", "finding", "remedy")))
    sys.exit(0 if all(finding.is_well for finding in findings) else 1)


@click.command()
@with_scout
def pipelines(scout: Scout) -> None:
    """List the pipelines: jobs of meltano.yml that load a dataset schema."""
    found = [
        {
            "name": job.name,
            "provider": job.provider,
            "blocks": list(job.blocks),
            "transforms": list(job.transforms),
        }
        for job in scout.pipelines()
    ]
    answer(found, lambda: table(found, ("name", "provider", "transforms")))


@click.group(cls=Commands)
def keys() -> None:
    """Keys that stored secrets are encrypted with."""


@keys.command("generate")
@json_option
def generate_key() -> None:
    """Print a new key for SCOUT_ENCRYPTION_KEYS."""
    from scout_control.installation.encryption import generate  # noqa: PLC0415 - takes a moment

    key = generate()
    answer({"key": key}, lambda: say(key))


@keys.command()
@click.option(
    "--forget-old",
    is_flag=True,
    help="Drop older keys from the key file; restart the workers before.",
)
@with_scout
def rotate(scout: Scout, *, forget_old: bool) -> None:
    """Encrypt everything under the first key, while workers go on.

    With a key file a new key is made first. With SCOUT_ENCRYPTION_KEYS put the new key in front of
    the old ones in every process, then rotate, then remove the old ones.
    """
    changed = scout.rotate_keys(forget_old=forget_old)
    said(f"{changed} secrets are under the first key now.", {"changed": changed})


@keys.command("encrypt")
@click.argument("file", type=click.File("r"), default="-")
@with_scout
def encrypt_config(scout: Scout, file: IO[str]) -> None:
    """Print a configuration (JSON) with its secrets encrypted, to keep or to move."""
    try:
        config = json.load(file)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise click.UsageError(f"{file.name} is not a JSON object.")
    say(as_json(scout.encrypt_credentials(config)))


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option(
    "--grace-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="How long runs may go on when it is told to end; then they are handed back.",
)
@click.option(
    "--slice-minutes",
    type=click.FloatRange(0.01),
    default=1.0,
    show_default=True,
    help="How long a run keeps its lane while other owners wait for one.",
)
@click.option("--until-idle", is_flag=True, help="End when nothing is left to do.")
@idle_option
@with_scout
def worker(
    scout: Scout,
    *,
    concurrency: int,
    grace_seconds: float,
    slice_minutes: float,
    until_idle: bool,
    idle_hours: float,
) -> None:
    """Take runs from the queue and keep the schedule; any number, on any number of machines."""
    from scout_control.scheduler.worker import Options, work  # noqa: PLC0415 - takes a moment to load

    _log_to_stderr()
    told_by = work(
        scout.site,
        Options(
            concurrency=concurrency,
            grace_seconds=grace_seconds,
            slice_of_time=timedelta(minutes=slice_minutes),
            idle=timedelta(hours=idle_hours),
            until_idle=until_idle,
        ),
    )
    sys.exit(128 + told_by if told_by else 0)


@click.command()
@click.option("--work", "is_working", is_flag=True, help="Run what is queued, too, then end.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=2, show_default=True)
@idle_option
@with_scout
def tick(scout: Scout, *, is_working: bool, concurrency: int, idle_hours: float) -> None:
    """Do one round of upkeep, for cron: start what is due, renew tokens, expire, take over."""
    done = scout.tick(idle=timedelta(hours=idle_hours))
    if is_working:
        _log_to_stderr()
        told_by = scout.work(concurrency=concurrency, until_idle=True)
        if told_by:
            sys.exit(128 + told_by)
    said(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in done.items()), done)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str) -> None:
    """Print what makes SHELL complete scout's commands: eval "$(scout completion bash)"."""
    found = get_completion_class(shell)
    context = click.get_current_context().find_root()
    if found is not None:
        script = found(context.command, {}, "scout", "_SCOUT_COMPLETE").source()
        answer({"script": script}, lambda: click.echo(script))


def _log_to_stderr() -> None:
    log_to_stderr()
    for name in ("alembic", "procrastinate.blueprints", "procrastinate.worker.upkeep"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if wants_json():
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
