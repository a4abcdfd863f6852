"""The file of the encryption keys: one per line, the primary key first, mode 0600."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from scout_control.errors import SettingsError
from scout_control.meltano import trusted_files

if TYPE_CHECKING:
    from pathlib import Path


def create(file: Path, key: str) -> None:
    """Write a key to a file, unless another process has just created it."""
    trusted_files.private_folder(file.parent)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    write_new(draft, [key])
    try:
        # A link fails if the file exists, where a rename would replace the key of a process that
        # was faster, and may have encrypted something with it already.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def replace(file: Path, keys: list[str]) -> None:
    """Replace the keys of a file at once: a reader finds either all former or all new ones."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    write_new(draft, keys)
    draft.replace(file)


def write_new(file: Path, keys: list[str]) -> None:
    """Write keys to a file that does not exist.

    Raises:
        FileExistsError: It does.
    """
    # The mode is set on creation, so that no other account can open the file before a chmod.
    descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write("\n".join(keys) + "\n")
        stream.flush()
        os.fsync(descriptor)


def read(file: Path) -> list[str]:
    """Return the keys of a file, each once.

    Raises:
        SettingsError: It cannot be read, or other accounts can read it.
    """
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(
                f"Other accounts may read the encryption keys in {file}.", f"Run: chmod 600 {file}"
            )
        return list(dict.fromkeys(file.read_text().split()))
    except OSError as error:
        raise SettingsError(
            f"The encryption keys in {file} cannot be read: {error.strerror}.",
            "Let this account read the file, or set SCOUT_ENCRYPTION_KEYS.",
        ) from None
