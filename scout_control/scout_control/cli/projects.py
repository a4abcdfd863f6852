"""``scout projects``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, hidden_alias, unset_option, with_scout
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import print_done, print_record, print_result, print_table, suggest
from scout_control.cli.terminal import say
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.api.views import Project

COLUMNS = ("id", "name", "connection", "db_schema")


@click.group(cls=LazyGroup)
def projects() -> None:
    """Manage projects, the groups of people that share data."""


@projects.command("list")
@with_scout
def list_projects(scout: Scout) -> None:
    """List all projects."""
    rows = [each.as_dict() for each in scout.projects.list()]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@projects.command("show")
@click.argument("project_id", metavar="ID")
@with_scout
def show_project(scout: Scout, project_id: str) -> None:
    """Show a project."""
    _print(scout.projects.show(project_id))


@projects.command("create")
@click.argument("project_id", metavar="ID")
@click.option("--name", help="A name for people; defaults to the ID.")
@click.option(
    "--connection",
    default="default",
    show_default=True,
    help="The database that holds its dataset schemas.",
)
@click.option(
    "--schema",
    default="public",
    show_default=True,
    help="The schema of the project's own tables, first in its search path.",
)
@with_scout
def create_project(
    scout: Scout, project_id: str, *, name: str | None, connection: str, schema: str
) -> None:
    """Create a project. ID is the identifier that your own system uses for it."""
    _print(scout.projects.create(project_id, name=name, connection=connection, db_schema=schema))
    if not scout.sources.list():
        suggest("scout sources add NAME --type TYPE (for types: scout sources types)")


projects.add_command(hidden_alias(create_project), "add")


@projects.command("update")
@click.argument("project_id", metavar="ID")
@click.option("--name", help="A name for people.")
@click.option("--connection", help="The database that holds its dataset schemas.")
@click.option("--schema", help="The schema of the project's own tables.")
@unset_option
@with_scout
def update_project(
    scout: Scout,
    project_id: str,
    *,
    name: str | None,
    connection: str | None,
    schema: str | None,
    unset: tuple[str, ...],
) -> None:
    """Change a project; what is not named stays as it is.

    Its connection can only change while none of its datasets has data.
    """
    _print(
        scout.projects.update(
            project_id, name=name, connection=connection, db_schema=schema, unset=unset
        )
    )


@projects.command("remove")
@click.argument("project_id", metavar="ID")
@yes_option
@with_scout
def remove_project(scout: Scout, project_id: str, *, yes: bool) -> None:
    """Remove a project that has no linked sources, with its credentials.

    Credentials of other projects and of users stay. To remove its data too: scout purge --project.
    """
    belongings = scout.projects.belongings(project_id)
    if belongings.credentials and not belongings.links:
        names = ", ".join(map(escaped, belongings.credentials))
        which = counted(len(belongings.credentials), "credential")
        question = f"Remove {escaped(project_id)} with {which} ({names})?"
        confirm(question, is_confirmed=yes)
    not_revoked = scout.projects.remove(project_id, with_credentials=True)
    print_done(f"Removed {project_id}.", {"not_revoked": not_revoked})
    if not_revoked:
        say(f"Revoke these tokens at the source: {', '.join(map(escaped, not_revoked))}.", err=True)


def _print(project: Project) -> None:
    record = project.as_dict()
    print_result(record, lambda: print_record(record))
