"""``scout demo``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console

from scout_control.cli.base import json_option, wants_json
from scout_control.cli.output import print_result
from scout_control.cli.project import make_default_folder
from scout_control.cli.terminal import say
from scout_control.demo import services, walkthrough
from scout_control.demo.display import Display
from scout_control.demo.sandbox import DEFAULT_SIZE, Size
from scout_control.installation.settings import Settings

if TYPE_CHECKING:
    from scout_control.api.scout import Scout


@click.command()
@click.option(
    "--source", type=click.Choice(list(walkthrough.SOURCES)), default="commcare", show_default=True
)
@click.option("--cases", type=click.IntRange(0), default=DEFAULT_SIZE.cases, show_default=True)
@click.option("--forms", type=click.IntRange(0), default=DEFAULT_SIZE.forms, show_default=True)
@click.option("--visits", type=click.IntRange(0), default=DEFAULT_SIZE.visits, show_default=True)
@click.option(
    "--fault",
    type=click.Choice(["429", "500", "kill"]),
    help="Inject HTTP errors, or SIGKILL.",
)
@click.option("--edit", is_flag=True, help="Change a few records in the sandbox first.")
@click.option("--keep-running", is_flag=True, help="Leave Postgres and the sandbox running.")
@click.option("--page", is_flag=True, help="Then serve the page on this data, until Ctrl+C.")
@click.option("--stop", is_flag=True, help="Only stop what was left running.")
@json_option
def demo(
    *,
    source: str,
    cases: int,
    forms: int,
    visits: int,
    fault: str | None,
    edit: bool,
    keep_running: bool,
    page: bool,
    stop: bool,
) -> None:
    """Load a local CommCare sandbox into Postgres.

    The whole chain, tap, target and dbt, runs on this machine, with an embedded Postgres.

    The second demo reads only what changed. Its data is an ordinary dataset of the installation
    in .scout, so that all other commands work on it.
    """
    if not stop:
        make_default_folder()
    settings = Settings.load()
    if stop:
        stopped = services.stop(settings.home)
        text = f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running."
        print_result({"stopped": stopped}, lambda: say(text))
        return
    options = walkthrough.Options(
        source=walkthrough.SOURCES[source],
        size=Size(cases=cases, forms=forms, visits=visits),
        fault=fault,
        edit=edit,
        keep_running=keep_running,
    )
    display = Display(Console(stderr=wants_json()))
    then = _serve if page else _nothing
    report = walkthrough.run(settings, options, display, then)
    if wants_json():
        print_result(asdict(report))


def _nothing(_scout: Scout) -> None:
    pass


def _serve(scout: Scout) -> None:
    """Serve the page to the first operator, beside a worker that executes what they start."""
    import contextlib
    import subprocess
    import sys

    from scout_control.api.sessions import FIRST_OPERATOR
    from scout_control.cli.serve import on_this_machine, until_stopped
    from scout_control.demo.dataset import PROJECT
    from scout_control.errors import ConflictError

    if scout.sessions.first_link() is not None:
        with contextlib.suppress(ConflictError):
            scout.members.add(PROJECT, FIRST_OPERATOR, role="admin")
    say("\nThe page shows this data, with a worker beside it. Ctrl+C ends both.", err=True)
    worker = subprocess.Popen([sys.executable, "-m", "scout_control", "worker"])
    try:
        with contextlib.suppress(KeyboardInterrupt):  # the way in which it is to end
            until_stopped(scout, on_this_machine(), person=FIRST_OPERATOR)
    finally:
        worker.terminate()
        worker.wait()
