"""Where a rotated refresh token survives the run: one small file, for one login.

A refresh token works once. The file is written before the new token is used, in one step, and
readable by its owner only. A lock beside it lets two processes share one login: whoever comes
second finds the other's token. It must not know HTTP.
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
    """What the file holds.

    ``origin`` is a digest of the refresh token in the settings that this one descends from.
    A person who connects again gives another one, and the file is then out of date.
    """

    refresh_token: str
    access_token: str | None = None
    expires_at: float | None = None
    origin: str | None = None


def digest(token: str) -> str:
    """Return a digest by which a token is recognised, and from which it cannot be had."""
    return hashlib.sha256(b"refresh token:" + token.encode()).hexdigest()


@dataclass(frozen=True)
class CredentialFile:
    """The file named by the setting ``credential_file``."""

    path: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from refreshing this login meanwhile.

        Raises:
            SettingsError: The folder cannot be written to.
        """
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refused("cannot be written", error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> StoredToken | None:
        """Return what the file holds, or None if it is absent or empty.

        Raises:
            SettingsError: It cannot be read, or holds something else.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused("cannot be read", error) from None
        if not text.strip():
            return None
        try:
            return msgspec.json.decode(text, type=StoredToken)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SettingsError(
                "credential_file holds something that this program did not write.",
                "Name another file, or remove this one.",
            ) from None

    def prepare(self) -> int:
        """Return an open new file beside this one: what cannot be stored must not be rotated.

        Raises:
            SettingsError: The folder cannot be written to.
        """
        try:
            return os.open(
                self._draft(), os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise self._refused("cannot be written", error) from None

    def discard(self, draft: int) -> None:
        """Close and remove a prepared file that is not needed."""
        os.close(draft)
        self._draft().unlink(missing_ok=True)

    def write(self, draft: int, token: StoredToken) -> None:
        """Fill the prepared file, and let it take this one's place.

        Raises:
            OSError: The disk refused; this file is as it was.
        """
        with os.fdopen(draft, "wb") as stream:
            os.fchmod(draft, 0o600)
            stream.write(msgspec.json.encode(token))
            stream.flush()
            os.fsync(draft)
        self._draft().replace(self.path)

    def _draft(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.draft")

    def _refused(self, what: str, error: OSError) -> SettingsError:
        return SettingsError(
            f"credential_file {what}: {error.strerror}.", "Name a file in a folder of your own."
        )
