"""Files that no search finds: in memory, in no directory, for this process and what it executes."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # see plugin_launcher
if TYPE_CHECKING:
    from os import PathLike


def unnamed_file(text: str, otherwise: str | PathLike[str]) -> str:
    """Return the path of a file that holds a text; elsewhere than on Linux it has a name.

    Args:
        text: What it holds.
        otherwise: Where it is put when the system has no files without a name.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("scout", 0)
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
    else:
        descriptor = os.open(otherwise, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        path = os.fspath(otherwise)
    os.fchmod(descriptor, 0o600)  # libpq reads no password file that others may read
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    return path
