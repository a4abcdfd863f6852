"""``scout datasets``, and the commands for readers: ``touch``, ``search-path``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, hidden_alias, unset_option, with_scout
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import (
    dataset_row,
    format_cell,
    print_done,
    print_record,
    print_result,
    print_table,
)
from scout_control.cli.terminal import say
from scout_control.rules.json_values import to_json_value
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.api.views import Dataset

COLUMNS = (
    "path",
    "alias",
    "schema",
    "status",
    "rows",
    "last_sync_at",
    "next_sync_at",
    "sync_error",
)
WITHOUT_DATA = frozenset({"pending", "expired"})


@click.group(cls=LazyGroup)
def datasets() -> None:
    """Manage datasets.

    A dataset is one source for one owner, in one schema of Postgres. A DATASET is named
    PROJECT/SOURCE, PROJECT/SOURCE/USER, or by its alias, schema or id.
    """


@datasets.command("list")
@click.option("--project", help="Only datasets of this project.")
@click.option("--user", help="Only what this user sees: shared and own datasets.")
@with_scout
def list_datasets(scout: Scout, *, project: str | None, user: str | None) -> None:
    """List datasets."""
    rows = [each.as_dict() for each in scout.datasets.list(project=project, user=user)]
    print_result(rows, lambda: print_table(map(dataset_row, rows), COLUMNS))


@datasets.command()
@click.argument("dataset")
@with_scout
def show(scout: Scout, dataset: str) -> None:
    """Show a dataset."""
    _print(scout.datasets.show(dataset))


@datasets.command()
@click.argument("source")
@click.option("--project", required=True, help="The project that reads the source.")
@click.option("--user", help="The user whose credential is used, and who thereby consents.")
@with_scout
def ensure(scout: Scout, source: str, *, project: str, user: str | None) -> None:
    """Create the dataset of a project or user if it does not exist.

    With --user, this records the user's consent: the project may read SOURCE with their credential.
    """
    _print(scout.datasets.ensure(project, source, user=user))


@datasets.command()
@click.argument("dataset")
@with_scout
def describe(scout: Scout, dataset: str) -> None:
    """Show the discovered streams of the source, with keys and columns."""
    discovery = scout.datasets.describe(dataset)
    streams = [
        {
            "stream": name,
            "key": each["key"],
            "columns": sorted(each["schema"].get("properties", {})),
        }
        for name, each in (discovery.get("streams") or {}).items()
    ]
    columns = ("stream", "key", "columns")
    print_result(discovery, lambda: print_table(streams, columns, "Not discovered yet."))


@datasets.command()
@click.argument("dataset")
@click.argument("roles", nargs=-1)
@with_scout
def share(scout: Scout, dataset: str, roles: tuple[str, ...]) -> None:
    """Set which database ROLES may read a dataset; without ROLES, revoke access from all."""
    _print(scout.datasets.share(dataset, roles))


@datasets.command()
@click.argument("dataset")
@with_scout
def pause(scout: Scout, dataset: str) -> None:
    """Pause the schedule of a dataset."""
    scout.datasets.pause(dataset)
    print_done(f"The schedule of {dataset} is paused.")


@datasets.command()
@click.argument("dataset")
@with_scout
def resume(scout: Scout, dataset: str) -> None:
    """Resume the schedule of a dataset."""
    scout.datasets.pause(dataset, is_paused=False)
    print_done(f"{dataset} is scheduled again.")


@datasets.command()
@click.argument("dataset")
@click.option("--force", is_flag=True, help="Also drop objects outside that depend on it.")
@yes_option
@with_scout
def drop(scout: Scout, dataset: str, *, force: bool, yes: bool) -> None:
    """Drop the data of a dataset; its next run loads everything again."""
    question = f"Drop the data of {escaped(dataset)}?"
    confirm(question, is_confirmed=yes, may_be_piped=True)
    scout.datasets.drop(dataset, force=force)
    print_done(f"Dropped the data of {dataset}.")


datasets.add_command(hidden_alias(drop), "remove")


@datasets.command()
@click.argument("dataset")
@click.option(
    "--keep",
    metavar="PERIOD",
    help="How long its data is kept without use: 24h, 30d, forever, or default.",
)
@click.option("--paused/--not-paused", "is_paused", default=None, help="Pause or resume it.")
@click.option(
    "--reader",
    "readers",
    multiple=True,
    metavar="ROLE",
    help="A database role that may read it; repeatable; replaces all readers.",
)
@click.option(
    "--alias",
    metavar="NAME",
    help="The schema in which people find what is to be read, such as river_hq.",
)
@unset_option
@with_scout
def update(
    scout: Scout,
    dataset: str,
    *,
    keep: str | None,
    is_paused: bool | None,
    readers: tuple[str, ...],
    alias: str | None,
    unset: tuple[str, ...],
) -> None:
    """Change a dataset; what is not named stays as it is."""
    _print(
        scout.datasets.update(
            dataset,
            keep=keep,
            is_paused=is_paused,
            readers=readers or None,
            alias=alias,
            unset=unset,
        )
    )


@click.command()
@click.argument("dataset")
@with_scout
def touch(scout: Scout, dataset: str) -> None:
    """Mark DATASET as used so it does not expire.

    PostgreSQL 16 and later record reads themselves; this is for earlier servers.
    """
    touched = scout.datasets.touch(dataset)
    times = {
        name: to_json_value(getattr(touched, name)) for name in ("last_activity_at", "expires_at")
    }
    until = f", kept until {format_cell(times['expires_at'])}" if touched.expires_at else ""
    print_done(f"{dataset} is marked as used{until}.", times)


@click.command("search-path")
@click.option("--project", required=True, help="The project that reads.")
@click.option("--user", help="The user who reads, within the project.")
@click.option("--ensure", is_flag=True, help="Queue runs for data that is missing or expired.")
@with_scout
def search_path(scout: Scout, *, project: str, user: str | None, ensure: bool) -> None:
    """Print the search_path of a project, or of a user in it."""
    path = scout.datasets.search_path(project, user=user)
    if ensure:
        for dataset in scout.datasets.list(project=project, user=user):
            if dataset.status in WITHOUT_DATA:
                scout.runs.queue(dataset.id)
    print_result({"search_path": path}, lambda: say(path))


def _print(dataset: Dataset) -> None:
    record = dataset.as_dict()
    print_result(record, lambda: print_record(record))
