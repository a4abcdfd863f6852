"""``scout connections``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, read_secret, unset_option, with_scout
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import print_done, print_record, print_result, print_table
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.api.views import Connection

COLUMNS = ("name", "host", "port", "database", "sslmode", "project_count", "description")
url_options = (
    click.option("--url-from-env", metavar="VARIABLE", help="Read the URL from this variable."),
    click.option("--url-from-stdin", is_flag=True, help="Read the URL from stdin."),
)

URL_OPTIONS = "--url-from-env VARIABLE or --url-from-stdin"


@click.group(cls=LazyGroup)
def connections() -> None:
    """Manage the databases that hold dataset schemas.

    A URL contains a password, so it is never given as an argument.
    """


@connections.command("list")
@with_scout
def list_connections(scout: Scout) -> None:
    """List all connections."""
    rows = [each.as_dict() for each in scout.connections.list()]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@connections.command("show")
@click.argument("name")
@with_scout
def show_connection(scout: Scout, name: str) -> None:
    """Show a connection, without its password."""
    _print(scout.connections.show(name))


@connections.command("add")
@click.argument("name")
@url_options[0]
@url_options[1]
@click.option("--description", default="", help="A note for people.")
@click.option("--no-test", is_flag=True, help="Do not test the connection first.")
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
    """Add a database; its URL is read from a hidden prompt, stdin or the environment.

    Parameters such as sslmode and sslrootcert are kept, others are refused. Files that the URL
    names must exist on each machine that executes runs.
    """
    url = read_secret("URL", url_from_env, from_stdin=url_from_stdin, options=URL_OPTIONS)
    _print(scout.connections.add(name, url, description=description, test=not no_test))


@connections.command("update")
@click.argument("name")
@click.option("--url", "new_url", is_flag=True, help="Prompt for a new URL.")
@url_options[0]
@url_options[1]
@click.option("--description", help="A note for people.")
@click.option("--no-test", is_flag=True, help="Do not test the connection first.")
@unset_option
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
    unset: tuple[str, ...],
) -> None:
    """Change a connection; what is not named stays as it is.

    What a new URL does not say of sslmode and other parameters stays; --unset NAME removes one.
    """
    url = None
    if new_url or url_from_env or url_from_stdin:
        url = read_secret("URL", url_from_env, from_stdin=url_from_stdin, options=URL_OPTIONS)
    _print(
        scout.connections.update(
            name, url=url, description=description, test=not no_test, unset=unset
        )
    )


@connections.command("test")
@click.argument("name")
@with_scout
def test_connection(scout: Scout, name: str) -> None:
    """Test a connection by logging in."""
    scout.connections.test(name)
    print_done(f"Logged in to {name}.")


@connections.command("remove")
@click.argument("name")
@yes_option
@with_scout
def remove_connection(scout: Scout, name: str, *, yes: bool) -> None:
    """Remove a connection that no project uses, with its stored login."""
    if not scout.connections.show(name).project_count:
        question = f"Remove the connection {escaped(name)} with its login?"
        confirm(question, is_confirmed=yes, may_be_piped=True)
    scout.connections.remove(name)
    print_done(f"Removed {name}.")


def _print(connection: Connection) -> None:
    record = connection.as_dict()
    print_result(record, lambda: print_record(record))
