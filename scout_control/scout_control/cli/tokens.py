"""``scout tokens``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, hidden_alias, wants_json, with_scout
from scout_control.cli.output import (
    format_cell,
    print_done,
    print_result,
    print_table,
)
from scout_control.cli.terminal import say
from scout_control.rules.access_tokens import DEFAULT_EXPIRY
from scout_control.rules.permissions import SCOPES
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

COLUMNS = ("id", "person", "name", "scope", "status", "expires_at", "last_used_at")


@click.group(cls=LazyGroup)
def tokens() -> None:
    """Manage tokens, with which programs act for a person."""


@tokens.command("list")
@click.option("--person", help="Only tokens of this person.")
@with_scout
def list_tokens(scout: Scout, *, person: str | None) -> None:
    """List tokens, the newest first. The tokens themselves are not stored."""
    rows = [each.as_dict() for each in scout.tokens.list(person=person)]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@tokens.command()
@click.option("--person", required=True, help="For whom programs act with it.")
@click.option("--name", default="", help="What it is for.")
@click.option(
    "--scope",
    type=click.Choice(list(SCOPES)),
    default="write",
    show_default=True,
    help="Only read, or do all that the person may do.",
)
@click.option(
    "--expires",
    default=DEFAULT_EXPIRY,
    show_default=True,
    metavar="PERIOD",
    help="How long it is accepted: 24h, 90d, 8w or never.",
)
@with_scout
def create(scout: Scout, *, person: str, name: str, scope: str, expires: str) -> None:
    """Make a token and print it, once.

    Only the token goes to standard output: TOKEN=$(scout tokens create --person ID).
    """
    made = scout.tokens.create(person, name=name, scope=scope, expires=expires)
    print_result(made.as_dict(), lambda: say(made.token))
    if not wants_json():
        until = (
            "until it is revoked"
            if made.expires_at is None
            else "until " + format_cell(made.as_dict()["expires_at"])
        )
        say(f"Keep it now: it is not shown again. It is accepted {until}.", err=True)
        say(f"To end it before: scout tokens revoke {made.id}", err=True)


tokens.add_command(hidden_alias(create), "add")


@tokens.command()
@click.argument("token_id", metavar="ID")
@with_scout
def revoke(scout: Scout, token_id: str) -> None:
    """End a token at once. ID is what scout tokens list shows, not the token."""
    revoked = scout.tokens.revoke(token_id)
    print_done(f"Revoked a token of {escaped(revoked.person)}.", revoked.as_dict())


tokens.add_command(hidden_alias(revoke), "remove")
