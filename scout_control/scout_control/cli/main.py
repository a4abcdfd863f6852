"""The command ``scout`` and where its commands are; each is loaded when it is named."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import Commands, json_option
from scout_control.meltano import parent_death

if TYPE_CHECKING:
    from types import FrameType

UNWIND = (signal.SIGTERM, signal.SIGHUP)
COMMANDS = {
    name: f"scout_control.cli.{place}"
    for name, place in (
        ("init", "admin:init"),
        ("connections", "owners:connections"),
        ("projects", "owners:projects"),
        ("sources", "sources:sources"),
        ("credentials", "credentials:credentials"),
        ("datasets", "datasets:datasets"),
        ("models", "models:models"),
        ("describe", "models:describe"),
        ("docs", "models:docs"),
        ("run", "runs:run"),
        ("runs", "runs:runs"),
        ("status", "admin:status"),
        ("query", "datasets:query"),
        ("touch", "datasets:touch"),
        ("search-path", "datasets:search_path"),
        ("doctor", "admin:doctor"),
        ("keys", "admin:keys"),
        ("audit", "audit:audit"),
        ("purge", "audit:purge"),
        ("worker", "admin:worker"),
        ("tick", "admin:tick"),
        ("pipelines", "admin:pipelines"),
        ("completion", "admin:completion"),
        ("demo", "demo:demo"),
        ("psql", "demo:psql"),
    )
}


@click.group(cls=Commands, lazy=COMMANDS)
@click.version_option(package_name="scout-control")
@json_option
def main() -> None:
    """CommCare data in your own Postgres: who, when, with which login, into which schema."""
    parent_death.protect_memory()  # it may hold the encryption keys
    for signum in UNWIND:
        signal.signal(signum, _terminated)


def _terminated(signum: int, _frame: FrameType | None) -> None:
    """Unwind, so that everything that was started is ended; asking twice does not disturb that."""
    for asked in UNWIND:
        signal.signal(asked, signal.SIG_IGN)
    raise SystemExit(128 + signum)
