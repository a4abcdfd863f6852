"""``scout credentials``: connect, list, show, check and revoke. No command prints a secret."""

from __future__ import annotations

import sys
import webbrowser
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import (
    HOW_TO_GIVE_IT,
    LazyGroup,
    hidden_alias,
    prompt,
    read_secret,
    wants_json,
    with_scout,
)
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import print_done, print_record, print_result, print_table, suggest
from scout_control.cli.terminal import say
from scout_control.cli.waiting import waiting
from scout_control.rules.credential_kinds import ANY_SETTINGS, FIELDS_BY_KIND, NO_CREDENTIAL, OAUTH
from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scout_control.api.scout import Scout
    from scout_control.api.views import Credential
    from scout_control.meltano.project import SourceType
    from scout_control.meltano.reports import Wait

COLUMNS = (
    "source", "project", "user", "kind", "status", "account", "token_expires_at", "last_error",
)  # fmt: skip
BROWSER_TIMEOUT_SECONDS = 300
WITH_PAGE = ("api_key", "token")
"""Kinds of credentials that a page of the source shows."""
owner_options = (
    click.option("--project", help="The project that owns the credential."),
    click.option("--user", help="The user who owns the credential."),
)


@click.group(cls=LazyGroup)
def credentials() -> None:
    """Manage credentials of projects and users at sources. Secrets are never shown."""


@credentials.command("list")
@owner_options[0]
@owner_options[1]
@with_scout
def list_credentials(scout: Scout, *, project: str | None, user: str | None) -> None:
    """List credentials and their status."""
    rows = [each.as_dict() for each in scout.credentials.list(project=project, user=user)]
    print_result(rows, lambda: print_table(rows, COLUMNS))


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@with_scout
def show(scout: Scout, source: str, *, project: str | None, user: str | None) -> None:
    """Show a credential and its status, without its secrets and without a request."""
    _print(scout.credentials.show(source, project=project, user=user))


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@click.option(
    "--kind",
    type=click.Choice(sorted(FIELDS_BY_KIND)),
    help="The kind of credential; defaults to the preferred kind of the source.",
)
@click.option("--username", help="Username for API-key or password authentication.")
@click.option(
    "--secret",
    "names",
    multiple=True,
    metavar="SETTING",
    help="With --kind settings: a secret setting of the tap; repeatable; defaults to all.",
)
@click.option("--from-env", metavar="VARIABLE", help="Read the secret from this variable.")
@click.option("--from-stdin", is_flag=True, help="Read secrets from stdin, one per line.")
@click.option(
    "--no-browser",
    is_flag=True,
    help="OAuth: print the authorization URL, and read the redirect URL from stdin.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="OAuth: the loopback port of the redirect URI; a free one by default.",
)
@click.option("--no-test", is_flag=True, help="Store it without a test at the source.")
@click.option("--scopes", help="OAuth: scopes to request instead of the defaults of the source.")
@with_scout
def connect(
    scout: Scout,
    source: str,
    *,
    project: str | None,
    user: str | None,
    kind: str | None,
    **options: Any,
) -> None:
    """Connect an account of SOURCE by OAuth, API key, password or token.

    Secrets are tested at the source before they are stored.

    Where to get them, SERVER being the base URL of the source: API keys of CommCare HQ at
    SERVER/account/api_keys/ (Account settings > API keys), OAuth clients of CommCare Connect at
    SERVER/o/applications/register/. See docs/guides/accounts.md.
    """
    if (project is None) == (user is None):
        raise click.UsageError("Give either --project or --user.")
    owner = {"project": project, "user": user}
    kind = kind or _default_kind(scout, source, options)
    if kind == OAUTH and not (options["from_env"] or options["from_stdin"]):
        credential = authorize_in_browser(scout, source, owner, options)
    else:
        if kind == ANY_SETTINGS and not options["names"]:
            options["names"] = scout.credentials.source_type(source).sensitive
        if kind in WITH_PAGE and not (options["from_env"] or options["from_stdin"]):
            address = scout.sources.show(source).base_url
            tell_account_page(scout.credentials.source_type(source), address)
        fields = _read_fields(kind, options)
        is_tested = not options["no_test"] and kind != NO_CREDENTIAL
        with _testing(source, is_silent=not is_tested) as tell:
            credential = scout.credentials.save(
                source, kind, fields, **owner, test=is_tested, on_wait=tell
            )
    _print(credential)
    _suggest_run(scout, credential)


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@with_scout
def check(scout: Scout, source: str, *, project: str | None, user: str | None) -> None:
    """Test a credential at its source. Exits with code 77 if the source rejects it."""
    with _testing(source) as tell:
        credential = scout.credentials.check(source, project=project, user=user, on_wait=tell)
    _print(credential)


