"""``scout links``: which projects use which sources, and how."""

from __future__ import annotations

from functools import reduce
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.api import rule_changes
from scout_control.cli.base import (
    LazyGroup,
    config_option,
    parse_settings,
    unset_option,
    wants_json,
    with_scout,
)
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import print_done, print_record, print_result, print_table, suggest
from scout_control.cli.terminal import say
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules.terminal import escaped
from scout_control.rules.unlinked import drop_command, kept
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scout_control.api.rule_changes import RuleNote, Rules
    from scout_control.api.scout import Scout
    from scout_control.api.views import Dataset, Link

COLUMNS = ("project", "source", "credential_mode", "refresh_interval_hours", "sync_config")
PROJECT = click.option("--project", required=True, help="The project that uses the source.")
OPTIONS = (
    PROJECT,
    click.option(
        "--mode",
        type=click.Choice(["project", "user"]),
        help="Use one credential of the project, or each user's own. A new link has: user.",
    ),
    click.option(
        "--interval-hours",
        type=click.IntRange(1, 8784),
        help="Hours between scheduled runs. A new link has: 24.",
    ),
    config_option,
    click.option(
        "--stream",
        "streams",
        multiple=True,
        help="Select a stream; repeatable; replaces the selection. A new link has: all.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="STREAM.COLUMN",
        help="A column whose values must not arrive, or a path in it, as in "
        "cases.properties.*phone*; repeatable; replaces those of the stream.",
    ),
    click.option(
        "--hash",
        multiple=True,
        metavar="STREAM.COLUMN",
        help="The same, for values of which only a keyed hash may arrive.",
    ),
)


def link_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a link."""
    return reduce(lambda command, option: option(command), reversed(OPTIONS), function)


@click.group(cls=LazyGroup)
def links() -> None:
    """Manage links: which projects use which sources, and how.

    A link is named by its SOURCE and --project.
    """


@links.command("list")
@click.option("--project", help="Only links of this project.")
@click.option("--source", help="Only links to this source.")
@with_scout
def list_links(scout: Scout, *, project: str | None, source: str | None) -> None:
    """List which projects use which sources."""
    rows = [each.as_dict() for each in scout.links.list(project, source=source)]
    print_result(rows, lambda: print_table(rows, COLUMNS))
    for each in scout.links.unlinked(project, source=source):
        if not wants_json():
            command = drop_command(each.project, each.source)
            text = f"{each.source} was unlinked from {each.project}, its data is still there until"
            say(f"{text} it expires. To drop it now: {command}", err=True)


@links.command()
@click.argument("source")
@PROJECT
@with_scout
def show(scout: Scout, source: str, *, project: str) -> None:
    """Show how a project uses a source."""
    record = scout.links.show(project, source).as_dict()
    print_result(record, lambda: print_record(record))


@links.command()
@click.argument("source")
@link_options
@with_scout
def add(scout: Scout, source: str, *, project: str, **options: Any) -> None:
    """Let a project use a source."""
    finish(scout, scout.links.add(project, source, **link_fields(options)))


@links.command()
@click.argument("source")
@link_options
@unset_option
@with_scout
def update(
    scout: Scout, source: str, *, project: str, unset: tuple[str, ...], **options: Any
) -> None:
    """Change how a project uses a source; what is not named stays as it is."""
    before = rule_changes.read(scout.installation, source, project)
    link = scout.links.update(project, source, **link_fields(options), unset=unset)
    finish(scout, link, before)


@links.command()
@click.argument("source")
@PROJECT
@click.option("--drop", is_flag=True, help="Drop the data now instead of letting it expire.")
@yes_option
@with_scout
def remove(scout: Scout, source: str, *, project: str, drop: bool, yes: bool) -> None:
    """Detach a source from a project; only --drop asks first.

    Without --drop its data is no longer read, and remains until it expires: the command says how
    long, and how to drop it.
    """
    if drop:
        link = f"{escaped(project)} to {escaped(source)}"
        question = f"Remove the link of {link}, and drop its data?"
        confirm(question, is_confirmed=yes, may_be_piped=True)
    scout.links.remove(project, source, drop=drop)
    remaining = scout.links.remaining(project, source) if not drop else []
    text = f"Removed the link of {project} to {source}."
    if remaining:
        text = f"{text} {_remaining_text(remaining)}"
    print_done(text, {"remaining": [each.as_dict() for each in remaining]})


def _remaining_text(datasets: Sequence[Dataset]) -> str:
    """Return what data is left of a link, until when, and how to drop it now."""
    counts = [rows for each in datasets for rows in each.row_counts.values() if rows is not None]
    ends = [each.expires_at for each in datasets]
    last = None if None in ends else max(filter(None, ends))
    where = datasets[0].path if len(datasets) == 1 else counted(len(datasets), "dataset")
    command = drop_command(datasets[0].project, datasets[0].source)
    return (
        f"Its data remains, {counted(sum(counts), 'row')} in {where}, and is kept {kept(last)}. "
        f"To drop it now: {command}"
    )


def link_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``Links.add`` and ``update``; None for what is not named."""
    streams = {STREAMS_SETTING: list(options["streams"])} if options["streams"] else {}
    return {
        "mode": options["mode"],
        "interval_hours": options["interval_hours"],
        "config": parse_settings(options["config"]) | streams,
        **{name: _paths(name, options[name]) for name in ("exclude", "hash") if options[name]},
    }


