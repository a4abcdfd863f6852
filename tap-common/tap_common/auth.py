"""The ways to log in: what goes into the Authorization header, and how it is renewed.

One login serves all streams and threads of a run, so that one refresh is enough for all. It must
not know streams or domains; it asks for tokens through a function that it is given.
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

LONGEST_MARGIN_SECONDS = 60.0
# New tokens that never work are not the token's fault: no more of them are spent.
TOKENS_REFUSED_AT_ONCE = 1


class TokenResponse(msgspec.Struct, kw_only=True):
    """What a token endpoint answers; what else it says is not needed."""

    access_token: str
    refresh_token: str | None = None
    expires_in: float | None = None


class Auth(Protocol):
    """A way to log in."""

    def header(self) -> str:
        """Return the value of the Authorization header for the next request."""

    def renew(self, refused: str) -> bool:
        """Tell whether there is another header to try than the one that was refused."""

    def accept(self, header: str) -> None:
        """Note that the server accepted a header."""

    def finish(self) -> None:
        """Say at the end of a run what a person must know."""


@dataclass(frozen=True)
class StaticAuth:
    """A login that is the same for the whole run: API key, password, or a bearer token."""

    value: str

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return self.value

    def renew(self, refused: str) -> bool:
        """Tell that there is no other header to try."""
        return refused != self.value

    def accept(self, header: str) -> None:
        """Note nothing: it is the only one."""

    def finish(self) -> None:
        """Say nothing: nothing changed."""


def api_key_auth(username: str, api_key: str) -> StaticAuth:
    """Return the login of an API key; the server looks the name up in lower case."""
    return StaticAuth(f"ApiKey {username.strip().lower()}:{api_key.strip()}")


def basic_auth(username: str, password: str) -> StaticAuth:
    """Return the login of a user with a password."""
    pair = f"{username.strip()}:{password}".encode()
    return StaticAuth(f"Basic {base64.b64encode(pair).decode()}")


def bearer_auth(access_token: str) -> StaticAuth:
    """Return the login of an access token that nobody renews."""
    return StaticAuth(f"Bearer {access_token.strip()}")


Exchange = Callable[[str], TokenResponse]
"""Spend a refresh token; raises CredentialRefusedError when the server knows it no more."""


class RefreshTokenAuth:
    """A login that renews its own access token, and keeps each new refresh token.

    Args:
        refresh_token: The one in the settings.
        exchange: Spends a refresh token at the token endpoint.
        file: Where a rotated token is kept; None loses it at the end of the run.
        access_token: A first access token, if the settings hold one.
    """

    def __init__(
        self,
        refresh_token: str,
        exchange: Exchange,
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
        self._refused_unproven = 0
        self._dead: tuple[str, CredentialRefusedError] | None = None
        if file is None:
            log.warning(
                "credential_file is not set: a refresh token that the server rotates is lost"
                " at the end of the run, and the login with it"
            )
        else:
            self._adopt(file.read())

    def header(self) -> str:
        """Return the header of an access token that is still good for a while."""
        with self._lock:
            if self._access_token is None or time.time() >= self._renew_at:
                self._refresh()
            return f"Bearer {self._access_token}"

    def renew(self, refused: str) -> bool:
        """Refresh, unless another thread has done so since the refused request was made."""
        with self._lock:
            if refused == f"Bearer {self._access_token}":
                if self._refused_unproven >= TOKENS_REFUSED_AT_ONCE:
                    return False
                self._refused_unproven += 1
                self._refresh()
            return True

    def accept(self, header: str) -> None:
        """Note that a token worked: when it is refused later, another one may work, too."""
        if header == f"Bearer {self._access_token}":
            self._refused_unproven = 0

    def finish(self) -> None:
        """Announce a rotated refresh token that ends with this run."""
        if not self._is_stored:
            log.warning(
                "The refresh token was rotated and could not be stored: it is lost now. Set"
                " credential_file, and reconnect before the next run"
            )

    def _refresh(self) -> None:
        if self._file is None:
            self._spend(None)
            return
        with self._file.locked():
            if self._adopt(self._file.read()):
                return
            draft = self._file.prepare()
            try:
                self._spend(draft)
            except BaseException:
                self._file.discard(draft)
                raise

    def _adopt(self, stored: StoredToken | None) -> bool:
        """Take over the file's token; tell whether its access token can be used as it is."""
        if stored is None or stored.origin not in {None, digest(self._configured)}:
            return False
        known = (self._refresh_token, self._access_token)
        self._refresh_token = stored.refresh_token
        if stored.access_token is None or stored.expires_at is None:
            return False
        if (self._refresh_token, stored.access_token) == known:
            return False
        if time.time() >= stored.expires_at:
            return False
        self._access_token = stored.access_token
        self._renew_at = stored.expires_at
        return True

    def _spend(self, draft: int | None) -> None:
        if self._dead is not None and self._dead[0] == self._refresh_token:
            raise self._dead[1]
        try:
            answer = self._exchange(self._refresh_token)
        except CredentialRefusedError as error:
            self._dead = (self._refresh_token, error)
            raise
        is_rotated = answer.refresh_token not in {None, "", self._refresh_token}
        if answer.refresh_token:
            self._refresh_token = answer.refresh_token
        self._access_token = answer.access_token
        self._renew_at = self._time_to_renew(answer.expires_in)
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
    def _time_to_renew(expires_in: float | None) -> float:
        if expires_in is None:
            return float("inf")
        return time.time() + expires_in - min(LONGEST_MARGIN_SECONDS, 0.2 * expires_in)


def refresh_token_refused(host: str) -> CredentialRefusedError:
    """Return the error of a refresh token that the server knows no more."""
    return CredentialRefusedError(
        f"{host} no longer accepts the refresh token of this login.",
        "Put the new refresh token into the settings.",
    )
