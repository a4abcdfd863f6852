"""``scout datasets``, and what readers need: query, touch, search-path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import Commands, wants_json, with_scout
from scout_control.cli.output import answer, facts, in_short, said, table
from scout_control.cli.terminal import say
from scout_control.rules.json_values import to_json_value
from scout_control.rules.terminal import harmless

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

DATASET = ("path", "schema", "status", "rows", "last_sync_at", "next_sync_at", "sync_error")


@click.group(cls=Commands)
def datasets() -> None:
    """Sources as tables, one dataset schema for each owner.

    A DATASET is named PROJECT/SOURCE, PROJECT/SOURCE/USER, or by its schema or id.
    """


@datasets.command("list")
@click.option("--project")
@click.option("--user")
@with_scout
def list_datasets(scout: Scout, *, project: str | None, user: str | None) -> None:
    """List datasets."""
    found = [each.as_dict() for each in scout.datasets.list(project=project, user=user)]
    answer(found, lambda: table(map(in_short, found), DATASET))


@datasets.command()
@click.argument("dataset")
@with_scout
def show(scout: Scout, dataset: str) -> None:
    """Show one dataset."""
    found = scout.datasets.show(dataset).as_dict()
    answer(found, lambda: facts(found))


@datasets.command()
@click.argument("source")
@click.option("--project", required=True)
@click.option("--user")
@with_scout
def ensure(scout: Scout, source: str, *, project: str, user: str | None) -> None:
    """Make the dataset of an owner if it is missing."""
    found = scout.datasets.ensure(project, source, user=user).as_dict()
    answer(found, lambda: facts(found))


@datasets.command()
@click.argument("dataset")
@with_scout
def describe(scout: Scout, dataset: str) -> None:
    """Show what discovery found at the source: streams, keys, columns."""
    found = scout.datasets.describe(dataset)
    streams = [
        {
            "stream": name,
            "key": each["key"],
            "columns": sorted(each["schema"].get("properties", {})),
        }
        for name, each in (found.get("streams") or {}).items()
    ]
    answer(found, lambda: table(streams, ("stream", "key", "columns"), "Not discovered yet."))


@datasets.command()
@click.argument("dataset")
@click.argument("roles", nargs=-1)
@with_scout
def share(scout: Scout, dataset: str, roles: tuple[str, ...]) -> None:
    """Let exactly these ROLES of the database read; no role: nobody."""
    found = scout.datasets.share(dataset, roles).as_dict()
    answer(found, lambda: facts(found))


@datasets.command()
@click.argument("dataset")
@with_scout
def pause(scout: Scout, dataset: str) -> None:
    """Leave a dataset out of the schedule."""
    scout.datasets.pause(dataset)
    said(f"{dataset} is paused.")


@datasets.command()
@click.argument("dataset")
@with_scout
def resume(scout: Scout, dataset: str) -> None:
    """Let a dataset into the schedule again."""
    scout.datasets.pause(dataset, is_paused=False)
    said(f"{dataset} is scheduled again.")


@datasets.command()
@click.argument("dataset")
@click.option("--force", is_flag=True, help="Drop what others built on it, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_scout
def drop(scout: Scout, dataset: str, *, force: bool, yes: bool) -> None:
    """Drop a dataset's data; its next run loads all of it again."""
    if not yes and wants_json():
        raise click.UsageError("Nobody can be asked here: give --yes.")
    if not yes:
        click.confirm(f"Drop the data of {harmless(dataset)}?", abort=True, err=True)
    scout.datasets.drop(dataset, force=force)
    said(f"Dropped the data of {dataset}.")


@click.command()
@click.argument("dataset")
@click.argument("statement")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=67_108_864,
    show_default=True,
    help="What the answer may weigh as text; it is cut before the row that is too much.",
)
@click.option("--timeout", type=click.FloatRange(0.1), default=30.0, show_default=True)
@with_scout
def query(
    scout: Scout, dataset: str, statement: str, *, limit: int, max_bytes: int, timeout: float
) -> None:
    """Ask DATASET a question in SQL, as a reader that sees nothing else."""
    found = scout.datasets.query(
        dataset, statement, max_rows=limit, max_bytes=max_bytes, timeout_seconds=timeout
    )
    rows = [[to_json_value(value) for value in row] for row in found.rows]
    data = {
        "columns": found.columns,
        "rows": rows,
        "truncated": found.is_truncated,
        "truncated_by": found.truncated_by,
    }

    def show_rows() -> None:
        places = [str(place) for place in range(len(found.columns))]  # names may repeat
        placed = [dict(zip(places, row, strict=True)) for row in found.rows]
        table(placed, places, "No rows.", titles=found.columns)
        if found.truncated_by == "rows":
            say(f"There are more than {limit} rows; see --limit.", err=True)
        if found.truncated_by == "bytes":
            say(
                f"The answer is larger than {max_bytes} bytes and was cut; see --max-bytes.",
                err=True,
            )

    answer(data, show_rows)


@click.command()
@click.argument("dataset")
@with_scout
def touch(scout: Scout, dataset: str) -> None:
    """Say that DATASET is in use: what nobody uses for a day expires."""
    found = scout.datasets.touch(dataset)
    said(f"{dataset} is in use.", {"last_activity_at": to_json_value(found.last_activity_at)})


@click.command("search-path")
@click.option("--project", required=True)
@click.option("--user")
@click.option("--ensure", is_flag=True, help="Queue runs for data that is missing or expired.")
@with_scout
def search_path(scout: Scout, *, project: str, user: str | None, ensure: bool) -> None:
    """Print the search path by which a project, or a user in it, reads."""
    found = scout.datasets.search_path(project, user=user)
    if ensure:
        for each in scout.datasets.list(project=project, user=user):
            if each.status in {"pending", "expired"}:
                scout.runs.queue(each.id)
    answer({"search_path": found}, lambda: say(found))
