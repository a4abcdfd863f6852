"""``scout connections`` and ``scout projects``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import Commands, secret, with_scout
from scout_control.cli.output import advise, answer, facts, said, table

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

CONNECTION = ("name", "host", "port", "database", "sslmode", "project_count", "description")
PROJECT = ("id", "name", "connection", "db_schema")
url_options = (
    click.option("--url-from-env", metavar="VARIABLE", help="Read the URL from this variable."),
    click.option("--url-from-stdin", is_flag=True, help="Read the URL from stdin."),
)


@click.group(cls=Commands)
def connections() -> None:
    """Databases that dataset schemas live in; their URLs hold passwords, so argv never does."""


@connections.command("list")
@with_scout
def list_connections(scout: Scout) -> None:
    """List all connections."""
    found = [each.as_dict() for each in scout.connections.list()]
    answer(found, lambda: table(found, CONNECTION))


@connections.command("show")
@click.argument("name")
@with_scout
def show_connection(scout: Scout, name: str) -> None:
    """Show one connection, without its password."""
    found = scout.connections.show(name).as_dict()
    answer(found, lambda: facts(found))


@connections.command("add")
@click.argument("name")
@url_options[0]
@url_options[1]
@click.option("--description", default="")
@click.option("--no-test", is_flag=True, help="Do not try it first.")
@with_scout
def add_connection(
    scout: Scout,
    name: str,
    *,
    url_from_env: str | None,
    url_from_stdin: bool,
    description: str,
    no_test: bool,
) -> None:
    """Add a database by URL, from a hidden prompt, stdin or the environment."""
    url = secret("URL", url_from_env, from_stdin=url_from_stdin)
    found = scout.connections.add(name, url, description=description, test=not no_test).as_dict()
    answer(found, lambda: facts(found))


@connections.command("update")
@click.argument("name")
@click.option("--url", "new_url", is_flag=True, help="Change the URL: asked for, or by an option.")
@url_options[0]
@url_options[1]
@click.option("--description")
@click.option("--no-test", is_flag=True, help="Do not try it first.")
@with_scout
def update_connection(
    scout: Scout,
    name: str,
    *,
    new_url: bool,
    url_from_env: str | None,
    url_from_stdin: bool,
    description: str | None,
    no_test: bool,
) -> None:
    """Change a connection; what is not named stays."""
    url = None
    if new_url or url_from_env or url_from_stdin:
        url = secret("URL", url_from_env, from_stdin=url_from_stdin)
    changed = scout.connections.update(name, url=url, description=description, test=not no_test)
    found = changed.as_dict()
    answer(found, lambda: facts(found))


@connections.command("test")
@click.argument("name")
@with_scout
def test_connection(scout: Scout, name: str) -> None:
    """Try a connection."""
    scout.connections.test(name)
    said(f"{name} answers.")


@connections.command("remove")
@click.argument("name")
@with_scout
def remove_connection(scout: Scout, name: str) -> None:
    """Forget a connection that no project uses."""
    scout.connections.remove(name)
    said(f"Removed {name}.")


@click.group(cls=Commands)
def projects() -> None:
    """Groups that share data."""


@projects.command("list")
@with_scout
def list_projects(scout: Scout) -> None:
    """List all projects."""
    found = [each.as_dict() for each in scout.projects.list()]
    answer(found, lambda: table(found, PROJECT))


@projects.command("show")
@click.argument("id")
@with_scout
def show_project(scout: Scout, id: str) -> None:  # noqa: A002 - what callers call it
    """Show one project."""
    found = scout.projects.show(id).as_dict()
    answer(found, lambda: facts(found))


@projects.command("create")
@click.argument("id")
@click.option("--name", help="For people; the id when left out.")
@click.option("--connection", default="default", show_default=True)
@click.option("--schema", default="public", show_default=True, help="Schema of its own data.")
@with_scout
def create_project(
    scout: Scout,
    id: str,  # noqa: A002 - what callers call it
    *,
    name: str | None,
    connection: str,
    schema: str,
) -> None:
    """Create a project under your own ID for it."""
    made = scout.projects.create(id, name=name, connection=connection, db_schema=schema)
    found = made.as_dict()
    answer(found, lambda: facts(found))
    if not scout.sources.list():
        advise("scout sources add NAME --type TYPE; the types: scout sources types")


@projects.command("remove")
@click.argument("id")
@with_scout
def remove_project(scout: Scout, id: str) -> None:  # noqa: A002 - what callers call it
    """Forget a project that no source is linked to."""
    scout.projects.remove(id)
    said(f"Removed {id}.")
