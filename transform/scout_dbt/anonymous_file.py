"""Files in memory, without a name in any directory, for this process and what it executes."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing would slow down the launcher of scout_control, which imports this
if TYPE_CHECKING:
    from os import PathLike


def anonymous_file(text: str, fallback: str | PathLike[str]) -> str:
    """Return the path of a file that holds a text and that only this account can read.

    Args:
        text: The content.
        fallback: The file to write where the system has no anonymous files (other than Linux).
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("scout", 0)
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
    else:
        descriptor = os.open(fallback, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        path = os.fspath(fallback)
    os.fchmod(descriptor, 0o600)  # libpq ignores a password file that others may read
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    return path
