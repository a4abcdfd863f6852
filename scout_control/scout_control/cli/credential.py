"""The verbs that ``scout credentials`` has in common with the other nouns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scout_control.cli.base import hidden_alias, with_scout
from scout_control.cli.credentials import credentials, owner_options, revoke
from scout_control.cli.output import print_record, print_result

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

credentials.add_command(hidden_alias(revoke), "remove")


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@with_scout
def show(scout: Scout, source: str, *, project: str | None, user: str | None) -> None:
    """Show a credential and its status, without its secrets and without a request."""
    record = scout.credentials.show(source, project=project, user=user).as_dict()
    print_result(record, lambda: print_record(record))
