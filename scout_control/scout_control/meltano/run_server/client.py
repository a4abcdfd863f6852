"""What processes of a run ask control, over the Unix socket in the run's own directory.

The client's side: it is imported by what Meltano starts, so it needs nothing but the standard
library.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False  # see plugin_launcher
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

NAME = "control"
LONGEST_PATH = 100  # of a Unix socket, on any system
LONGEST_WAIT_SECONDS = 120.0


class RefusedError(Exception):
    """Control does not answer this process, or could not do what it asked."""


def ask(path: str | PathLike[str], question: dict[str, Any]) -> dict[str, Any]:
    """Ask control one thing.

    Raises:
        RefusedError: It gives no answer.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LONGEST_WAIT_SECONDS)
            connection.connect(address(path))
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b"{}")
    except (OSError, ValueError) as error:
        raise RefusedError(f"control does not answer ({type(error).__name__})") from None
    if not isinstance(answer, dict) or "refused" in answer or not answer:
        raise RefusedError(str((answer or {}).get("refused", "control refuses this process")))
    return answer


def address(path: str | PathLike[str]) -> str:
    """Return a socket's address, which is short however long its path is."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return os.fspath(path)
    folder, name = os.path.split(path)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # kept open as long as we live
    return f"/proc/self/fd/{opened}/{name}"
