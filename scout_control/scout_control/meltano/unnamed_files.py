"""In-memory files without a directory entry, for this process and the program it executes."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # see plugin_launcher
if TYPE_CHECKING:
    from os import PathLike


def unnamed_file(text: str, fallback: str | PathLike[str]) -> str:
    """Return the path of an in-memory file; of an ordinary file on systems other than Linux.

    Args:
        text: Its content.
        fallback: The path of the ordinary file.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("scout", 0)
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
    else:
        descriptor = os.open(fallback, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        path = os.fspath(fallback)
    os.fchmod(descriptor, 0o600)  # libpq ignores a password file that others can read
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    return path