def _paths(option: str, values: Iterable[str]) -> dict[str, list[str]]:
    """Return paths of columns by stream."""
    paths: dict[str, list[str]] = {}
    for value in values:
        stream, _, path = value.partition(".")
        if not stream or not path:
            raise click.UsageError(f"--{option}: {value!r} is not STREAM.COLUMN.")
        paths.setdefault(stream, []).append(path)
    return paths


def finish(scout: Scout, link: Link, before: Rules | None = None) -> None:
    """Print a link with the dataset of its project, created if missing, and what comes next.

    Args:
        scout: The installation.
        link: The link as it is now.
        before: The rules for columns before a change; None for a new link.
    """
    record = link.as_dict()
    found = [] if before is None else rule_notes(scout, link.source, before, link.project)
    for note in found:
        record |= {"earlier_rows": note.earlier_rows, "warnings": note.warnings}
    if link.credential_mode == "project":
        record["dataset"] = scout.datasets.ensure(link.project, link.source).path
    shown = {name: value for name, value in record.items() if name != "warnings"}
    print_result(record, lambda: print_record(shown))
    tell(found)
    if not record.get("earlier_rows"):
        _suggest_next(scout, record)


def rule_notes(
    scout: Scout, source: str, before: Rules, project: str | None = None
) -> list[RuleNote]:
    """Return what a change of rules for columns means for what is loaded."""
    after = rule_changes.read(scout.installation, source, project)
    return rule_changes.notes(scout.installation, before, after)


def tell(found: Iterable[RuleNote]) -> None:
    """Tell people what a change of rules for columns means for what is loaded."""
    for note in found:
        for text in () if wants_json() else note.warnings:
            say(f"Warning: {text}", err=True)
        for path in note.earlier_rows:
            if not wants_json():
                say(rule_changes.rows_text([path], note.effect), err=True)
            suggest(f"{rule_changes.reload_command(path)} (loads everything again)")


def _suggest_next(scout: Scout, link: dict[str, Any]) -> None:
    source, project = link["source"], link["project"]
    if "dataset" not in link:
        suggest(f"scout credentials connect {quote(source)} --user USER")
        return
    is_connected = source in {each.source for each in scout.credentials.list(project=project)}
    if is_connected or not scout.credentials.source_type(source).needs_credential:
        suggest(f"scout run {quote(link['dataset'])}")
    else:
        suggest(f"scout credentials connect {quote(source)} --project {quote(project)}")
