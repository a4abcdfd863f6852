"""Secrets at rest: encrypted by the first key, opened by any of them; without a key, refused.

What the store keeps is bound: the ciphertext holds what it is for, and opens for nothing else. So a
row that was copied to another owner, or a source that was sent to another host, gives nothing away.

Keys come from ``SCOUT_ENCRYPTION_KEYS``, or, beside the embedded Postgres only, from a file of mode
0600 that is made on first use. A file that somebody rotated meanwhile is read again.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from scout_control.errors import RECONNECT, SettingsError
from scout_control.meltano import trusted_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scout_control.errors import ControlError

IDENTITY, ADDRESS, FIELDS = "for", "at", "fields"
UNBOUND = "is not bound to what it is for"
ANOTHERS = "was stored for something else"
MOVED = "was stored for another address, which changed since"
HOW_TO_MAKE_ONE = "Make one with: scout keys generate; keep it safe, and set it in every process."


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a ciphertext is for. It opens for exactly this."""

    identity: tuple[str, ...]
    """The kind of thing, and its ids: a row, its source, its owner."""
    address: Mapping[str, str] = field(default_factory=dict)
    """Where the secret is sent to."""
    refusal: Callable[[str], ControlError]
    """Makes an error of why it does not open: ``UNBOUND``, ``ANOTHERS`` or ``MOVED``."""

    def check(self, sealed: Sealed) -> None:
        """Refuse a ciphertext that is for something else.

        Raises:
            ControlError: As ``refusal`` makes it.
        """
        if sealed.identity is None:
            raise self.refusal(UNBOUND)
        if sealed.identity != self.identity:
            raise self.refusal(ANOTHERS)
        if sealed.address != dict(self.address):
            raise self.refusal(MOVED)


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What is in a ciphertext: secrets, and what they are for; an older one does not say."""

    fields: Mapping[str, Any] = field(repr=False)
    identity: tuple[str, ...] | None = None
    address: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any) -> Sealed | None:
        """Return what an opened document says, or nothing when it is another program's."""
        if not isinstance(document, dict):
            return None
        if set(document) != {IDENTITY, ADDRESS, FIELDS}:
            return cls(fields=document)
        return cls(
            fields=document[FIELDS],
            identity=tuple(document[IDENTITY]),
            address=document[ADDRESS],
        )

    @property
    def document(self) -> dict[str, Any]:
        """Return it as it is encrypted."""
        if self.identity is None:
            return dict(self.fields)
        return {IDENTITY: self.identity, ADDRESS: dict(self.address), FIELDS: dict(self.fields)}


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

    def encrypt(self, fields: Mapping[str, Any], context: Context | None = None) -> bytes:
        """Return the ciphertext of named secrets; without a context it is one to carry about."""
        sealed = Sealed(fields=fields)
        if context is not None:
            sealed = Sealed(fields=fields, identity=context.identity, address=dict(context.address))
        return self.seal(sealed)

    def decrypt(self, ciphertext: bytes, context: Context | None = None) -> dict[str, Any]:
        """Return the named secrets of a ciphertext that is for this context.

        Raises:
            SettingsError: No key opens it.
            ControlError: It is for something else.
        """
        sealed = self.open(ciphertext)
        if context is not None:
            context.check(sealed)
        elif sealed.identity is not None:
            raise SettingsError("A stored secret is kept for something else.", "Give it anew.")
        return dict(sealed.fields)

    def seal(self, sealed: Sealed) -> bytes:
        """Return the ciphertext of secrets and what they are for."""
        return self._fernets[0].encrypt(json.dumps(sealed.document).encode())

    def open(self, ciphertext: bytes) -> Sealed:
        """Return what is in a ciphertext, whatever it is for: to keep it, not to use it.

        Raises:
            SettingsError: No key opens it.
        """
        opened = self._open(ciphertext)
        if opened is None and self._file is not None:
            self._fernets = [_fernet(key) for key in _read(self._file)]
            opened = self._open(ciphertext)
        if opened is None:
            raise SettingsError(
                "No configured key decrypts a stored secret.",
                f"Add the key it was stored under to SCOUT_ENCRYPTION_KEYS. Otherwise: {RECONNECT}",
            )
        sealed = _sealed(opened)
        if sealed is None:
            raise SettingsError("A stored secret holds something else.", RECONNECT)
        return sealed

    def opens(self, ciphertext: bytes) -> bool:
        """Return whether one of the keys opens a ciphertext."""
        try:
            self.open(ciphertext)
        except SettingsError:
            return False
        return True

    def rotate(self, ciphertext: bytes) -> bytes | None:
        """Return the same secrets under the first key, or nothing when they are already."""
        try:
            self._fernets[0].decrypt(ciphertext)
        except InvalidToken:
            return self.seal(self.open(ciphertext))
        return None

    def _open(self, ciphertext: bytes) -> bytes | None:
        try:
            return MultiFernet(self._fernets).decrypt(ciphertext)
        except InvalidToken:
            return None


def _sealed(opened: bytes) -> Sealed | None:
    try:
        return Sealed.of(json.loads(opened))
    except (ValueError, RecursionError, TypeError):
        return None


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
    trusted_files.private_folder(file.parent)
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
