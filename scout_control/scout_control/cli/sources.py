"""``scout sources``."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.api import rule_changes
from scout_control.cli.base import (
    LazyGroup,
    config_option,
    hidden_alias,
    parse_settings,
    read_secret,
    unset_option,
    wants_json,
    with_scout,
)
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.links import (
    finish,
    link_fields,
    link_options,
    list_links,
    remove,
    rule_notes,
    tell,
)
from scout_control.cli.output import print_done, print_record, print_result, print_table, suggest
from scout_control.cli.terminal import say
from scout_control.rules import lost_accounts
from scout_control.rules.credential_kinds import NEEDS_RECONNECT
from scout_control.rules.lost_accounts import Account
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.api.views import Source

SOURCE_COLUMNS = ("name", "source_type", "base_url", "config", "oauth_client_id")
client_options = (
    click.option("--client-id", help="The client id of the OAuth application registered there."),
    click.option(
        "--client-secret-from-env",
        metavar="VARIABLE",
        help="Read the client secret from this variable.",
    ),
    click.option(
        "--client-secret-from-stdin", is_flag=True, help="Read the client secret from stdin."
    ),
)


incomplete_option = click.option(
    "--allow-incomplete",
    is_flag=True,
    help="Leave required settings, such as the domain, to the links of the source.",
)


@click.group(cls=LazyGroup)
def sources() -> None:
    """Manage sources: what is read, and where it is."""


@sources.command()
@with_scout
def types(scout: Scout) -> None:
    """List source types: the extractors of meltano.yml."""
    rows = [
        {
            "source_type": each.name,
            "label": each.label,
            "logins": list(each.credential_kinds),
            "base_url": each.base_url,
            "settings": list(each.settings),
            "pipeline": each.job,
            "is_installed": scout.installation.plugins.is_installed(each.name),
        }
        for each in scout.sources.types()
    ]
    columns = ("source_type", "label", "logins", "pipeline", "is_installed")
    titles = ("source type", "label", "credentials", "pipeline", "installed")
    print_result(rows, lambda: print_table(rows, columns, titles=titles))


@sources.command("list")
@with_scout
def list_sources(scout: Scout) -> None:
    """List all sources."""
    rows = [each.as_dict() for each in scout.sources.list()]
    print_result(rows, lambda: print_table(rows, SOURCE_COLUMNS))


@sources.command()
@click.argument("name")
@with_scout
def show(scout: Scout, name: str) -> None:
    """Show a source, without its client secret."""
    _print(scout.sources.show(name))


@sources.command()
@click.argument("name")
@click.option("--type", "source_type", required=True, help="See: scout sources types")
@click.option("--base-url", help="The URL of the server; defaults to that of the source type.")
@config_option
@client_options[0]
@client_options[1]
@client_options[2]
@incomplete_option
@with_scout
def add(scout: Scout, name: str, *, source_type: str, **options: Any) -> None:
    """Add a source."""
    _print(scout.sources.add(name, source_type, **_source_fields(options)))
    suggest(f"scout links add {quote(name)} --project PROJECT --mode project")


@sources.command()
@click.argument("name")
@click.option("--base-url", help="The URL of the server.")
@config_option
@client_options[0]
@client_options[1]
@client_options[2]
@incomplete_option
@unset_option
@with_scout
def update(scout: Scout, name: str, *, unset: tuple[str, ...], **options: Any) -> None:
    """Change a source; what is not named stays as it is."""
    before, connected = rule_changes.read(scout.installation, name), _accounts(scout, name)
    _print(scout.sources.update(name, **_source_fields(options), unset=unset))
    tell(rule_notes(scout, name, before))
    _tell_of_lost_accounts(connected, _accounts(scout, name))


@sources.command("remove")
@click.argument("name")
@yes_option
@with_scout
def remove_source(scout: Scout, name: str, *, yes: bool) -> None:
    """Remove a source that no project uses, and revoke its credentials."""
    source = scout.sources.show(name)
    if not scout.links.list(source=source.name):
        count = sum(each.source == source.name for each in scout.credentials.list())
        question = f"Remove {escaped(name)} with {counted(count, 'credential')}?"
        confirm(question, is_confirmed=yes, may_be_piped=True)
    not_revoked = scout.sources.remove(name)
    text = f"Removed {name}."
    if not_revoked:
        text += (
            " The source did not confirm the revocation of these tokens; revoke them there: "
            + ", ".join(not_revoked)
            + "."
        )
    print_done(text, {"not_revoked": not_revoked})


@sources.command("link", hidden=True)
@click.argument("source")
@link_options
@with_scout
def link_source(scout: Scout, source: str, *, project: str, **options: Any) -> None:
    """Let a project use a source, or change how it does; what is not named stays as it is."""
    before = rule_changes.read(scout.installation, source, project)
    finish(scout, scout.links.ensure(project, source, **link_fields(options)), before)


sources.add_command(hidden_alias(list_links), "links")
sources.add_command(hidden_alias(remove), "unlink")


def _print(source: Source) -> None:
    record = source.as_dict()
    print_result(record, lambda: print_record(record))


def _accounts(scout: Scout, source: str) -> list[Account]:
    """Return the accounts of a source that are connected."""
    return [
        Account(
            source=each.source,
            owner="user" if each.user else "project",
            name=str(each.user or each.project),
            kind=each.kind,
        )
        for each in scout.credentials.list()
        if each.source == source and each.status != NEEDS_RECONNECT
    ]


def _tell_of_lost_accounts(before: list[Account], after: list[Account]) -> None:
    """Tell people which accounts must be connected again after a change of the address."""
    lost = [each for each in before if each not in after]
    if lost and not wants_json():
        say(lost_accounts.text(lost), err=True)
        suggest(lost[0].command)


def _source_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``Sources.add`` and ``update``."""
    variable = options["client_secret_from_env"]
    from_stdin = options["client_secret_from_stdin"]
    client_secret = None
    if variable or from_stdin:
        client_secret = read_secret("Client secret", variable, from_stdin=from_stdin)
    return {
        "base_url": options["base_url"],
        "config": parse_settings(options["config"]) if options["config"] else None,
        "client_id": options["client_id"],
        "client_secret": client_secret,
        "may_be_incomplete": options["allow_incomplete"],
    }
