"""``scout people``."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import LazyGroup, unset_option, with_scout
from scout_control.cli.output import print_done, print_record, print_result, print_table, suggest
from scout_control.rules.permissions import INSTALLATION_ROLES
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.api.people_views import Person
    from scout_control.api.scout import Scout

COLUMNS = ("id", "name", "email", "roles", "projects", "is_active")
OPTIONS = (
    click.option("--name", help="A name for people. A new person has: the ID."),
    click.option("--email", help="An e-mail address, which no other person may have."),
    click.option(
        "--role",
        "roles",
        multiple=True,
        type=click.Choice(list(INSTALLATION_ROLES)),
        help="What they may do in the whole installation; repeatable; replaces their roles.",
    ),
    click.option("--issuer", metavar="URL", help="The OpenID Connect provider of their sign-in."),
    click.option("--subject", help="What the provider calls them: the claim sub."),
)


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a person."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.group(cls=LazyGroup)
def people() -> None:
    """Manage the people who sign in.

    The ID of a person is the user id of their datasets and credentials (--user).
    """


@people.command("list")
@with_scout
def list_people(scout: Scout) -> None:
    """List all people."""
    rows = [each.as_dict() for each in scout.people.list()]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@people.command()
@click.argument("person", metavar="ID")
@with_scout
def show(scout: Scout, person: str) -> None:
    """Show a person."""
    _print(scout.people.show(person))


@people.command()
@click.argument("person", metavar="ID")
@_fields
@with_scout
def add(scout: Scout, person: str, **fields: Any) -> None:
    """Add a person, to whom the data of the user with this ID belongs."""
    added = scout.people.add(person, **fields)
    _print(added)
    if not added.projects:
        suggest(f"scout members add {quote(person)} --project ID (see: scout projects list)")


@people.command()
@click.argument("person", metavar="ID")
@_fields
@click.option(
    "--active/--inactive",
    "is_active",
    default=None,
    help="Whether they, and their tokens, are let in.",
)
@unset_option
@with_scout
def update(scout: Scout, person: str, *, roles: tuple[str, ...], **fields: Any) -> None:
    """Change a person; what is not named stays as it is.

    Another issuer or subject is another account: their sessions and tokens end.
    """
    _print(scout.people.update(person, roles=roles or None, **fields))


@people.command()
@click.argument("person", metavar="ID")
@with_scout
def remove(scout: Scout, person: str) -> None:
    """Remove a person without data, with their memberships and tokens.

    Someone who has data is purged (scout purge --user), or made inactive.
    """
    scout.people.remove(person)
    print_done(f"Removed {escaped(person)}.")


def _print(person: Person) -> None:
    record = person.as_dict()
    print_result(record, lambda: print_record(record))
