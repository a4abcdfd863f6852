"""``scout demo``, and ``scout psql`` to look at what it made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click
from rich.console import Console

from scout_control.cli.terminal import say
from scout_control.demo import story, world
from scout_control.demo.display import display_for
from scout_control.demo.sandbox import Size
from scout_control.errors import NotFoundError
from scout_control.installation import embedded_postgres
from scout_control.installation.settings import Settings
from scout_control.rules.terminal import as_json as to_json


@click.command()
@click.option(
    "--source", type=click.Choice(list(story.SOURCES)), default="commcare", show_default=True
)
@click.option("--cases", type=click.IntRange(0), default=5000, show_default=True)
@click.option("--forms", type=click.IntRange(0), default=2000, show_default=True)
@click.option("--visits", type=click.IntRange(0), default=3000, show_default=True)
@click.option(
    "--fault", type=click.Choice(["429", "500", "kill"]), help="Plant a fault and see what happens."
)
@click.option(
    "--edit", is_flag=True, help="Change a handful of records in the sandbox before the run."
)
@click.option("--keep-running", is_flag=True, help="Leave Postgres and the sandbox running.")
@click.option("--stop", is_flag=True, help="End what was left running, and nothing else.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the facts as JSON; the rest to stderr."
)
def demo(
    *,
    source: str,
    cases: int,
    forms: int,
    visits: int,
    fault: str | None,
    edit: bool,
    keep_running: bool,
    stop: bool,
    as_json: bool,
) -> None:
    """Sandbox to tap to target to Postgres to dbt, on this machine; again: only what changed."""
    settings = Settings.load()
    if stop:
        stopped = world.stop(settings.home)
        say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.", err=as_json)
        return
    options = story.Options(
        source=story.SOURCES[source],
        size=Size(cases=cases, forms=forms, visits=visits),
        fault=fault,
        edit=edit,
        keep_running=keep_running,
    )
    facts = story.tell(settings, options, display_for(Console(stderr=as_json)))
    if as_json:
        say(to_json(facts))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Look at the demo's data with psql; ARGUMENTS are psql's own, such as -c "select 1"."""
    settings = Settings.load()
    schema = world.Memory.of(settings.home).schema
    if not schema:
        raise NotFoundError("There is no demo data yet.", "Run scout demo first.")
    with world.database(settings.home) as url:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to psql
        command = [str(embedded_postgres.psql()), *arguments, url]
        environment = os.environ | {"PGOPTIONS": f"--search_path={schema}"}
        environment.pop("PGPASSWORD", None)  # which would come before the file of the password
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - psql itself
    sys.exit(done.returncode)
