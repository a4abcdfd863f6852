"""Credentials of HQ: one account, its API key, its OAuth client and its rotating tokens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hmac import compare_digest

from commcare_sandbox.pseudorandom import digester

SCOPE = "access_apis"
SCOPES = frozenset({SCOPE, "reports:view", "mobile_access", "sync"})


@dataclass(frozen=True)
class Account:
    """The account of the sandbox."""

    username: str
    password: str
    api_key: str
    client_id: str
    client_secret: str


class Credentials:
    """The account and its valid tokens."""

    def __init__(self, seed: int) -> None:
        self._digest = digester(seed, "login")
        secrets = [self._digest(at).hex() for at in range(4)]
        self.account = Account(
            username="demo@example.org",
            password=f"pw-{secrets[0][:16]}",
            api_key=secrets[1][:40],
            client_id=secrets[2][:40],
            client_secret=secrets[3],
        )
        self._issued = 100
        self._access: dict[str, float] = {}
        self._refresh: dict[str, str] = {}
        self.refresh_token = self._new_refresh_token(SCOPE)
        """The current refresh token of the chain that starts with the server."""

    def issue(self, seconds: float, scope: str) -> tuple[str, str]:
        """Return a new access token and its refresh token."""
        return self._new_access_token(seconds, scope), self._new_refresh_token(scope)

    def renew(self, refresh_token: str, seconds: float) -> tuple[str, str, str] | None:
        """Exchange a refresh token; return access token, next refresh token and scope."""
        scope = self._refresh.pop(refresh_token, None)
        if scope is None:
            return None
        access, refresh = self.issue(seconds, scope)
        if refresh_token == self.refresh_token:
            self.refresh_token = refresh
        return access, refresh, scope

    def first_access_token(self, seconds: float) -> str:
        """Return a new access token; the refresh token stays valid."""
        return self._new_access_token(seconds, SCOPE)

    def accepts_token(self, token: str) -> bool:
        """Return whether an access token is valid."""
        return self._access.get(token, 0.0) > time.monotonic()

    def accepts_key(self, username: str, api_key: str) -> bool:
        """Return whether username and API key are correct."""
        return username == self.account.username and _same(api_key, self.account.api_key)

    def accepts_password(self, username: str, password: str) -> bool:
        """Return whether username and password are correct."""
        known = username.lower() == self.account.username
        return known and _same(password, self.account.password)

    def accepts_client(self, client_id: str, client_secret: str) -> bool:
        """Return whether an OAuth client's id and secret are correct."""
        known = client_id == self.account.client_id
        return known and _same(client_secret, self.account.client_secret)

    def end_access_tokens(self) -> None:
        """Expire every access token."""
        self._access.clear()

    def end_refresh_token(self) -> None:
        """Revoke every refresh token and start a new chain."""
        self._refresh.clear()
        self.refresh_token = self._new_refresh_token(SCOPE)

    def revoke(self, token: str) -> None:
        """Revoke an access or refresh token."""
        self._access.pop(token, None)
        if self._refresh.pop(token, None) is not None and token == self.refresh_token:
            self.refresh_token = self._new_refresh_token(SCOPE)

    def _new_access_token(self, seconds: float, scope: str) -> str:
        now = time.monotonic()
        self._access = {token: end for token, end in self._access.items() if end > now}
        access = self._new()
        if SCOPE in scope.split():
            self._access[access] = now + seconds
        return access

    def _new_refresh_token(self, scope: str) -> str:
        token = self._new()
        self._refresh[token] = scope
        return token

    def _new(self) -> str:
        self._issued += 1
        return self._digest(self._issued).hex()[:30]


def _same(given: str, right: str) -> bool:
    return compare_digest(given.encode(), right.encode())
