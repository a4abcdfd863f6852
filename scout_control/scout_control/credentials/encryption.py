"""Secrets at rest: encrypted by the first key, opened by any of them; without a key, refused.

Keys come from ``SCOUT_ENCRYPTION_KEYS``, or, beside the embedded Postgres only, from a file of mode
0600 that is made on first use. A file that somebody rotated meanwhile is read again.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from scout_control.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOW_TO_MAKE_ONE = "Make one with: scout keys generate; keep it safe, and set it in every process."


class Keyring:
    """The keys of this installation; the first one encrypts."""

    def __init__(self, keys: list[str], file: Path | None = None) -> None:
        self._file = file
        self._fernets = [_fernet(key) for key in keys]
        if not self._fernets:
            raise SettingsError("SCOUT_ENCRYPTION_KEYS is not set.", HOW_TO_MAKE_ONE)

    @classmethod
    def of(cls, told: str | None, file: Path | None = None) -> Keyring:
        """Return the keys of a comma-separated list, else those of the file, made when missing.

        Raises:
            SettingsError: There is no key, one of them is none, or others may read the file.
        """
        if told:
            return cls([key.strip() for key in told.split(",") if key.strip()])
        if file is None:
            return cls([])
        if not file.exists():
            _make(file)
        return cls(_read(file), file)

    def encrypt(self, fields: Mapping[str, Any]) -> bytes:
        """Return the ciphertext of named secrets."""
        return self._fernets[0].encrypt(json.dumps(dict(fields)).encode())

    def decrypt(self, ciphertext: bytes) -> dict[str, Any]:
        """Return the named secrets of a ciphertext.

        Raises:
            SettingsError: No key opens it.
        """
        opened = self._open(ciphertext)
        if opened is None and self._file is not None:
            self._fernets = [_fernet(key) for key in _read(self._file)]
            opened = self._open(ciphertext)
        if opened is None:
            raise SettingsError(
                "A stored secret opens with none of the encryption keys.",
                "Add the key it was stored under to SCOUT_ENCRYPTION_KEYS, or connect again.",
            )
        found = _fields(opened)
        if found is None:
            raise SettingsError("A stored secret holds something else.", "Connect again.")
        return found

    def rotate(self, ciphertext: bytes) -> bytes | None:
        """Return the same secrets under the first key, or nothing when they are already."""
        try:
            self._fernets[0].decrypt(ciphertext)
        except InvalidToken:
            return self.encrypt(self.decrypt(ciphertext))
        return None

    def _open(self, ciphertext: bytes) -> bytes | None:
        try:
            return MultiFernet(self._fernets).decrypt(ciphertext)
        except InvalidToken:
            return None


def _fields(opened: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(opened)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def generate() -> str:
    """Return a new key."""
    return Fernet.generate_key().decode()


def add_to_file(file: Path) -> None:
    """Put a new key before those of the file; the old ones still open what they encrypted."""
    _write(file, [generate(), *_read(file)])


def forget_old(file: Path) -> None:
    """Keep only the first key of the file."""
    _write(file, _read(file)[:1])


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise SettingsError("An encryption key is not a Fernet key.", HOW_TO_MAKE_ONE) from None


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    _write_new(draft, [generate()])
    try:
        os.link(draft, file)  # whoever comes second keeps the first one's key
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _write(file: Path, keys: list[str]) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    _write_new(draft, keys)
    draft.replace(file)


def _write_new(path: Path, keys: list[str]) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write("\n".join(keys) + "\n")
        stream.flush()
        os.fsync(descriptor)


def _read(file: Path) -> list[str]:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(
                f"Others may read the encryption keys in {file}.", f"Run: chmod 600 {file}"
            )
        return file.read_text().split()
    except OSError as error:
        raise SettingsError(
            f"The encryption keys in {file} cannot be read: {error.strerror}.",
            "Give this account the file, or set SCOUT_ENCRYPTION_KEYS.",
        ) from None
