"""Authentication: builds the Authorization header, and renews the token in it.

All streams and threads of a run share one auth, so that one refresh is enough for all. This module
knows neither streams nor domains; it refreshes tokens through a function that it is given.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tap_common.credential_file import CredentialFile, StoredToken, digest
from tap_common.errors import CredentialRefusedError

log = logging.getLogger(__name__)

MAX_MARGIN_SECONDS = 60.0
MAX_UNPROVEN_REFRESHES = 1
"""Refreshing stops after this many new tokens in a row were refused."""


class TokenResponse(msgspec.Struct, kw_only=True):
    """The fields of a token endpoint's response that are used."""

    access_token: str
    refresh_token: str | None = None
    expires_in: float | None = None


class Auth(Protocol):
    """A method of authentication."""

    def header(self) -> str:
        """Return the value of the Authorization header for the next request."""

    def renew(self, refused: str) -> bool:
        """Renew a header that the server refused; return whether there is another one to try."""

    def mark_accepted(self, header: str) -> None:
        """Note that the server accepted a header."""

    def warn_if_lost(self) -> None:
        """Log a warning if the next run cannot authenticate; called at the end of a run."""


@dataclass(frozen=True)
class StaticAuth:
    """A header that does not change during a run: API key, password or bearer token."""

    value: str

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return self.value

    def renew(self, refused: str) -> bool:
        """Return False: there is no other header to try."""
        return refused != self.value

    def mark_accepted(self, header: str) -> None:
        """Do nothing: there is no other header."""

    def warn_if_lost(self) -> None:
        """Do nothing: nothing was renewed."""


def api_key_auth(username: str, api_key: str) -> StaticAuth:
    """Return the auth of an API key; the server looks up the user name in lower case."""
    return StaticAuth(f"ApiKey {username.strip().lower()}:{api_key.strip()}")


def basic_auth(username: str, password: str) -> StaticAuth:
    """Return the auth of a user with a password."""
    pair = f"{username.strip()}:{password}".encode()
    return StaticAuth(f"Basic {base64.b64encode(pair).decode()}")


def bearer_auth(access_token: str) -> StaticAuth:
    """Return the auth of an access token that is not renewed."""
    return StaticAuth(f"Bearer {access_token.strip()}")


TokenExchange = Callable[[str], TokenResponse]
"""Exchanges a refresh token; raises CredentialRefusedError when the server no longer accepts it."""


class RefreshTokenAuth:
    """An auth that renews its access token, and stores each new refresh token.

    Args:
        refresh_token: The one in the settings.
        exchange: Exchanges a refresh token at the token endpoint.
        file: Where a rotated token is stored; without one it is lost at the end of the run.
        access_token: A first access token, if the settings have one.
    """

    def __init__(
        self,
        refresh_token: str,
        exchange: TokenExchange,
        file: CredentialFile | None,
        access_token: str | None = None,
    ) -> None:
        self._configured = refresh_token.strip()
        self._exchange = exchange
        self._file = file
        self._lock = threading.Lock()
        self._refresh_token = self._configured
        self._access_token = access_token
        self._renew_at = float("inf")
        self._is_stored = True
        self._unproven_refreshes = 0
        self._refused: tuple[str, CredentialRefusedError] | None = None
        if file is None:
            log.warning(
                "credential_file is not set: if the server rotates the refresh token, the new one"
                " is lost at the end of the run"
            )
        else:
            self._adopt(file.read())

    def header(self) -> str:
        """Return a header with an access token that does not expire soon."""
        with self._lock:
            if self._access_token is None or time.time() >= self._renew_at:
                self._refresh()
            return f"Bearer {self._access_token}"

    def renew(self, refused: str) -> bool:
        """Refresh, unless another thread has done so since the refused request was sent.

        A server that refuses every new token does so for another reason. Without a limit
        every request of the run would spend one more refresh token.
        """
        with self._lock:
            if refused == f"Bearer {self._access_token}":
                if self._unproven_refreshes >= MAX_UNPROVEN_REFRESHES:
                    return False
                self._unproven_refreshes += 1
                self._refresh()
            return True

    def mark_accepted(self, header: str) -> None:
        """Note that a token worked: if it is refused later, a new one may work."""
        if header == f"Bearer {self._access_token}":
            self._unproven_refreshes = 0

    def warn_if_lost(self) -> None:
        """Log that a rotated refresh token is lost with this run."""
        if not self._is_stored:
            log.warning(
                "The refresh token was rotated and could not be stored: it is lost now. Set"
                " credential_file, and reconnect before the next run"
            )

    def _refresh(self) -> None:
        if self._file is None:
            self._exchange_token(None)
            return
        with self._file.locked():
            # Another process may have refreshed meanwhile; the token it used works only once.
            if self._adopt(self._file.read()):
                return
            # Make sure that the new token can be stored before the old one is spent.
            draft = self._file.prepare()
            try:
                self._exchange_token(draft)
            except BaseException:
                self._file.discard(draft)
                raise

    def _adopt(self, stored: StoredToken | None) -> bool:
        """Use the stored refresh token; return whether its access token can be used, too."""
        # A file that stems from another configured token is older than the settings.
        if stored is None or stored.origin not in {None, digest(self._configured)}:
            return False
        current = (self._refresh_token, self._access_token)
        self._refresh_token = stored.refresh_token
        if stored.access_token is None or stored.expires_at is None:
            return False
        if (self._refresh_token, stored.access_token) == current:
            return False
        if time.time() >= stored.expires_at:
            return False
        self._access_token = stored.access_token
        self._renew_at = stored.expires_at
        return True

    def _exchange_token(self, draft: int | None) -> None:
        # All streams fail after a refusal; each would send the same dead token again.
        if self._refused is not None and self._refused[0] == self._refresh_token:
            raise self._refused[1]
        try:
            response = self._exchange(self._refresh_token)
        except CredentialRefusedError as error:
            self._refused = (self._refresh_token, error)
            raise
        is_rotated = response.refresh_token not in {None, "", self._refresh_token}
        if response.refresh_token:
            self._refresh_token = response.refresh_token
        self._access_token = response.access_token
        self._renew_at = self._renewal_time(response.expires_in)
        if draft is not None and self._file is not None:
            self._is_stored = self._store(self._file, draft) or not is_rotated
        elif is_rotated:
            self._is_stored = False
        log.info("The access token was refreshed; refresh token rotated: %s", is_rotated)

    def _store(self, file: CredentialFile, draft: int) -> bool:
        token = StoredToken(
            refresh_token=self._refresh_token,
            access_token=self._access_token,
            expires_at=None if self._renew_at == float("inf") else self._renew_at,
            origin=digest(self._configured),
        )
        try:
            file.write(draft, token)
        except OSError as error:
            log.warning("credential_file could not be written: %s", error.strerror)
            return False
        return True

    @staticmethod
    def _renewal_time(expires_in: float | None) -> float:
        if expires_in is None:
            return float("inf")
        return time.time() + expires_in - min(MAX_MARGIN_SECONDS, 0.2 * expires_in)


def refresh_token_refused(host: str) -> CredentialRefusedError:
    """Return the error of a refresh token that the server no longer accepts."""
    return CredentialRefusedError(
        f"{host} no longer accepts the refresh token.",
        "Put the new refresh token into the settings.",
    )