@credentials.command()
@click.argument("source")
@owner_options[0]
@owner_options[1]
@yes_option
@with_scout
def revoke(scout: Scout, source: str, *, project: str | None, user: str | None, yes: bool) -> None:
    """Delete a credential, and revoke its OAuth token at the source."""
    owner = scout.credentials.show(source, project=project, user=user)
    whose = f"user {owner.user}" if owner.user else f"project {owner.project}"
    question = f"Delete the credential of the {escaped(whose)} for {escaped(source)}?"
    confirm(question, is_confirmed=yes, may_be_piped=True)
    is_revoked = scout.credentials.revoke(source, project=project, user=user)
    text = "Deleted; the source confirmed the revocation." if is_revoked else "Deleted."
    print_done(text, {"revoked_at_source": is_revoked})


credentials.add_command(hidden_alias(revoke), "remove")


@contextmanager
def _testing(source: str, *, is_silent: bool = False) -> Iterator[Callable[[Wait], None]]:
    """Show that a source is asked, and what it makes wait for."""
    if is_silent or wants_json():
        yield lambda _: None
        return
    with waiting(f"Testing it at {source}") as tell:
        yield lambda wait: tell(wait.reason)


def _print(credential: Credential) -> None:
    record = credential.as_dict()
    print_result(record, lambda: print_record(record))


def _suggest_run(scout: Scout, credential: Credential) -> None:
    paths = [
        each.path
        for each in scout.datasets.list(project=credential.project, user=credential.user)
        if (each.source, each.user) == (credential.source, credential.user)
    ]
    if paths:
        suggest(f"scout run {quote(paths[0])}")
    else:
        _suggest_dataset(scout, credential)


def _suggest_dataset(scout: Scout, credential: Credential) -> None:
    """Suggest how a dataset comes to be that this credential can read."""
    source = quote(credential.source)
    if credential.project:
        suggest(f"scout sources link {source} --project {quote(credential.project)} --mode project")
        return
    linked = [
        link.project
        for link in scout.sources.links(None)
        if link.source == credential.source and link.credential_mode == "user"
    ]
    if linked:
        user, project = quote(credential.user or ""), quote(linked[0])
        suggest(f"scout datasets ensure {source} --project {project} --user {user}")
    else:
        suggest(f"scout sources link {source} --project PROJECT --mode user")


def _default_kind(scout: Scout, source: str, options: dict[str, Any]) -> str:
    """Return the kind that the given options imply, else the preferred kind of the source."""
    kinds = scout.credentials.source_type(source).credential_kinds
    if options["names"]:
        return ANY_SETTINGS
    if options["username"] and "api_key" in kinds:
        return "api_key"
    kind = scout.credentials.default_kind(source)
    if OAUTH in kinds and kind != OAUTH and not wants_json():
        say(
            f"{escaped(source)} has no OAuth client id, so this connects by --kind {kind}. "
            f"For OAuth: scout sources update {quote(escaped(source))} --client-id ID",
            err=True,
        )
    return kind


def _read_fields(kind: str, options: dict[str, Any]) -> dict[str, str]:
    public, secrets = FIELDS_BY_KIND[kind]
    if kind == OAUTH:
        secrets = ("refresh_token",)
    is_given = options["from_env"] or options["from_stdin"]
    also = "" if is_given else f", and the secret with {HOW_TO_GIVE_IT}"
    fields = {
        name: options[name] or prompt(name.capitalize(), f"--{name}{also}") for name in public
    }
    for name in options["names"] or secrets:
        label = name.replace("_", " ").capitalize()
        fields[name] = read_secret(label, options["from_env"], from_stdin=options["from_stdin"])
    return fields


def tell_account_page(source_type: SourceType, base_url: str | None) -> None:
    """Tell people which page of the server shows what they need."""
    pages = source_type.account_pages(base_url)
    if pages and not wants_json():
        for what, address in pages.items():
            say(f"{what}: {escaped(address)}", err=True)


def authorize_in_browser(
    scout: Scout, source: str, owner: dict[str, Any], options: dict[str, Any]
) -> Credential:
    """Connect an account by OAuth, in the browser of this machine or of another."""
    from scout_control.credentials.loopback import callback_server

    with callback_server(options["port"]) as server:
        request = scout.credentials.authorization_request(
            source, server.redirect_uri, options["scopes"]
        )
        server.state = request.state
        say(f"Open this URL to connect {escaped(source)}:\n\n  {escaped(request.url)}\n", err=True)
        if options["no_browser"]:
            say("Paste the URL that the browser is redirected to:", err=True)
            redirect_url = sys.stdin.readline().strip()
        else:
            webbrowser.open(request.url)
            if not wants_json():
                say("Waiting for the browser...", err=True)
            redirect_url = server.wait(BROWSER_TIMEOUT_SECONDS)
    return scout.credentials.complete_authorization(source, request, redirect_url, **owner)
