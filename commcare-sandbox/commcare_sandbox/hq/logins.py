"""Who may call, and with what: one account, its key, its OAuth client and its rotating tokens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hmac import compare_digest

from commcare_sandbox.seeds import digester

SCOPE = "access_apis"


@dataclass(frozen=True)
class Account:
    """The login that the sandbox hands out."""

    username: str
    password: str
    api_key: str
    client_id: str
    client_secret: str


class Logins:
    """The account and the tokens that are alive."""

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
        self.refresh_token = self._new()

    def issue(self, seconds: float) -> tuple[str, str]:
        """Return a new access token and the refresh token that replaces the present one."""
        now = time.monotonic()
        self._access = {token: end for token, end in self._access.items() if end > now}
        access = self._new()
        self._access[access] = now + seconds
        self.refresh_token = self._new()
        return access, self.refresh_token

    def first_access_token(self, seconds: float) -> str:
        """Return an access token without touching the refresh token."""
        access = self._new()
        self._access[access] = time.monotonic() + seconds
        return access

    def accepts_token(self, token: str) -> bool:
        """Tell whether an access token is alive."""
        return self._access.get(token, 0.0) > time.monotonic()

    def accepts_key(self, username: str, api_key: str) -> bool:
        """Tell whether username and key are right."""
        return username == self.account.username and _same(api_key, self.account.api_key)

    def accepts_password(self, username: str, password: str) -> bool:
        """Tell whether username and password are right."""
        known = username.lower() == self.account.username
        return known and _same(password, self.account.password)

    def accepts_client(self, client_id: str, client_secret: str) -> bool:
        """Tell whether an OAuth client is right."""
        known = client_id == self.account.client_id
        return known and _same(client_secret, self.account.client_secret)

    def end_access_tokens(self) -> None:
        """Let every access token expire now."""
        self._access.clear()

    def end_refresh_token(self) -> None:
        """Let the present refresh token die."""
        self.refresh_token = self._new()

    def _new(self) -> str:
        self._issued += 1
        return self._digest(self._issued).hex()[:30]


def _same(given: str, right: str) -> bool:
    return compare_digest(given.encode(), right.encode())
