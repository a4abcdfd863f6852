"""``scout audit`` and ``scout purge``: the audit trail, and removing all data of an owner."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import with_scout
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import format_cell, print_record, print_result, print_table
from scout_control.cli.terminal import say
from scout_control.meltano import trusted_files
from scout_control.rules.terminal import as_json, escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TextIO

    from scout_control.api.audit import Verification
    from scout_control.api.scout import Scout

FILE = click.Path(dir_okay=False, path_type=Path)
COLUMNS = ("position", "at", "actor", "action", "subject_kind", "of", "details")
TIME_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")


@click.command()
@click.option(
    "--since", type=click.DateTime(TIME_FORMATS), help="Events at or after this time, in UTC."
)
@click.option("--until", type=click.DateTime(TIME_FORMATS), help="Events before this time, in UTC.")
@click.option("--actor", help="Events by this actor.")
@click.option("--action", help="Events of this kind, such as connected, used, queried, refused.")
@click.option("--subject", help="Events about this subject, by id or name.")
@click.option(
    "--dataset", help="Events about this dataset: its schema, or its path while it exists."
)
@click.option("--project", help="Events about this project.")
@click.option("--user", help="Events about this user.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Show at most this many events.",
)
@click.option(
    "--verify", is_flag=True, help="Check that no event was changed, removed or inserted."
)
@click.option("--expect", metavar="HASH", help="With --verify: require a hash printed earlier.")
@with_scout
def audit(
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
    """Show the audit trail, latest first. --verify exits with code 1 if it was tampered with."""
    if expect is not None and not verify:
        raise click.UsageError("--expect requires --verify.")
    if verify:
        _print_verification(scout.audit.verify(expect=expect))
        return
    events = scout.audit.list(
        since=_as_utc(since),
        until=_as_utc(until),
        actor=actor,
        action=action,
        subject=subject,
        dataset=dataset,
        project=project,
        user=user,
        limit=limit,
    )
    rows = [each.as_dict() for each in events]
    print_result(rows, lambda: print_table([_with_subject(row) for row in rows], COLUMNS))


def _print_verification(verification: Verification) -> None:
    def show() -> None:
        if verification.is_whole:
            events = counted(verification.events, "event")
            say(f"Intact: {events}, the last at position {verification.last}.")
            say(f"Keep this hash elsewhere, for --expect: {verification.hash}")
        for flaw in verification.flaws:
            where = f"Position {flaw['position']}" if flaw["position"] else "The trail"
            say(f"{where}: {flaw['flaw']}.")

    print_result(verification.as_dict(), show)
    if not verification.is_whole:
        sys.exit(1)


def _with_subject(row: dict[str, object]) -> dict[str, object]:
    """Return an event with project, source, user and dataset in one column, to fit a terminal."""
    names = [row[name] for name in ("project", "source", "user", "dataset") if row[name]]
    return {**row, "of": " ".join(format_cell(name) for name in names) or row["subject"]}


def _as_utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=time.tzinfo or UTC) if time else None


@click.command()
@click.option("--user", help="Purge this user: their data in all projects.")
@click.option("--project", help="Purge this project, including its users' data in it.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@yes_option
@click.option("--receipt", type=FILE, help="Also write the receipt to this file.")
@click.option("--without-id", is_flag=True, help="Store only a digest of the id in the receipt.")
@click.option("--verify", "receipt_file", type=FILE, metavar="RECEIPT", help="Search for remains.")
@with_scout
def purge(
    scout: Scout,
    *,
    user: str | None,
    project: str | None,
    receipt_file: Path | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Remove everything that belongs to a user or project.

    This covers data, credentials, roles, state and log lines. Safe to repeat. Exits with code 1 if
    something could not be removed; the receipt names it.
    """
    if receipt_file is not None:
        _verify_purge(scout, receipt_file, user or project)
        return
    if (user is None) == (project is None):
        raise click.UsageError("Give either --user or --project.")
    owner = {"user": user, "project": project}
    if dry_run:
        plan = scout.purges.plan(**owner).as_dict()
        print_result(plan, lambda: print_record(plan))
        return
    _confirm(scout, owner, is_confirmed=options["yes"])
    _purge(scout, owner, options["receipt"], with_id=not options["without_id"])


def _confirm(scout: Scout, owner: dict[str, str | None], *, is_confirmed: bool) -> None:
    if is_confirmed:
        return
    plan = scout.purges.plan(**owner)
    confirm(
        f"Remove all of this permanently ({escaped(plan.owner)})?",
        is_confirmed=False,
        show=lambda: print_record(plan.as_dict()),
    )


def _purge(scout: Scout, owner: dict[str, str | None], path: Path | None, *, with_id: bool) -> None:
    with _receipt_file(path) as file:  # opened first: a receipt that cannot be written stops here
        receipt = scout.purges.execute(**owner, with_id=with_id, leave_out=[path] if path else [])
        text = as_json(receipt, indent=2)
        if file:
            file.truncate(0)  # only now: an earlier receipt stays until there is a new one
            file.write(f"{text}\n")
    print_result(receipt, lambda: say(text))
    if not receipt["is_complete"]:
        say("Some data was not removed (see not_removed and left). Purge again.", err=True)
        sys.exit(1)


def _receipt_file(path: Path | None) -> AbstractContextManager[TextIO | None]:
    return nullcontext() if path is None else trusted_files.private_file(path, append=True)


def _verify_purge(scout: Scout, path: Path, owner_id: str | None) -> None:
    try:
        receipt = json.loads(path.read_text())
    except ValueError:
        raise click.UsageError(f"{path} is not a receipt.") from None
    verification = scout.purges.verify(receipt, owner_id=owner_id, leave_out=[path])

    def show() -> None:
        if not verification.is_genuine:
            say("The receipt was changed after it was written.")
        print_table(verification.left, ("where", "found", "problem"), "Nothing is left.")

    print_result(verification.as_dict(), show)
    sys.exit(0 if verification.is_gone and verification.is_genuine else 1)
