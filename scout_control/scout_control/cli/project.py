"""``scout project``: the folder of the user's additions; and the option of ``scout init``."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import LazyGroup, json_option
from scout_control.cli.output import print_record, print_result, suggest
from scout_control.cli.terminal import say

if TYPE_CHECKING:
    from scout_control.installation.project_folder import Created, Plan


def make_default_folder() -> None:
    """Make the folder of this user if no other project is found."""
    from scout_control.installation import project_folder

    _tell(*project_folder.create_default())


def _make_folder(_context: click.Context, _option: click.Parameter, named: Path | None) -> None:
    """Make the folder before the installation in it is opened."""
    from scout_control.installation import project_folder, project_location

    if named is None:
        make_default_folder()
        return
    folder = named.absolute()
    _tell(folder, project_folder.create(folder))
    os.environ[project_location.VARIABLE] = str(folder)
    if not Path.cwd().is_relative_to(folder):
        suggest(f"cd {quote(str(named))}")


def _tell(folder: Path, created: Created) -> None:
    if created.written:
        say(f"Made the project folder {folder}.", err=True)
        if created.kept:
            say(f"Left as they are: {', '.join(created.kept)}.", err=True)


folder_option = click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    expose_value=False,
    callback=_make_folder,
    help="The folder for your additions, created if missing; files in it are never overwritten.",
)


@click.group(cls=LazyGroup)
def project() -> None:
    """Manage the project folder: meltano.yml and models that you add."""


@project.command()
@json_option
def show() -> None:
    """Show which folder is used, and the version that it was last upgraded to."""
    from scout_control.installation import project_folder
    from scout_control.installation.settings import Settings

    settings = Settings.load()
    described = project_folder.describe(settings.project_root)
    print_result(described, lambda: print_record(described))


@project.command()
@click.option("--plan", "is_plan", is_flag=True, help="Only show what would change.")
@json_option
def upgrade(*, is_plan: bool) -> None:
    """Bring the project folder to this version of scout.

    What you have changed or added stays; where both changed the same lines, yours stay.
    """
    from scout_control.installation import project_folder
    from scout_control.installation.settings import Settings

    plan = project_folder.plan(Settings.load().project_root)
    if not is_plan:
        project_folder.upgrade(plan)
    print_result(_as_dict(plan, is_done=not is_plan), lambda: _print(plan, is_done=not is_plan))


def _as_dict(plan: Plan, *, is_done: bool) -> dict[str, Any]:
    changes = [
        {"path": each.path, "change": each.kind, "diff": each.diff, "left_out": each.conflicts}
        for each in plan.changes
    ]
    return {
        "success": True,
        "folder": str(plan.folder),
        "from": plan.former_version,
        "to": plan.version,
        "is_done": is_done,
        "changes": changes,
    }


def _print(plan: Plan, *, is_done: bool) -> None:
    folder = plan.folder
    if plan.is_checkout:
        say(
            f"{folder} is a checkout: its taps and models are its own. There is nothing to do "
            "here; to upgrade it: git pull && make setup"
        )
        return
    if not plan.changes:
        say(f"{folder} is up to date with scout {plan.version}.")
        return
    for each in plan.changes:
        say(each.diff.rstrip("\n"))
        for lines in each.conflicts:
            say(f"Left out of {each.path}, since you have changed the same lines:")
            say(lines.rstrip("\n"))
    if is_done:
        say(f"{folder} is upgraded to scout {plan.version}.")
    else:
        suggest("scout project upgrade")
