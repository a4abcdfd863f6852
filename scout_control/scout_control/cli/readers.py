"""``scout url`` and ``scout psql``: a dataset's reader, for tools that connect by themselves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from shlex import quote
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import report_postgres_errors, wants_json, with_scout
from scout_control.cli.output import format_cell, print_done, print_result
from scout_control.cli.terminal import say
from scout_control.errors import NotFoundError
from scout_control.rules.json_values import to_json_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.api.readers import ReaderUrl
    from scout_control.api.scout import Scout
    from scout_control.installation.settings import Settings
    from scout_control.rules.reader_urls import ReaderLogin

# Of this process: psql needs neither the secrets of control nor where else its user connects.
NOT_FOR_PSQL = ("SCOUT_", "PG", "MELTANO_")
SOCKET_ONLY = (
    "It is reached by a Unix socket, which psql and Python can use. Tools such as Metabase and "
    "Power BI need a host and a port"
)


@click.command()
@click.argument("dataset")
@click.option(
    "--new-password",
    is_flag=True,
    help="Replace the password, and end the sessions that used the former.",
)
@click.option(
    "--revoke", is_flag=True, help="Remove it and the logins of people; end their sessions."
)
@with_scout
def url(scout: Scout, dataset: str, *, new_password: bool, revoke: bool) -> None:
    """Print the URL with which a BI tool or notebook reads DATASET.

    It contains a password: do not pass it on as an argument of a program. Its role can read this
    dataset and nothing else. It is made on the first call, and stays until it is revoked or the
    data is dropped.
    """
    if revoke and new_password:
        raise click.UsageError("Give either --revoke or --new-password.")
    if revoke:
        was_there = scout.datasets.revoke_url(dataset)
        print_done(f"{dataset} has no login for tools{' any longer' if was_there else ''}.")
        return
    found = scout.datasets.url(dataset, new_password=new_password)
    is_embedded = scout.installation.settings.database_url is None
    print_result(found.as_dict(), lambda: _show(found, dataset, is_embedded=is_embedded))


def _show(found: ReaderUrl, dataset: str, *, is_embedded: bool) -> None:
    say(found.url)
    if sys.stdout.isatty():
        for line in about(found, dataset, is_embedded=is_embedded):
            say(line, err=True)


def about(found: ReaderUrl, dataset: str, *, is_embedded: bool) -> list[str]:
    """Return what people need to know about a URL, without its password."""
    until = "It stays until it is revoked"
    if found.expires_at:
        when = format_cell(to_json_value(found.expires_at))
        until = (
            f"It ends when the data is dropped: if it is not used until {when} "
            f"(or: scout datasets update {quote(dataset)} --keep forever)"
        )
    lines = [
        f"A login that reads {dataset} and nothing else. Tables: schema {found.schema}.",
        f"Host {found.host}, port {found.port}, database {found.database}, user {found.user}.",
        f"{until}; to revoke it: scout url {quote(dataset)} --revoke",
    ]
    if found.host.startswith("/"):
        how = ": scout init --listen 5433" if is_embedded else ": let the server listen on one."
        lines.append(f"{SOCKET_ONLY}{how}")
    return lines


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("dataset", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(dataset: str | None, arguments: tuple[str, ...]) -> None:
    """Open DATASET in psql, read-only.

    ARGUMENTS are those of psql, such as -c "select 1". Without DATASET, the demo's data is opened.

    What psql prints is no JSON, so --json is refused: use scout query for that.
    """
    if wants_json():
        raise click.UsageError("psql prints no JSON. Use: scout query DATASET STATEMENT --json")
    # What begins with a hyphen is an argument of psql.
    if dataset is not None and dataset.startswith("-"):
        arguments, dataset = (dataset, *arguments), None
    from scout_control.api.scout import Scout
    from scout_control.installation.settings import Settings

    settings = Settings.load()
    with ExitStack() as opened, report_postgres_errors():
        if dataset is None:
            settings, dataset = _demo(settings, opened)
        program = find_psql(dataset, is_embedded=settings.database_url is None)
        with Scout(settings) as scout:
            found = scout.datasets.reader(dataset)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to psql
        variables = environment(os.environ, found)
        done = subprocess.run([program, *arguments], env=variables, check=False)  # noqa: S603 - psql
    sys.exit(exit_code(done.returncode))


def exit_code(returncode: int) -> int:
    """Return the exit code of a child as a shell does: 128 and the number of its signal."""
    return returncode if returncode >= 0 else 128 - returncode


def environment(variables: Mapping[str, str], found: ReaderLogin) -> dict[str, str]:
    """Return the environment of psql: the only place where it finds the login."""
    kept = {name: value for name, value in variables.items() if not name.startswith(NOT_FOR_PSQL)}
    return {**kept, **found.environment, "PGAPPNAME": "scout psql"}


def find_psql(dataset: str, *, is_embedded: bool) -> str:
    """Return the path of psql.

    Raises:
        NotFoundError: It is not installed.
    """
    from scout_control.errors import ServerError
    from scout_control.installation import embedded_postgres

    bundled = None
    with suppress(ServerError):  # the extra is not installed
        bundled = str(embedded_postgres.psql())
    return choose_psql(shutil.which("psql"), bundled, dataset, is_embedded=is_embedded)


def choose_psql(
    installed: str | None, bundled: str | None, dataset: str, *, is_embedded: bool
) -> str:
    """Return the psql of the embedded server for that one, else the installed one.

    Raises:
        NotFoundError: It is not installed.
    """
    found = (bundled or installed) if is_embedded else (installed or bundled)
    if found is None:
        raise NotFoundError(
            "psql is not installed.",
            "Install it: sudo apt install postgresql-client, or: brew install libpq. "
            f"Without it: scout query {quote(dataset)} STATEMENT",
        )
    return found


def _demo(settings: Settings, opened: ExitStack) -> tuple[Settings, str]:
    """Return the installation and the dataset of the demo; its server runs meanwhile."""
    from scout_control.demo import services
    from scout_control.demo.demo_file import DemoFile

    schema = DemoFile.load(settings.home).schema
    if not schema:
        raise NotFoundError("There is no demo data yet.", "Run: scout demo")
    opened.enter_context(services.database(settings.home))
    return services.embedded(settings), schema
