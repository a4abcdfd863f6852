"""The client of the run server: requests to control over the Unix socket of the run.

Processes that Meltano starts import this, so it needs only the standard library.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False  # see plugin_launcher
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

SOCKET_NAME = "control"
MAX_SOCKET_PATH = 100  # of a Unix socket on any system
TIMEOUT_SECONDS = 120.0


class RefusedError(Exception):
    """Control did not respond, or rejected the request."""


def request(path: str | PathLike[str], message: dict[str, Any]) -> dict[str, Any]:
    """Send a request to control and return its response.

    Raises:
        RefusedError: Control did not respond, or rejected the request.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(address(path))
            connection.sendall(json.dumps(message).encode() + b"\n")
            with connection.makefile("rb") as lines:
                response = json.loads(lines.readline() or b"{}")
    except (OSError, ValueError) as error:
        raise RefusedError(f"control does not answer ({type(error).__name__})") from None
    if not isinstance(response, dict) or "refused" in response or not response:
        raise RefusedError(str((response or {}).get("refused", "control rejected this process")))
    return response


def address(path: str | PathLike[str]) -> str:
    """Return the address of a socket; short even if its path exceeds the limit of the system."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return os.fspath(path)
    folder, name = os.path.split(path)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # stays open while the address is in use
    return f"/proc/self/fd/{opened}/{name}"
