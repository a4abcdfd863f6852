"""``scout models``, ``scout describe`` and ``scout docs``: a dataset's tables and their meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import LazyGroup, json_option, with_scout
from scout_control.cli.output import print_done, print_record, print_result, print_table
from scout_control.cli.terminal import say
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

TABLE = ("table", "kind", "rows", "columns", "updated_at", "description")
COLUMN = ("name", "type", "is_nullable", "is_key", "refers_to", "unreadable", "description")


@click.group(cls=LazyGroup)
def models() -> None:
    """Manage the dbt models generated for datasets.

    One per case type, form and repeat group.
    """


@models.command()
@click.option("--dataset", required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="dbt_packages")
@with_scout
def generate(scout: Scout, *, dataset: str, out: Path) -> None:
    """Write the generated models of a dataset as a dbt package, as its runs do themselves."""
    names = scout.models.generate(dataset, out)
    data = {"folder": str(out), "models": names}
    print_result(data, lambda: print_done(f"{counted(len(names), 'model')} in {out}."))


@click.command()
@click.argument("dataset")
@click.argument("name", required=False)
@click.option(
    "--table", metavar="NAME", help="Describe the columns of this table; the same as NAME."
)
@click.option("--tables", "is_short", is_flag=True, help="Only names and comments of the tables.")
@with_scout
def describe(
    scout: Scout,
    dataset: str,
    name: str | None,
    *,
    table: str | None = None,
    is_short: bool = False,
) -> None:
    """Describe the tables of DATASET.

    With NAME, describe the columns of that table.
    """
    name = name or table
    if name is not None and is_short:
        raise click.UsageError("Give either --tables, or the name of one table.")
    found = scout.models.describe(dataset, table=name)
    if is_short:
        short = [{"table": t["table"], "description": t["description"]} for t in found["tables"]]
        print_result(
            {"dataset": found["dataset"], "tables": short},
            lambda: print_table(short, ("table", "description"), "There are no tables."),
        )
        return
    if name is not None:
        columns = found["tables"][0]["columns"]
        print_result(found, lambda: print_table(columns, COLUMN, "It has no columns."))
        return
    rows = [{**each, "columns": len(each["columns"])} for each in found["tables"]]
    print_result(found, lambda: _print_tables(found, rows))


def _print_tables(found: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    print_table(rows, TABLE, "There are no tables.")
    if found["alias"]:
        say(
            f"\nWhat is to be read is in the schema {found['alias']}; all of it, also the streams "
            f"as loaded, in {found['schema']}."
        )


@models.command("list")
@click.argument("dataset")
@json_option
@click.pass_context
def list_models(ctx: click.Context, dataset: str) -> None:
    """List the tables of DATASET; the same as: scout describe DATASET."""
    ctx.invoke(describe, dataset=dataset, name=None)


@models.command()
@click.argument("dataset")
@click.argument("name")
@json_option
@click.pass_context
def show(ctx: click.Context, dataset: str, name: str) -> None:
    """Describe the table NAME of DATASET; the same as: scout describe DATASET NAME."""
    ctx.invoke(describe, dataset=dataset, name=name)


@click.command()
@click.argument("dataset")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="docs.html")
@with_scout
def docs(scout: Scout, dataset: str, out: Path) -> None:
    """Write the models' documentation as one page."""
    page = str(scout.models.document(dataset, out))
    print_result({"page": page}, lambda: print_record({"page": page}))
