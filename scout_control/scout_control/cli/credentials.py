"""``scout credentials``: connect, list, check, revoke. None of them ever prints a secret."""

from __future__ import annotations

import sys
import webbrowser
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import Commands, secret, wants_json, with_scout
from scout_control.cli.output import advise, answer, facts, said, table
from scout_control.cli.terminal import say
from scout_control.rules.credential_kinds import ANY_SETTINGS, FIELDS_BY_KIND, OAUTH
from scout_control.rules.terminal import harmless

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.api.views import Credential

CREDENTIAL = (
    "source", "project", "user", "kind", "status", "account", "token_expires_at", "last_error",
)  # fmt: skip
WAIT_SECONDS = 300
owner_options = (
    click.option("--project", help="The project whose login it is."),
    click.option("--user", help="The user whose login it is."),
)


@click.group(cls=Commands)
def credentials() -> None:
    """Logins of projects and users at sources. Write-only: none is ever shown."""


@credentials.command("list")
@owner_options[0]
@owner_options[1]
@with_scout
def list_credentials(scout: Scout, *, project: str | None, user: str | None) -> None:
    """List logins and how they stand."""
    found = [each.as_dict() for each in scout.credentials.list(project=project, user=user)]
    answer(found, lambda: table(found, CREDENTIAL))


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@click.option(
    "--kind", type=click.Choice(sorted(FIELDS_BY_KIND)), help="The source's best when left out."
)
@click.option("--username", help="For an API key or a password.")
@click.option(
    "--secret",
    "names",
    multiple=True,
    metavar="SETTING",
    help="For kind settings; all when left out.",
)
@click.option("--from-env", metavar="VARIABLE", help="Read the secret from this variable.")
@click.option("--from-stdin", is_flag=True, help="Read the secret from stdin, a line each.")
@click.option("--no-browser", is_flag=True, help="Print the address; paste what comes back.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="For the way back.")
@click.option("--scopes", help="Other than the source's own.")
@with_scout
def connect(
    scout: Scout,
    source: str,
    *,
    project: str | None,
    user: str | None,
    kind: str | None,
    **given: Any,
) -> None:
    """Connect an account: in a browser, or with a key, password or token."""
    if (project is None) == (user is None):
        raise click.UsageError("Give either --project or --user.")
    owner = {"project": project, "user": user}
    kind = kind or _best(scout, source, given)
    if kind == OAUTH and not (given["from_env"] or given["from_stdin"]):
        found = _by_browser(scout, source, owner, given)
    else:
        if kind == ANY_SETTINGS and not given["names"]:
            given["names"] = scout.credentials.source_type(source).sensitive
        found = scout.credentials.save(source, kind, _fields(kind, given), **owner)
    shown = found.as_dict()
    answer(shown, lambda: facts(shown))
    _advise_to_run(scout, found)


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@with_scout
def check(scout: Scout, source: str, *, project: str | None, user: str | None) -> None:
    """Try a login at its source; exit code 77 when it is refused."""
    found = scout.credentials.check(source, project=project, user=user).as_dict()
    answer(found, lambda: facts(found))


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@with_scout
def revoke(scout: Scout, source: str, *, project: str | None, user: str | None) -> None:
    """Forget a login, here and at the source."""
    is_confirmed = scout.credentials.revoke(source, project=project, user=user)
    where = "here and at the source" if is_confirmed else "here"
    said(f"Forgotten {where}.", {"revoked_at_source": is_confirmed})


def _advise_to_run(scout: Scout, login: Credential) -> None:
    mine = [
        each.path
        for each in scout.datasets.list(project=login.project, user=login.user)
        if (each.source, each.user) == (login.source, login.user)
    ]
    for path in mine[:1]:
        advise(f"scout run {quote(path)}")
    if not mine and login.user:
        user = quote(login.user)
        advise(f"scout datasets ensure {quote(login.source)} --project PROJECT --user {user}")


def _best(scout: Scout, source: str, given: dict[str, Any]) -> str:
    """Return the kind that fits what was given, else the first that the source takes."""
    logins = scout.credentials.source_type(source).credential_kinds
    if given["names"]:
        return ANY_SETTINGS
    if given["username"] and "api_key" in logins:
        return "api_key"
    return logins[0] if logins else "none"


def _fields(kind: str, given: dict[str, Any]) -> dict[str, str]:
    public, secrets = FIELDS_BY_KIND[kind]
    if kind == OAUTH:
        secrets = ("refresh_token",)
    fields = {name: given[name] or click.prompt(name.capitalize(), err=True) for name in public}
    for name in given["names"] or secrets:
        text = name.replace("_", " ").capitalize()
        fields[name] = secret(text, given["from_env"], from_stdin=given["from_stdin"])
    return fields


def _by_browser(
    scout: Scout, source: str, owner: dict[str, Any], way: dict[str, Any]
) -> Credential:
    from scout_control.credentials.loopback import listening  # noqa: PLC0415 - of this way only

    with listening(way["port"]) as callback:
        request = scout.credentials.ask(source, callback.redirect_uri, way["scopes"])
        callback.state = request.state
        say(
            f"Open this address to connect {harmless(source)}:\n\n  {harmless(request.url)}\n",
            err=True,
        )
        if way["no_browser"]:
            say("Paste the address that the browser ends at:", err=True)
            came_back = sys.stdin.readline().strip()
        else:
            webbrowser.open(request.url)
            if not wants_json():
                say("Waiting for the browser to come back...", err=True)
            came_back = callback.wait(WAIT_SECONDS)
    return scout.credentials.answer(source, request, came_back, **owner)
