"""``scout serve``."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import click

from scout_control.cli.base import with_scout
from scout_control.cli.terminal import say
from scout_control.errors import ConflictError, SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from scout_control.api.scout import Scout

HOST, PORT = "127.0.0.1", 8765


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="The port of 127.0.0.1; 0 for a free one.",
)
@with_scout
def serve(scout: Scout, *, port: int) -> None:
    """Serve the REST interface on this machine, until SIGTERM or SIGINT.

    Programs send a token (scout tokens create) in the header Authorization: Bearer. What there is
    so far: /api/openapi.json.
    """
    scout.projects.list()  # a store that cannot be used is told before anything is served
    app = _application(scout)
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise ConflictError(
            f"Port {port} of {HOST} cannot be used: {error.strerror}.", "Choose another: --port"
        ) from None
    with listener:
        say(f"Serving http://{HOST}:{listener.getsockname()[1]}/api/openapi.json", err=True)
        _run(app, listener)


def _application(scout: Scout) -> FastAPI:
    try:
        from scout_control.serve.app import create_app
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{error.name} is not installed.", "Install it: pip install 'scout-control[serve]'"
        ) from None
    return create_app(scout)


def _run(app: FastAPI, listener: socket.socket) -> None:
    import uvicorn

    # No access log: addresses hold the names of datasets, and with them ids of people.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
