"""``scout sources``."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import Commands, secret, settings_of, with_scout
from scout_control.cli.output import advise, answer, facts, said, table

if TYPE_CHECKING:
    from scout_control.api.scout import Scout

SOURCE = ("name", "source_type", "base_url", "config", "oauth_client_id")
LINK = ("project", "source", "credential_mode", "refresh_interval_hours", "sync_config")
config_option = click.option(
    "--config", "-c", multiple=True, metavar="NAME=VALUE", help="A setting; JSON for lists."
)


@click.group(cls=Commands)
def sources() -> None:
    """Where data comes from, and which projects use it."""


@sources.command()
@with_scout
def types(scout: Scout) -> None:
    """List the source types: all extractors of meltano.yml."""
    found = [
        {
            "source_type": each.name,
            "label": each.label,
            "logins": list(each.credential_kinds),
            "base_url": each.base_url,
            "settings": list(each.settings),
            "pipeline": each.job,
        }
        for each in scout.sources.types()
    ]
    answer(found, lambda: table(found, ("source_type", "label", "logins", "pipeline")))


@sources.command("list")
@with_scout
def list_sources(scout: Scout) -> None:
    """List all sources."""
    found = [each.as_dict() for each in scout.sources.list()]
    answer(found, lambda: table(found, SOURCE))


@sources.command()
@click.argument("name")
@with_scout
def show(scout: Scout, name: str) -> None:
    """Show one source, without its client secret."""
    found = scout.sources.show(name).as_dict()
    answer(found, lambda: facts(found))


@sources.command()
@click.argument("name")
@click.option("--type", "source_type", required=True, help="See: scout sources types")
@click.option("--base-url", help="Of the server; the type's own when left out.")
@config_option
@click.option("--client-id", help="Of the OAuth application registered there.")
@click.option("--client-secret-from-env", metavar="VARIABLE")
@click.option("--client-secret-from-stdin", is_flag=True)
@with_scout
def add(scout: Scout, name: str, *, source_type: str, **options: Any) -> None:
    """Add a source."""
    found = scout.sources.add(name, source_type, **_facts(options)).as_dict()
    answer(found, lambda: facts(found))
    advise(f"scout sources link {quote(name)} --project PROJECT --mode project")


@sources.command()
@click.argument("name")
@click.option("--base-url")
@config_option
@click.option("--client-id")
@click.option("--client-secret-from-env", metavar="VARIABLE")
@click.option("--client-secret-from-stdin", is_flag=True)
@with_scout
def update(scout: Scout, name: str, **options: Any) -> None:
    """Change a source; what is not named stays."""
    found = scout.sources.update(name, **_facts(options)).as_dict()
    answer(found, lambda: facts(found))


@sources.command()
@click.argument("name")
@with_scout
def remove(scout: Scout, name: str) -> None:
    """Forget a source and its logins; no project may be linked to it."""
    left = scout.sources.remove(name)
    said(
        f"Removed {name}."
        + (f" Revoke at the source, which did not confirm: {', '.join(left)}." if left else ""),
        {"not_revoked": left},
    )


@sources.command()
@click.option("--project", help="Only of this project.")
@with_scout
def links(scout: Scout, project: str | None) -> None:
    """List which projects use which sources."""
    found = [each.as_dict() for each in scout.sources.links(project)]
    answer(found, lambda: table(found, LINK))


@sources.command()
@click.argument("source")
@click.option("--project", required=True)
@click.option(
    "--mode",
    type=click.Choice(["project", "user"]),
    default="user",
    show_default=True,
    help="Read with one login of the project, or each user with their own.",
)
@click.option("--interval-hours", type=click.IntRange(1, 8784), default=24, show_default=True)
@config_option
@click.option("--stream", "streams", multiple=True, help="Only these streams; all when left out.")
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
    """Let a project use a source."""
    told = settings_of(config) | ({"datasets": list(streams)} if streams else {})
    found = scout.sources.link(
        project, source, mode=mode, interval_hours=interval_hours, config=told
    ).as_dict()
    if mode == "project":
        found["dataset"] = scout.datasets.ensure(project, source).path
    answer(found, lambda: facts(found))
    _advise_to_connect(scout, found)


@sources.command()
@click.argument("source")
@click.option("--project", required=True)
@click.option("--drop", is_flag=True, help="Drop the data now; else it expires.")
@with_scout
def unlink(scout: Scout, source: str, *, project: str, drop: bool) -> None:
    """Let a project use a source no more."""
    scout.sources.unlink(project, source, drop=drop)
    said(f"Unlinked {source} from {project}.")


def _advise_to_connect(scout: Scout, link: dict[str, Any]) -> None:
    source, project = link["source"], link["project"]
    owner = f"--project {quote(project)}" if "dataset" in link else "--user USER"
    known = {each.source for each in scout.credentials.list(project=project)}
    if "dataset" in link and (
        source in known or not scout.credentials.source_type(source).needs_credential
    ):
        advise(f"scout run {quote(link['dataset'])}")
    else:
        advise(f"scout credentials connect {quote(source)} {owner}")


def _facts(options: dict[str, Any]) -> dict[str, Any]:
    """Return what a source is to be told; the client secret comes from anywhere but argv."""
    variable = options["client_secret_from_env"]
    from_stdin = options["client_secret_from_stdin"]
    client_secret = None
    if variable or from_stdin:
        client_secret = secret("Client secret", variable, from_stdin=from_stdin)
    return {
        "base_url": options["base_url"],
        "config": settings_of(options["config"]) if options["config"] else None,
        "client_id": options["client_id"],
        "client_secret": client_secret,
    }
