"""The command ``scout``. Each subcommand's module is imported when it is first named."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, json_option
from scout_control.cli.summaries import SUMMARIES
from scout_control.meltano import parent_death

if TYPE_CHECKING:
    from types import FrameType

TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
COMMANDS = {
    name: f"scout_control.cli.{location}"
    for name, location in (
        ("quickstart", "quickstart:quickstart"),
        ("init", "admin:init"),
        ("apply", "apply:apply"),
        ("export", "apply:export"),
        ("project", "project:project"),
        ("connections", "connections:connections"),
        ("projects", "projects:projects"),
        ("sources", "sources:sources"),
        ("links", "links:links"),
        ("credentials", "credentials:credentials"),
        ("people", "people:people"),
        ("members", "members:members"),
        ("tokens", "tokens:tokens"),
        ("sessions", "sessions:sessions"),
        ("serve", "serve:serve"),
        ("mcp", "mcp:mcp"),
        ("datasets", "datasets:datasets"),
        ("models", "models:models"),
        ("describe", "models:describe"),
        ("docs", "models:docs"),
        ("run", "runs:run"),
        ("runs", "runs:runs"),
        ("status", "status:status"),
        ("query", "query:query"),
        ("touch", "datasets:touch"),
        ("search-path", "datasets:search_path"),
        ("doctor", "admin:doctor"),
        ("keys", "keys:keys"),
        ("audit", "audit:audit"),
        ("purge", "audit:purge"),
        ("worker", "admin:worker"),
        ("tick", "admin:tick"),
        ("pipelines", "admin:pipelines"),
        ("completion", "admin:completion"),
        ("demo", "demo:demo"),
        ("url", "readers:url"),
        ("psql", "readers:psql"),
    )
}


@click.group(cls=LazyGroup, lazy=COMMANDS, summaries=SUMMARIES)
@click.version_option(package_name="scout-control")
@json_option
def main() -> None:
    """Incremental sync of CommCare into your own Postgres.

    Manages credentials, schedules, runs and retention, with one schema per project or user.
    """
    parent_death.protect_memory()  # this process may hold the encryption keys
    for signum in TERMINATION_SIGNALS:
        signal.signal(signum, _exit_on_signal)


def _exit_on_signal(signum: int, _frame: FrameType | None) -> None:
    """Exit through the context managers, which end child processes.

    A second signal is ignored: it would interrupt that cleanup and leave processes behind.
    """
    for each in TERMINATION_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + signum)
