"""The command ``scout`` and where its commands are; each is loaded when it is named."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from scout_control import leash
from scout_control.commands.frame import Commands, json_option

if TYPE_CHECKING:
    from types import FrameType

UNWIND = (signal.SIGTERM, signal.SIGHUP)
COMMANDS = {
    name: f"scout_control.commands.{place}"
    for name, place in (
        ("init", "operating:init"),
        ("connections", "owners:connections"),
        ("projects", "owners:projects"),
        ("sources", "sources:sources"),
        ("credentials", "logins:credentials"),
        ("datasets", "datasets:datasets"),
        ("models", "modelling:models"),
        ("describe", "modelling:describe"),
        ("docs", "modelling:docs"),
        ("run", "runs:run"),
        ("runs", "runs:runs"),
        ("status", "operating:status"),
        ("query", "datasets:query"),
        ("touch", "datasets:touch"),
        ("search-path", "datasets:search_path"),
        ("doctor", "operating:doctor"),
        ("keys", "operating:keys"),
        ("audit", "audit:audit"),
        ("purge", "audit:purge"),
        ("worker", "operating:worker"),
        ("tick", "operating:tick"),
        ("pipelines", "operating:pipelines"),
        ("completion", "operating:completion"),
        ("demo", "demo:demo"),
        ("psql", "demo:psql"),
    )
}


@click.group(cls=Commands, lazy=COMMANDS)
@click.version_option(package_name="scout-control")
@json_option
def main() -> None:
    """CommCare data in your own Postgres: who, when, with which login, into which schema."""
    leash.keep_private()  # it may hold the encryption keys
    for signum in UNWIND:
        signal.signal(signum, _terminated)


def _terminated(signum: int, _frame: FrameType | None) -> None:
    """Unwind, so that everything that was started is ended; asking twice does not disturb that."""
    for asked in UNWIND:
        signal.signal(asked, signal.SIG_IGN)
    raise SystemExit(128 + signum)
