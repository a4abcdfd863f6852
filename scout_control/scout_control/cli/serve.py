"""``scout serve``."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scout_control.cli.base import with_scout
from scout_control.cli.terminal import say
from scout_control.errors import ConflictError, NotFoundError, SettingsError
from scout_control.rules.own_pages import is_loopback

if TYPE_CHECKING:
    from scout_control.api.scout import Scout
    from scout_control.serve.hosting import Hosting

HOST, PORT = "127.0.0.1", 8765
GRACE_SECONDS = 10
FILE = click.Path(exists=True, dir_okay=False)


@click.command()
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    help="The address to listen on; any but this machine's own demands TLS or a proxy.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="The port; 0 for a free one.",
)
@click.option("--tls-cert", metavar="FILE", type=FILE, help="The certificate, with its chain.")
@click.option("--tls-key", metavar="FILE", type=FILE, help="The private key of the certificate.")
@click.option(
    "--behind-proxy",
    "proxies",
    metavar="ADDRESS",
    multiple=True,
    help="A proxy that encrypts and says where requests come from; repeatable.",
)
@click.option(
    "--public-url", metavar="URL", help="The address that people use, such as that of the proxy."
)
@with_scout
def serve(scout: Scout, *, tls_cert: str | None, tls_key: str | None, **options: Any) -> None:
    """Serve the page and the REST interface, until SIGTERM or SIGINT.

    People sign in on the page; before there are any, a link that works once is printed.
    Programs send a token (scout tokens create) in the header Authorization: Bearer, see
    /api/openapi.json.
    """
    scout.projects.list()  # a store that cannot be used is told before anything is served
    until_stopped(scout, _hosting(certificate=tls_cert, key=tls_key, **options))


def on_this_machine() -> Hosting:
    """Return the hosting for this machine only: at the usual port, or at a free one."""
    hosting = _hosting(host=HOST, port=PORT, proxies=())
    try:
        _listener(hosting).close()
    except ConflictError:
        return _hosting(host=HOST, port=0, proxies=())
    return hosting


def until_stopped(scout: Scout, hosting: Hosting, *, person: str | None = None) -> None:
    """Serve an installation until SIGTERM or SIGINT.

    Args:
        scout: The installation.
        hosting: Where.
        person: Who gets a link to sign in, although there are other people.
    """
    with _listener(hosting) as listener:
        port = listener.getsockname()[1]
        address = hosting.address(port)
        config = _config(scout, hosting, port)
        _print_link(scout, hosting, address, person)
        say(f"Serving {address}/api/openapi.json", err=True)
        _run(config, listener)


def _hosting(**options: Any) -> Hosting:
    try:
        from scout_control.serve.hosting import Hosting
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{error.name} is not installed.", "Install it: pip install 'scout-control[serve]'"
        ) from None
    proxies = [
        each.strip()
        for given in options.pop("proxies")
        for each in given.split(",")
        if each.strip()
    ]
    hosting = Hosting(**options, proxies=tuple(proxies))
    hosting.check()
    return hosting


def _listener(hosting: Hosting) -> socket.socket:
    try:
        family = socket.getaddrinfo(hosting.host, hosting.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((hosting.host, hosting.port), family=family)
    except OSError as error:
        raise ConflictError(
            f"Port {hosting.port} of {hosting.host} cannot be used: {error.strerror}.",
            "Choose another: --port",
        ) from None


def _print_link(scout: Scout, hosting: Hosting, address: str, person: str | None) -> None:
    """Print a link for the first operator, on a terminal of this machine only."""
    if not is_loopback(hosting.host):
        return
    link = scout.sessions.first_link()
    if link is None and person is not None:
        with suppress(NotFoundError, ConflictError):  # removed, or inactive
            link = scout.sessions.link(person)
    if link is not None:
        say(f"Open this within 15 minutes to sign in: {address}{link.path}", err=True)


def _config(scout: Scout, hosting: Hosting, port: int) -> Any:
    import dataclasses

    import uvicorn

    from scout_control.serve.app import create_app

    app = create_app(scout, dataclasses.replace(hosting, port=port))
    # No access log: addresses hold the names of datasets, and with them ids of people.
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=hosting.certificate,
        ssl_keyfile=hosting.key,
        # Anyone else could say that they come from another address, or by TLS.
        proxy_headers=bool(hosting.proxies),
        forwarded_allow_ips=list(hosting.proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        config.load()
    except OSError as error:  # SSLError is one
        name = Path(str(hosting.certificate)).name
        raise SettingsError(
            f"The certificate {name} or its key cannot be used ({type(error).__name__}).",
            "Give a PEM certificate and its unencrypted private key.",
        ) from None
    return config


def _run(config: Any, listener: socket.socket) -> None:
    import uvicorn

    uvicorn.Server(config).run(sockets=[listener])
