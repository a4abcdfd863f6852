"""The file in which a rotated refresh token is kept between runs.

A refresh token works once. The file is written before the new token is used, atomically, and only
its owner can read it. A lock file beside it lets several processes share one credential: the second
one finds the token of the first. This module does not know HTTP.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tap_common.errors import SettingsError


class StoredToken(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The contents of the file.

    ``origin`` is a digest of the refresh token in the settings that this one descends from. Once a
    person has reconnected, the settings have another one, and the file is out of date.
    """

    refresh_token: str
    access_token: str | None = None
    expires_at: float | None = None
    origin: str | None = None


def digest(token: str) -> str:
    """Return a digest that identifies a token and does not reveal it."""
    return hashlib.sha256(b"refresh token:" + token.encode()).hexdigest()


@dataclass(frozen=True)
class CredentialFile:
    """The file named by the setting ``credential_file``."""

    path: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Prevent other processes from refreshing this credential during the block.

        Raises:
            SettingsError: The folder cannot be written to.
        """
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._error("cannot be written", error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> StoredToken | None:
        """Return the contents of the file; None if it is absent or empty.

        Raises:
            SettingsError: It cannot be read, or has other contents.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error("cannot be read", error) from None
        if not text.strip():
            return None
        try:
            return msgspec.json.decode(text, type=StoredToken)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SettingsError(
                "credential_file has contents that this program did not write.",
                "Name another file, or remove this one.",
            ) from None

    def prepare(self) -> int:
        """Open a new file beside this one, before a token is rotated that could not be stored.

        Raises:
            SettingsError: The folder cannot be written to.
        """
        try:
            return os.open(
                self._draft(), os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise self._error("cannot be written", error) from None

    def discard(self, draft: int) -> None:
        """Close and remove a prepared file."""
        os.close(draft)
        self._draft().unlink(missing_ok=True)

    def write(self, draft: int, token: StoredToken) -> None:
        """Write the prepared file, and replace this one with it.

        Raises:
            OSError: Writing failed; this file is unchanged.
        """
        with os.fdopen(draft, "wb") as stream:
            os.fchmod(draft, 0o600)
            stream.write(msgspec.json.encode(token))
            stream.flush()
            os.fsync(draft)
        self._draft().replace(self.path)

    def _draft(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.draft")

    def _error(self, what: str, error: OSError) -> SettingsError:
        return SettingsError(
            f"credential_file {what}: {error.strerror}.",
            "Use a file in a folder that you may write to.",
        )
