"""``scout sources``."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import LazyGroup, parse_settings, read_secret, with_scout
from scout_control.cli.output import print_done, print_record, print_result, print_table, suggest
from scout_control.meltano.project import STREAMS_SETTING

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.api.views import Source

SOURCE_COLUMNS = ("name", "source_type", "base_url", "config", "oauth_client_id")
LINK_COLUMNS = ("project", "source", "credential_mode", "refresh_interval_hours", "sync_config")
config_option = click.option(
    "--config",
    "-c",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the tap; lists and objects as JSON; repeatable.",
)
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


@click.group(cls=LazyGroup)
def sources() -> None:
    """Manage sources, and which projects use them."""


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
@with_scout
def add(scout: Scout, name: str, *, source_type: str, **options: Any) -> None:
    """Add a source."""
    _print(scout.sources.add(name, source_type, **_source_fields(options)))
    suggest(f"scout sources link {quote(name)} --project PROJECT --mode project")


@sources.command()
@click.argument("name")
@click.option("--base-url", help="The URL of the server.")
@config_option
@client_options[0]
@client_options[1]
@client_options[2]
@with_scout
def update(scout: Scout, name: str, **options: Any) -> None:
    """Change a source; options that are left out keep their values."""
    _print(scout.sources.update(name, **_source_fields(options)))


@sources.command()
@click.argument("name")
@with_scout
def remove(scout: Scout, name: str) -> None:
    """Remove a source that no project uses, and revoke its credentials."""
    not_revoked = scout.sources.remove(name)
    text = f"Removed {name}."
    if not_revoked:
        text += (
            " The source did not confirm the revocation of these tokens; revoke them there: "
            + ", ".join(not_revoked)
            + "."
        )
    print_done(text, {"not_revoked": not_revoked})


@sources.command()
@click.option("--project", help="Only links of this project.")
@with_scout
def links(scout: Scout, project: str | None) -> None:
    """List which projects use which sources."""
    rows = [each.as_dict() for each in scout.sources.links(project)]
    print_result(rows, lambda: print_table(rows, LINK_COLUMNS))


@sources.command()
@click.argument("source")
@click.option("--project", required=True, help="The project that will use the source.")
@click.option(
    "--mode",
    type=click.Choice(["project", "user"]),
    default="user",
    show_default=True,
    help="Use one credential of the project, or each user's own credential.",
)
@click.option(
    "--interval-hours",
    type=click.IntRange(1, 8784),
    default=24,
    show_default=True,
    help="Hours between scheduled runs.",
)
@config_option
@click.option(
    "--stream", "streams", multiple=True, help="Select a stream; repeatable; all by default."
)
@with_scout
def link(
    scout: Scout,
    source: str,
    *,
    project: str,
    mode: str,
    interval_hours: int,
    config: tuple[str, ...],
    streams: tuple[str, ...],
) -> None:
    """Let a project use a source, or change how it does."""
    settings = parse_settings(config) | ({STREAMS_SETTING: list(streams)} if streams else {})
    record = scout.sources.link(
        project, source, mode=mode, interval_hours=interval_hours, config=settings
    ).as_dict()
    if mode == "project":
        record["dataset"] = scout.datasets.ensure(project, source).path
    print_result(record, lambda: print_record(record))
    _suggest_next(scout, record)


@sources.command()
@click.argument("source")
@click.option("--project", required=True, help="The project that uses the source.")
@click.option("--drop", is_flag=True, help="Drop the data now instead of letting it expire.")
@with_scout
def unlink(scout: Scout, source: str, *, project: str, drop: bool) -> None:
    """Detach a source from a project."""
    scout.sources.unlink(project, source, drop=drop)
    print_done(f"Unlinked {source} from {project}.")


def _print(source: Source) -> None:
    record = source.as_dict()
    print_result(record, lambda: print_record(record))


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
    }
