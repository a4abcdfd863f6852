"""``scout members``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, with_scout
from scout_control.cli.output import print_done, print_record, print_result, print_table
from scout_control.rules.permissions import PROJECT_ROLES
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from scout_control.api.people_views import Member
    from scout_control.api.scout import Scout

COLUMNS = ("project", "person", "name", "role")
PROJECT = click.option("--project", required=True, help="The project.")
ROLES = click.Choice(list(PROJECT_ROLES))
HELP = "A member reads and loads what the project shares; an admin also manages it."


@click.group(cls=LazyGroup)
def members() -> None:
    """Manage members: which people belong to which projects.

    A membership is named by the PERSON and --project.
    """


@members.command("list")
@click.option("--project", help="Only members of this project.")
@click.option("--person", help="Only memberships of this person.")
@with_scout
def list_members(scout: Scout, *, project: str | None, person: str | None) -> None:
    """List which people belong to which projects."""
    rows = [each.as_dict() for each in scout.members.list(project, person=person)]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@members.command()
@click.argument("person")
@PROJECT
@with_scout
def show(scout: Scout, person: str, *, project: str) -> None:
    """Show what a person is in a project."""
    _print(scout.members.show(project, person))


@members.command()
@click.argument("person")
@PROJECT
@click.option("--role", type=ROLES, default="member", show_default=True, help=HELP)
@with_scout
def add(scout: Scout, person: str, *, project: str, role: str) -> None:
    """Make a person a member of a project."""
    _print(scout.members.add(project, person, role=role))


@members.command()
@click.argument("person")
@PROJECT
@click.option("--role", type=ROLES, required=True, help=HELP)
@with_scout
def update(scout: Scout, person: str, *, project: str, role: str) -> None:
    """Change the role of a member."""
    _print(scout.members.update(project, person, role=role))


@members.command()
@click.argument("person")
@PROJECT
@with_scout
def remove(scout: Scout, person: str, *, project: str) -> None:
    """End a membership.

    It also ends the person's consent that the project reads sources for them: that data is no
    longer refreshed, and expires. Their credentials stay.
    """
    scout.members.remove(project, person)
    print_done(f"{escaped(person)} is no longer a member of {escaped(project)}.")


def _print(member: Member) -> None:
    record = member.as_dict()
    print_result(record, lambda: print_record(record))
