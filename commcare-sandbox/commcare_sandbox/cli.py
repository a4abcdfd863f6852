"""Command line: start the server, and control a running one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from commcare_sandbox.backend import SandboxBackend, create_backend
from commcare_sandbox.connect.context import PREFIX
from commcare_sandbox.connect.data.store import Sizes
from commcare_sandbox.faults import check
from commcare_sandbox.hq.control import apply_late
from commcare_sandbox.sandbox import Control, SandboxError
from commcare_sandbox.server import base_url, listen, serve
from commcare_sandbox.switches import SwitchError, Switches


class Commands(click.Group):
    """Command group that prints a SandboxError as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; exit with 1 on a SandboxError."""
        try:
            return super().invoke(ctx)
        except SandboxError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Commands)
@click.version_option(package_name="commcare-sandbox")
def main() -> None:
    """Run a CommCare HQ look-alike on loopback, and control it."""


def _switch_options(command: Callable[..., None]) -> Callable[..., None]:
    for switch in reversed(fields(Switches)):
        kind = bool if isinstance(switch.default, bool) else type(switch.default)
        command = click.option(
            f"--{switch.name.replace('_', '-')}",
            switch.name,
            type=kind,
            default=switch.default,
            show_default=switch.default not in ("", False),
            help=switch.metadata["help"],
        )(command)
    return command


_CONNECT_SIZES = {
    "opportunities": "Number of opportunities.",
    "visits": "Number of visits across all opportunities.",
    "visit_bytes": "Bytes of a visit's form; 0 for a small one.",
    "workers": "Workers per opportunity.",
    "areas": "Work areas per opportunity.",
}


def _connect_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, help_text in reversed(_CONNECT_SIZES.items()):
        command = click.option(
            f"--connect-{name.replace('_', '-')}",
            type=click.IntRange(0),
            default=getattr(Sizes, name),
            show_default=True,
            help=help_text,
        )(command)
    return command


@main.command(name="serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=8642, show_default=True, help="0 picks a free port.")
@click.option("--cases", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--forms", type=click.IntRange(0), default=400, show_default=True)
@click.option("--domains", type=click.IntRange(1, 100), default=1, help="How many domains.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same data.")
@click.option("--until-eof", is_flag=True, help="Also stop when standard input is closed.")
@_connect_options
@_switch_options
def serve_command(
    *,
    host: str,
    port: int,
    cases: int,
    forms: int,
    domains: int,
    seed: int,
    until_eof: bool,
    **switches: Any,
) -> None:
    """Serve until interrupted. Prints one line of JSON with the URL and credentials when ready."""
    sizes = Sizes(**{name: switches.pop(f"connect_{name}") for name in _CONNECT_SIZES})
    chosen = Switches()
    try:
        check(switches)
        chosen.set(switches)
        listening = listen(host, port)
    except (SwitchError, OSError) as error:
        raise click.UsageError(str(error)) from None
    backend = create_backend(seed, cases, forms, domains, chosen, sizes)
    backend.set_base_url(base_url(host, listening.getsockname()[1]))
    apply_late(backend.hq)
    info = _startup_info(backend)
    serve(backend, listening, lambda: click.echo(json.dumps(info)), until_eof=until_eof)


def _startup_info(backend: SandboxBackend) -> dict[str, Any]:
    hq, account = backend.hq, backend.hq.credentials.account
    return {
        "url": backend.base_url,
        "domain": hq.first_domain.name,
        "domains": list(hq.domains),
        "username": account.username,
        "password": account.password,
        "api_key": account.api_key,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "access_token": hq.credentials.first_access_token(backend.switches.access_token_seconds),
        "refresh_token": hq.credentials.refresh_token,
        "reports": hq.first_domain.tables.report_ids,
        "data_sources": hq.first_domain.tables.source_ids,
        "connect": _connect_info(backend),
    }


def _connect_info(backend: SandboxBackend) -> dict[str, Any]:
    credentials = backend.connect.credentials
    return {
        "url": backend.base_url + PREFIX,
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "access_token": credentials.access_token,
        "refresh_token": credentials.refresh_token,
    }


def _object(name: str, help_text: str) -> Any:
    try:
        return json.loads(help_text)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"--{name} is not JSON: {error}.") from None


def _add_action(action: str, help_text: str, *options: Any) -> None:
    def command(url: str, **body: Any) -> None:
        given = {name: value for name, value in body.items() if value is not None}
        for name in ("form", "properties"):
            if name in given:
                given[name] = _object(name, given[name])
        click.echo(json.dumps(Control(url).post(action, given)))

    for option in (*options, _DOMAIN, _URL):
        command = option(command)
    main.command(name=action, help=help_text)(command)


_URL = click.option("--url", required=True, help="URL of the sandbox.")
_DOMAIN = click.option("--domain", help="Domain; default: the first one.")
_COUNT = click.option("--count", type=int, help="How many, if no id is given.")
_FORM = click.option("--form-id", help="Form id; default: any.")
_CASE = click.option("--case-id", help="Case id; default: any.")

_add_action(
    "submit-form",
    "Submit forms and apply their case blocks.",
    click.option("--form", help="The form as JSON; default: a visit."),
    click.option("--xmlns", help="The form type."),
    _COUNT,
)
_add_action(
    "edit-form", "Edit forms.", click.option("--form", help="Answers as JSON."), _FORM, _COUNT
)
_add_action("archive-form", "Archive forms.", _FORM, _COUNT)
_add_action("delete-form", "Delete forms permanently.", _FORM, _COUNT)
_add_action(
    "edit-case",
    "Edit cases.",
    click.option("--properties", help="Properties as JSON."),
    click.option("--closed", type=bool, help="Close or reopen the case."),
    _CASE,
    _COUNT,
)
_add_action("delete-case", "Delete cases permanently.", _CASE, _COUNT)
_add_action("reindex", "Give every record a new indexed_on, all within one millisecond.")
_add_action("expire-access-tokens", "Expire every access token.")


@main.command(name="set")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@_URL
def set_command(changes: tuple[str, ...], url: str) -> None:
    """Change switches of a running sandbox."""
    pairs = (change.partition("=") for change in changes)
    body = {name.replace("-", "_"): value for name, _, value in pairs}
    click.echo(json.dumps(Control(url).post("set", body)["switches"]))


@main.command(name="requests")
@_URL
def requests_command(url: str) -> None:
    """Show the requests that a sandbox received."""
    click.echo(json.dumps(Control(url).get("requests")))
