"""``scout audit`` and ``scout purge``: who did what, and an owner's right to be forgotten."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import wants_json, with_scout
from scout_control.cli.output import answer, cell, facts, table
from scout_control.cli.terminal import say
from scout_control.meltano import trusted_files
from scout_control.rules.terminal import as_json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TextIO

    from scout_control.api.audit import Verdict
    from scout_control.api.scout import Scout

FILE = click.Path(dir_okay=False, path_type=Path)
EVENT = ("position", "at", "actor", "action", "subject_kind", "of", "details")
MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")


@click.command()
@click.option("--since", type=click.DateTime(MOMENTS), help="Not before this moment, in UTC.")
@click.option("--until", type=click.DateTime(MOMENTS), help="Before this moment, in UTC.")
@click.option("--actor", help="Who did it.")
@click.option("--action", help="What was done, as: connected, used, queried, refused.")
@click.option("--subject", help="To what: an id or a name.")
@click.option("--dataset", help="By its schema, or its path while it exists.")
@click.option("--project")
@click.option("--user")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--verify", is_flag=True, help="Check that nothing was changed, removed or put in.")
@click.option("--expect", metavar="HASH", help="With --verify: a hash that it printed earlier.")
@with_scout
def audit(  # noqa: PLR0913 - each is a filter
    scout: Scout,
    *,
    since: datetime | None,
    until: datetime | None,
    actor: str | None,
    action: str | None,
    subject: str | None,
    dataset: str | None,
    project: str | None,
    user: str | None,
    limit: int,
    verify: bool,
    expect: str | None,
) -> None:
    """Show who did what, the latest first; --verify: exit code 1 when the trail is not whole."""
    if expect is not None and not verify:
        raise click.UsageError("--expect goes with --verify.")
    if verify:
        _verify(scout.audit.verify(expect=expect))
        return
    found = scout.audit.list(
        since=_in_utc(since),
        until=_in_utc(until),
        actor=actor,
        action=action,
        subject=subject,
        dataset=dataset,
        project=project,
        user=user,
        limit=limit,
    )
    rows = [each.as_dict() for each in found]
    answer(rows, lambda: table([_in_short(row) for row in rows], EVENT))


def _verify(found: Verdict) -> None:
    def show() -> None:
        if found.is_whole:
            say(f"Whole: {found.events} events, the last at position {found.last}.")
            say(f"Keep this hash elsewhere, for --expect: {found.hash}")
        for flaw in found.flaws:
            where = f"Position {flaw['position']}" if flaw["position"] else "The trail"
            say(f"{where}: {flaw['flaw']}.")

    answer(found.as_dict(), show)
    if not found.is_whole:
        sys.exit(1)


def _in_short(row: dict[str, object]) -> dict[str, object]:
    """Return an event with whose it is in one column."""
    names = [row[name] for name in ("project", "source", "user", "dataset") if row[name]]
    return {**row, "of": " ".join(cell(name) for name in names) or row["subject"]}


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


@click.command()
@click.option("--user", help="The user to forget: their data in all projects.")
@click.option("--project", help="The project to forget, with the data of its users in it.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--receipt", type=FILE, help="Write the receipt there, too.")
@click.option("--without-id", is_flag=True, help="The receipt holds only a digest of the id.")
@click.option("--verify", "known", type=FILE, metavar="RECEIPT", help="Look for what is left.")
@with_scout
def purge(
    scout: Scout,
    *,
    user: str | None,
    project: str | None,
    known: Path | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Remove everything of a user or a project: data, logins, roles, state, logs, traces.

    It may be repeated. Exit code 1 when something could not be removed; the receipt names it.
    """
    if known is not None:
        _verify_purge(scout, known, user or project)
        return
    if (user is None) == (project is None):
        raise click.UsageError("Give either --user or --project.")
    owner = {"user": user, "project": project}
    if dry_run:
        plan = scout.erasure.plan(**owner).as_dict()
        answer(plan, lambda: facts(plan))
        return
    _confirm(scout, owner, is_sure=options["yes"])
    _purge(scout, owner, options["receipt"], with_id=not options["without_id"])


def _confirm(scout: Scout, owner: dict[str, str | None], *, is_sure: bool) -> None:
    if is_sure:
        return
    if wants_json() or not sys.stdin.isatty():
        raise click.UsageError("This needs a terminal to ask at: give --yes.")
    plan = scout.erasure.plan(**owner)
    facts(plan.as_dict())
    click.confirm(f"Remove all of that for good ({plan.owner})?", abort=True, err=True)


def _purge(scout: Scout, owner: dict[str, str | None], file: Path | None, *, with_id: bool) -> None:
    with _receipt(file) as opened:  # before anything is removed
        receipt = scout.erasure.purge(**owner, with_id=with_id, leave_out=[file] if file else [])
        told = as_json(receipt, indent=2)
        if opened:
            opened.truncate(0)  # what an earlier purge wrote stays until this one has an end
            opened.write(f"{told}\n")
    answer(receipt, lambda: say(told))
    if not receipt["is_complete"]:
        say("Not all could be removed (see not_removed and left). Purge again.", err=True)
        sys.exit(1)


def _receipt(file: Path | None) -> AbstractContextManager[TextIO | None]:
    return nullcontext() if file is None else trusted_files.private_file(file, append=True)


def _verify_purge(scout: Scout, file: Path, identity: str | None) -> None:
    try:
        receipt = json.loads(file.read_text())
    except ValueError:
        raise click.UsageError(f"{file} is no receipt.") from None
    found = scout.erasure.verify(receipt, id=identity, leave_out=[file])

    def show() -> None:
        if not found.is_genuine:
            say("The receipt is not as it was written.")
        table(found.left, ("where", "found", "problem"), "Nothing is left.")

    answer(found.as_dict(), show)
    sys.exit(0 if found.is_gone and found.is_genuine else 1)
