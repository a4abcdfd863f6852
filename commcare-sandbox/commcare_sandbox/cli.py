"""The command line: serve, and tell a sandbox that is serving what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from commcare_sandbox.connect.context import PREFIX
from commcare_sandbox.connect.data.store import Sizes
from commcare_sandbox.faults import check
from commcare_sandbox.hq.control import apply_late
from commcare_sandbox.sandbox import Control, SandboxError
from commcare_sandbox.server import listen, serve
from commcare_sandbox.state import SandboxState, create_state
from commcare_sandbox.switches import SwitchError, Switches


class Commands(click.Group):
    """Shows what went wrong as one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SandboxError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Commands)
@click.version_option(package_name="commcare-sandbox")
def main() -> None:
    """Serve a CommCare HQ look-alike on loopback, and steer it while it runs."""


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
    "opportunities": "How many opportunities Connect has.",
    "visits": "How many visits all opportunities have together.",
    "visit_bytes": "Size of a visit's form; 0 for small ones.",
    "workers": "How many workers an opportunity has.",
    "areas": "How many work areas an opportunity has.",
}


def _connect_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(_CONNECT_SIZES.items()):
        command = click.option(
            f"--connect-{name.replace('_', '-')}",
            type=click.IntRange(0),
            default=getattr(Sizes, name),
            show_default=True,
            help=text,
        )(command)
    return command


@main.command(name="serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=8642, show_default=True, help="0 chooses a free one.")
@click.option("--cases", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--forms", type=click.IntRange(0), default=400, show_default=True)
@click.option("--domains", type=click.IntRange(1, 100), default=1, help="How many domains.")
@click.option("--seed", default=1, show_default=True, help="Another seed, other data.")
@click.option("--until-eof", is_flag=True, help="End also when standard input is closed.")
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
    """Serve until interrupted; the first line of output is JSON with the address and logins."""
    sizes = Sizes(**{name: switches.pop(f"connect_{name}") for name in _CONNECT_SIZES})
    chosen = Switches()
    try:
        check(switches)
        chosen.set(switches)
        listening = listen(host, port)
    except (SwitchError, OSError) as error:
        raise click.UsageError(str(error)) from None
    state = create_state(seed, cases, forms, domains, chosen, sizes)
    state.set_base_url(f"http://{host}:{listening.getsockname()[1]}")
    apply_late(state.hq)
    facts = _facts(state)
    serve(state, listening, lambda: click.echo(json.dumps(facts)), until_eof=until_eof)


def _facts(state: SandboxState) -> dict[str, Any]:
    hq, account = state.hq, state.hq.logins.account
    return {
        "url": state.base_url,
        "domain": hq.first_domain.name,
        "domains": list(hq.domains),
        "username": account.username,
        "password": account.password,
        "api_key": account.api_key,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "access_token": hq.logins.first_access_token(state.switches.access_token_seconds),
        "refresh_token": hq.logins.refresh_token,
        "reports": hq.first_domain.tables.report_ids,
        "data_sources": hq.first_domain.tables.source_ids,
        "connect": _connect_facts(state),
    }


def _connect_facts(state: SandboxState) -> dict[str, Any]:
    logins = state.connect.logins
    return {
        "url": state.base_url + PREFIX,
        "client_id": logins.client_id,
        "client_secret": logins.client_secret,
        "access_token": logins.access_token,
        "refresh_token": logins.refresh_token,
    }


def _object(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"--{name} is not JSON: {error}.") from None


def _tell(action: str, text: str, *options: Any) -> None:
    def command(url: str, **body: Any) -> None:
        given = {name: value for name, value in body.items() if value is not None}
        for name in ("form", "properties"):
            if name in given:
                given[name] = _object(name, given[name])
        click.echo(json.dumps(Control(url).post(action, given)))

    for option in (*options, _DOMAIN, _URL):
        command = option(command)
    main.command(name=action, help=text)(command)


_URL = click.option("--url", required=True, help="Where the sandbox serves.")
_DOMAIN = click.option("--domain", help="Which domain; the first if not said.")
_COUNT = click.option("--count", type=int, help="How many, when none is named.")
_FORM = click.option("--form-id", help="Which form; any if not said.")
_CASE = click.option("--case-id", help="Which case; any if not said.")

_tell(
    "submit-form",
    "Submit forms; their case blocks are applied.",
    click.option("--form", help="The form as JSON; a visit if not said."),
    click.option("--xmlns", help="The form type."),
    _COUNT,
)
_tell("edit-form", "Edit forms.", click.option("--form", help="Answers as JSON."), _FORM, _COUNT)
_tell("archive-form", "Archive forms.", _FORM, _COUNT)
_tell("delete-form", "Delete forms for good.", _FORM, _COUNT)
_tell(
    "edit-case",
    "Edit cases.",
    click.option("--properties", help="Properties as JSON."),
    click.option("--closed", type=bool, help="Close or open it."),
    _CASE,
    _COUNT,
)
_tell("delete-case", "Delete cases for good.", _CASE, _COUNT)
_tell("reindex", "Give every record a new indexed_on, all in the same millisecond.")
_tell("expire-access-tokens", "Let every access token expire now.")


@main.command(name="set")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@_URL
def set_command(changes: tuple[str, ...], url: str) -> None:
    """Change switches of a sandbox that is serving."""
    pairs = (change.partition("=") for change in changes)
    body = {name.replace("-", "_"): value for name, _, value in pairs}
    click.echo(json.dumps(Control(url).post("set", body)["switches"]))


@main.command(name="requests")
@_URL
def requests_command(url: str) -> None:
    """Show what was asked of a sandbox."""
    click.echo(json.dumps(Control(url).get("requests")))
