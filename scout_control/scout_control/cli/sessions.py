"""``scout sessions``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from scout_control.cli.base import LazyGroup, wants_json, with_scout
from scout_control.cli.output import print_done, print_result, print_table
from scout_control.cli.terminal import say
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

ELSEWHERE = "If yours is elsewhere, give its address: --url https://scout.example.org"
COLUMNS = ("id", "method", "scope", "created_at", "last_used_at", "expires_at")
person_argument = click.argument("person", metavar="PERSON")


@click.group(cls=LazyGroup)
def sessions() -> None:
    """Manage the browsers in which people are signed in."""


@sessions.command("list")
@person_argument
@with_scout
def list_sessions(scout: Scout, person: str) -> None:
    """List the browsers in which a person is signed in."""
    rows = [each.as_dict() for each in scout.sessions.list(person)]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@sessions.command()
@person_argument
@with_scout
def end(scout: Scout, person: str) -> None:
    """Sign a person out of all browsers; their tokens stay."""
    ended = scout.sessions.end(person)
    document = {"person": person, "ended": ended}
    print_done(f"Signed {escaped(person)} out of {counted(ended, 'browser')}.", document)


@sessions.command()
@person_argument
@click.option(
    "--url",
    default="http://127.0.0.1:8765",
    show_default=True,
    help="The address of scout serve.",
)
@with_scout
def link(scout: Scout, person: str, url: str) -> None:
    """Print a link that signs a person in, once, within 15 minutes."""
    made = scout.sessions.link(person)
    address = url.rstrip("/") + made.path
    print_result(made.as_dict() | {"url": address}, lambda: say(address))
    if not wants_json():
        say("Only this person must get it: who presses its button first is signed in.", err=True)
        if click.get_current_context().get_parameter_source("url") is ParameterSource.DEFAULT:
            say(f"The address is that of a server here on the default port. {ELSEWHERE}", err=True)
