"""``scout mcp``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import with_scout
from scout_control.errors import SettingsError
from scout_control.rules.permissions import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.access.access import Access
    from scout_control.api.scout import Scout

TOKEN = "SCOUT_TOKEN"  # noqa: S105 - the name of a variable


@click.command()
@click.option("--person", metavar="ID", help="Act for this person.")
@click.option(
    "--scope",
    type=click.Choice(list(SCOPES)),
    default="write",
    show_default=True,
    help="With --person: only read, or do all that the person may do.",
)
@with_scout
def mcp(scout: Scout, *, person: str | None, scope: str) -> None:
    """Serve agents (MCP) on standard input and output, until the input ends.

    Who acts is named by --person, or by a token in the environment variable SCOUT_TOKEN. Over
    HTTP, scout serve answers agents at /mcp.
    """
    token = os.environ.get(TOKEN)
    if bool(person) == bool(token):
        raise SettingsError(
            f"Both --person and {TOKEN} are given."
            if person
            else "It is not known for whom to act.",
            f"Give one: --person ID (see: scout people list), or a token in {TOKEN}.",
        )
    identify = _by_token(scout, token) if token else _by_id(scout, person or "", scope)
    serve = server()
    identify()  # who may not act is told before a client waits for an answer
    if ended_by := serve(identify):
        sys.exit(128 + ended_by)


def server() -> Callable[[Callable[[], Access]], int | None]:
    """Return what serves.

    Raises:
        SettingsError: The package for it is not installed.
    """
    try:
        from scout_control.mcp.stdio import serve
    except ModuleNotFoundError as error:
        package = (error.name or "mcp").partition(".")[0]
        raise SettingsError(
            f"{package} is not installed.", "Install it: pip install 'scout-control[mcp]'"
        ) from None
    return serve


def _by_token(scout: Scout, token: str) -> Callable[[], Access]:
    """Return what identifies the person each time: a token may end meanwhile."""
    from scout_control.access.access import Access
    from scout_control.access.identity import authenticate

    return lambda: Access(scout, authenticate(scout.installation, token))


def _by_id(scout: Scout, person: str, scope: str) -> Callable[[], Access]:
    """Act for a person without a token: who has the shell owns the installation."""
    from scout_control.access.access import Access
    from scout_control.access.identity import Identity

    access = Access(scout, Identity(person=scout.people.show(person).id, scope=SCOPES[scope]))
    return lambda: access
