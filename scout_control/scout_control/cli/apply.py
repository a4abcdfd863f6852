"""``scout apply`` and ``scout export``: connections, sources, projects and credentials as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import wants_json, with_scout
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import print_result
from scout_control.cli.terminal import say
from scout_control.cli.waiting import unless_repeated
from scout_control.rules.terminal import as_json, escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.api.desired_state.execution import Outcome
    from scout_control.api.desired_state.planning import Plan
    from scout_control.api.desired_state.service import Result
    from scout_control.api.scout import Scout
    from scout_control.meltano.reports import Wait


def _print_schema(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from scout_control.api.desired_state.schema import json_schema

        say(as_json(json_schema(), indent=2))
        ctx.exit()


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--plan", "is_plan", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--prune",
    is_flag=True,
    help="Also remove what the files do not describe, of the kinds that they describe.",
)
@yes_option
@click.option("--no-test", is_flag=True, help="Store credentials without testing them.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON schema of the files, and exit.",
)
@with_scout
def apply(
    scout: Scout,
    files: tuple[str, ...],
    *,
    is_plan: bool,
    prune: bool,
    yes: bool,
    no_test: bool,
) -> None:
    """Make connections, sources, projects, links and credentials as YAML files describe them.

    What is so already is left alone; FILE may be - for stdin. Secrets are references to variables,
    files or programs. An account that is new, or that its source has rejected, is tested there,
    once for all projects that share it, and not stored if that fails. Each change is listed:
    + added, ~ changed, - removed.
    """
    from scout_control.api.desired_state.service import Application

    application = Application(scout.installation, files, is_pruning=prune)
    plan = application.plan(is_warning=is_plan)
    if is_plan:
        print_result(plan.as_dict(), lambda: _say_plan(plan))
        return
    _confirm(plan, is_confirmed=yes)
    result = application.apply(plan, _report, None if no_test else _report_test, _wait_reports())
    _print_result(result)
    if not result.is_complete:
        sys.exit(1)


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=str),
    help="Write to this file, which must not exist yet, instead of stdout.",
)
@with_scout
def export(scout: Scout, out: str | None) -> None:
    """Print what there is as a YAML file that scout apply accepts.

    Secrets are left out: the file refers to environment variables in their place.
    """
    exported = scout.export()
    text = exported.as_yaml()
    if out is not None:
        _write(out, text)
    data = {"document": exported.document, "variables": list(exported.variables)}
    print_result(data, lambda: say(f"Written to {out}." if out else text.rstrip("\n")))


def _say_plan(plan: Plan) -> None:
    from scout_control.cli import plan_text

    for line in plan_text.lines(plan):
        say(escaped(line))


def _confirm(plan: Plan, *, is_confirmed: bool) -> None:
    """Ask before something is removed."""
    if plan.removals:
        confirm(
            f"Remove {counted(len(plan.removals), 'object')}, with all data?",
            is_confirmed=is_confirmed,
            show=lambda: _say_plan(plan),
            remedy="Look at them with --plan, then confirm with --yes.",
        )


def _report(outcome: Outcome) -> None:
    from scout_control.cli import plan_text

    if not wants_json() and not outcome.is_repetition:
        say(plan_text.outcome(outcome))


def _report_test(number: int) -> None:
    if not wants_json():
        say(f"Testing {counted(number, 'account')} at the source.", err=True)


def _wait_reports() -> Callable[[str, Wait], None]:
    """Return what tells why the tests take long."""
    is_silent = wants_json()  # now: threads do not know the command
    tell = unless_repeated(lambda text: None if is_silent else say(text, err=True))
    return lambda source, wait: tell(f"{source}: {wait.reason}")


def _print_result(result: Result) -> None:
    def show() -> None:
        if not result.outcomes:
            _say_plan(result.plan)
            return
        for note in result.plan.notes:
            say(escaped(note))
        total, failed = len(result.outcomes), len(result.failures)
        done = total - sum(each.status != "done" for each in result.outcomes)
        text = f"Done: {done} of {counted(total, 'change')}."
        say(text if not failed else f"{text} Failed: {failed}. Correct it, then apply again.")

    print_result(result.as_dict(), show)


def _write(out: str, text: str) -> None:
    with Path(out).open("x", encoding="utf-8") as file:
        file.write(text)
