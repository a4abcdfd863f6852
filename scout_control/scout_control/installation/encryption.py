"""Encryption of stored secrets: the primary key encrypts, any configured key decrypts.

What the store keeps is bound to an ``EncryptionContext``: the ciphertext contains what it is for,
and decrypts for nothing else. So a row that was copied to another owner, or a source that was moved
to another host, reveals nothing.

Keys come from ``SCOUT_ENCRYPTION_KEYS``, or, beside the embedded Postgres only, from a file with
mode 0600 that is created on first use.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import key_file
from scout_control.rules.credential_kinds import IS_RESET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from scout_control.errors import ControlError

IDENTITY, ADDRESS, FIELDS = "for", "at", "fields"
# Why a ciphertext does not decrypt in a context; each completes a sentence about the secret.
NOT_BOUND = "is not bound to an owner"
IDENTITY_DIFFERS = "was stored for something else"
ADDRESS_DIFFERS = "was stored for another address, which has changed since"
RESET = "reset"
"""The only field of what replaces a secret that no key decrypts."""
HOW_TO_CREATE_A_KEY = (
    "Create one, once, with: scout keys generate --out FILE; keep the file safe, and set its "
    "content in every process."
)
PUT_BACK = "Put its content back, from wherever it was moved to or from a backup."
ADD_THE_KEY = "Add the key that it was encrypted with after the present one."
IF_LOST = "If that key is lost, store the secret again:"
SEE_DOCTOR = "See which, and what to do: scout doctor"
BETWEEN_KEYS = re.compile(r"[\s,]+")


@dataclass(frozen=True, kw_only=True)
class EncryptionContext:
    """What a ciphertext is bound to. It decrypts in exactly this context."""

    identity: tuple[str, ...]
    """The kind of secret, then ids: of its row, source and owner."""
    address: Mapping[str, str] = field(default_factory=dict)
    """Where the secret is sent."""
    subject: str
    """The name of the secret, for people."""
    command: str
    """The command that stores the secret again."""
    error: Callable[[str], ControlError]
    """Returns the error for a reason: one of those above."""

    def check(self, sealed: Sealed) -> None:
        """Refuse a ciphertext that is bound to something else, or was deleted.

        Raises:
            ControlError: The result of ``error``.
        """
        if sealed.is_reset:
            raise self.error(IS_RESET)
        if sealed.identity is None:
            raise self.error(NOT_BOUND)
        if sealed.identity != self.identity:
            raise self.error(IDENTITY_DIFFERS)
        if sealed.address != dict(self.address):
            raise self.error(ADDRESS_DIFFERS)


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """The content of a ciphertext: secrets and their binding, which older versions lacked."""

    fields: Mapping[str, Any] = field(repr=False)
    identity: tuple[str, ...] | None = None
    address: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any) -> Sealed | None:
        """Return the content of a decrypted document, or None if it was not sealed here."""
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
    def is_reset(self) -> bool:
        """Whether this only stands for a secret that no key decrypted."""
        return set(self.fields) == {RESET}

    @property
    def document(self) -> dict[str, Any]:
        """Return the document that is encrypted."""
        if self.identity is None:
            return dict(self.fields)
        return {IDENTITY: self.identity, ADDRESS: dict(self.address), FIELDS: dict(self.fields)}


class Keyring:
    """The keys of an installation. The first is the primary key, which encrypts."""

    def __init__(self, keys: list[str], file: Path | None = None) -> None:
        self._file = file
        self._fernets = {key: _fernet(key) for key in keys}
        if self._fernets:
            return
        if file is not None:
            raise SettingsError(f"The file of the encryption keys is empty: {file}.", PUT_BACK)
        raise SettingsError("SCOUT_ENCRYPTION_KEYS is not set.", HOW_TO_CREATE_A_KEY)

    @classmethod
    def of(cls, keys: str | None, file: Path | None = None) -> Keyring:
        """Return the keys of a list, else those of a file, created if missing.

        Keys are separated by commas, spaces or line ends.

        Raises:
            SettingsError: There is no key, a key is invalid, or others may read the file.
        """
        if keys:
            return cls([key for key in BETWEEN_KEYS.split(keys) if key])
        if file is None:
            return cls([])
        if not file.exists():
            key_file.create(file, generate())
        return cls(key_file.read(file), file)

    def encrypt(self, fields: Mapping[str, Any], context: EncryptionContext | None = None) -> bytes:
        """Return the ciphertext of named secrets.

        Args:
            fields: The secrets, as JSON values.
            context: What to bind them to; None for a ciphertext that leaves the store.
        """
        sealed = Sealed(fields=fields)
        if context is not None:
            sealed = Sealed(fields=fields, identity=context.identity, address=dict(context.address))
        return self.seal(sealed)

    def decrypt(
        self, ciphertext: bytes, context: EncryptionContext | None = None
    ) -> dict[str, Any]:
        """Return the named secrets of a ciphertext that is bound to a context.

        Raises:
            SettingsError: No key decrypts it.
            ControlError: It is bound to something else.
        """
        sealed = self.open(ciphertext, context)
        if context is not None:
            context.check(sealed)
        elif sealed.identity is not None:
            # Otherwise a row of the store could be decrypted by passing it off as a configuration.
            raise SettingsError(
                "This secret belongs to the store of an installation.", "Give the secret itself."
            )
        return dict(sealed.fields)

    def seal(self, sealed: Sealed) -> bytes:
        """Return the ciphertext of secrets with their binding.

        The key file decides about the primary key: one that was removed from it since this process
        started must not encrypt anything any longer.
        """
        with suppress(SettingsError):  # a token that its source has rotated must be stored anyhow
            self._reload()
        return self._primary.encrypt(json.dumps(sealed.document).encode())

    def open(self, ciphertext: bytes, context: EncryptionContext | None = None) -> Sealed:
        """Return the content of a ciphertext whatever its binding: to re-encrypt it, not to use it.

        Args:
            ciphertext: The ciphertext.
            context: Names the secret in the error; its binding is not checked.

        Raises:
            SettingsError: No key decrypts it.
        """
        content = self._decrypt(ciphertext)
        if content is None and self._file is not None:
            # Another process may have rotated the key file since it was read.
            self._reload()
            content = self._decrypt(ciphertext)
        if content is None:
            raise undecryptable(context.subject, context.command) if context else undecryptable()
        sealed = _parse(content)
        if sealed is None:
            raise SettingsError("A stored secret has an unknown format.", SEE_DOCTOR)
        return sealed

    def opens(self, ciphertext: bytes) -> bool:
        """Return whether a configured key decrypts a ciphertext."""
        try:
            self.open(ciphertext)
        except SettingsError:
            return False
        return True

    def is_primary(self, ciphertext: bytes) -> bool:
        """Return whether a ciphertext is encrypted with the primary key."""
        try:
            self._primary.decrypt(ciphertext)
        except InvalidToken:
            return False
        return True

    def rotate(self, ciphertext: bytes) -> bytes | None:
        """Return a ciphertext re-encrypted with the primary key, or None if it already is."""
        return None if self.is_primary(ciphertext) else self.seal(self.open(ciphertext))

    @property
    def _primary(self) -> Fernet:
        return next(iter(self._fernets.values()))

    def _reload(self) -> None:
        """Read the key file again; keys that it no longer has still decrypt in this process.

        Raises:
            SettingsError: The file is missing, empty or damaged, or others may read it.
        """
        if self._file is not None:
            current = Keyring(key_file.read(self._file), self._file)
            self._fernets = {**current._fernets, **self._fernets}

    def _decrypt(self, ciphertext: bytes) -> bytes | None:
        try:
            return MultiFernet(list(self._fernets.values())).decrypt(ciphertext)
        except InvalidToken:
            return None


def _parse(content: bytes) -> Sealed | None:
    try:
        return Sealed.of(json.loads(content))
    except (ValueError, RecursionError, TypeError):
        return None


def undecryptable(subject: str = "a stored secret", command: str = SEE_DOCTOR) -> SettingsError:
    """Return the error for a secret that no configured key decrypts.

    Args:
        subject: The name of the secret.
        command: The command that stores it again.
    """
    remedy = f"{ADD_THE_KEY} {IF_LOST} {command}" if command != SEE_DOCTOR else SEE_DOCTOR
    return SettingsError(f"No configured key decrypts {subject}.", remedy)


def missing_file(file: Path) -> SettingsError:
    """Return the error for a key file that is missing, where the store holds secrets."""
    name = quote(str(file))
    return SettingsError(
        f"The file of the encryption keys is missing: {file}. Without it, no stored secret can be "
        "read. Nothing was changed.",
        "Put it back, from wherever it was moved to or from a backup. If it is lost, make another: "
        f"scout keys generate --out {name}; then delete what nothing decrypts, and keep all else: "
        "scout init --reset-unreadable",
    )


def generate() -> str:
    """Return a new key."""
    return Fernet.generate_key().decode()


def create_file(file: Path) -> None:
    """Write a new key to a file that does not exist yet.

    Raises:
        ConflictError: The file exists: its key may have encrypted something.
    """
    try:
        key_file.write_new(file, [generate()])
    except FileExistsError:
        raise ConflictError(
            f"{file} already exists, and was not changed: secrets may be encrypted with its key.",
            "Choose another name, to create another key.",
        ) from None


def add_primary_key(file: Path) -> None:
    """Generate a new primary key; the former keys still decrypt what they encrypted."""
    key_file.replace(file, [generate(), *key_file.read(file)])


def remove_old_keys(file: Path) -> int:
    """Keep only the primary key; return how many were removed."""
    primary, *older = key_file.read(file)
    key_file.replace(file, [primary])
    return len(older)


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise SettingsError("An encryption key is not a Fernet key.", HOW_TO_CREATE_A_KEY) from None
