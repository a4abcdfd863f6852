"""Connect's OAuth clients, authorization codes and rotating tokens."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from commcare_sandbox.connect.switches import ConnectSwitches
from commcare_sandbox.pseudorandom import digester

SCOPES = ("openid", "read", "write", "export")
_CODE_SECONDS = 60


class GrantError(Exception):
    """The token endpoint refuses a grant; ``error`` is the OAuth error code."""

    def __init__(self, error: str, status: int = 400, text: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error} | ({"error_description": text} if text else {})


class UnsignedTokenError(Exception):
    """Scope ``openid`` was requested and no signing key exists; production responds with 500."""


@dataclass
class AccessToken:
    """An access token."""

    scope: str
    expires_at: float
    client_id: str
    has_user: bool = True
    use_count: int = 0


@dataclass(frozen=True)
class AuthorizationCode:
    """An authorization code."""

    client_id: str
    redirect_uri: str
    scope: str
    challenge: str
    method: str
    expires_at: float


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token and the access token issued with it."""

    access: str
    scope: str
    client_id: str


class ConnectCredentials:
    """All clients, users, codes and tokens of Connect."""

    username = "demo@example.org"

    def __init__(self, seed: int, switches: ConnectSwitches) -> None:
        self._digest = digester(seed, "connect login")
        self._switches = switches
        self.client_id = self._digest(0).hex()[:40]
        self.client_secret = self._digest(1).hex()
        self.public_client_id = self._digest(2).hex()[:40]
        self.password = self._digest(3).hex()[:16]
        self._issued = 10
        self.refreshes = 0
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        first = self.issue("read export", self.client_id)
        self.access_token = str(first["access_token"])
        self.refresh_token = str(first["refresh_token"])

    def use(self, token: str) -> AccessToken | None:
        """Count a use of an access token. None if it is expired or unknown."""
        access = self.find(token)
        if access is None:
            return None
        most = self._switches.connect_token_requests
        if most and access.use_count >= most:
            del self._access[token]
            return None
        access.use_count += 1
        return access

    def find(self, token: str) -> AccessToken | None:
        """Return an access token that has not expired."""
        access = self._access.get(token)
        return access if access and access.expires_at > time.monotonic() else None

    def check_client(self, client_id: str, secret: str) -> None:
        """Authenticate an OAuth client; the public one has no secret.

        Raises:
            GrantError: 401 invalid_client.
        """
        right = client_id == self.public_client_id or (
            client_id == self.client_id
            and compare_digest(secret.encode(), self.client_secret.encode())
        )
        if not right:
            raise GrantError("invalid_client", 401)

    def issue(
        self, scope: str, client_id: str, *, has_user: bool = True, refreshable: bool = True
    ) -> dict[str, Any]:
        """Issue tokens and return the response body of the token endpoint.

        Raises:
            UnsignedTokenError: The scope has ``openid`` and no signing key exists.
        """
        if "openid" in scope.split() and not self._switches.connect_signing:
            raise UnsignedTokenError
        seconds = self._switches.connect_token_seconds
        access = self._new()
        self._access[access] = AccessToken(scope, time.monotonic() + seconds, client_id, has_user)
        response: dict[str, Any] = {
            "access_token": access,
            "expires_in": seconds,
            "token_type": "Bearer",
            "scope": scope,
        }
        if refreshable:
            response["refresh_token"] = self.refresh_token = self._new()
            self._refresh[self.refresh_token] = RefreshToken(access, scope, client_id)
        return response

    def authorize(self, request: dict[str, str]) -> str:
        """Return an authorization code, as if the user had consented."""
        code = self._new()
        self._codes[code] = AuthorizationCode(
            client_id=request["client_id"],
            redirect_uri=request["redirect_uri"],
            scope=request.get("scope") or " ".join(SCOPES),
            challenge=request["code_challenge"],
            method=request.get("code_challenge_method", "plain"),
            expires_at=time.monotonic() + _CODE_SECONDS,
        )
        return code

    def by_code(self, form: dict[str, str], client_id: str) -> dict[str, Any]:
        """Exchange an authorization code; it works once.

        Raises:
            GrantError: The code or its verifier is wrong.
        """
        verifier = form.get("code_verifier", "")
        if not verifier:
            raise GrantError("invalid_request", text="Code verifier required.")
        code = self._codes.pop(form.get("code", ""), None)
        fits = (
            code is not None
            and code.expires_at > time.monotonic()
            and (code.client_id, code.redirect_uri) == (client_id, form.get("redirect_uri"))
            and _challenge(verifier, code.method) == code.challenge
        )
        if code is None or not fits:
            raise GrantError("invalid_grant")
        return self.issue(code.scope, client_id)

    def by_refresh(self, form: dict[str, str], client_id: str) -> dict[str, Any]:
        """Exchange a refresh token; it and its access token are revoked.

        Raises:
            GrantError: It is unknown, or a wider scope is requested.
        """
        old = self._refresh.get(form.get("refresh_token", ""))
        if old is None or old.client_id != client_id:
            raise GrantError("invalid_grant")
        scope = form.get("scope") or old.scope
        if set(scope.split()) - set(old.scope.split()):
            raise GrantError("invalid_scope")
        del self._refresh[form["refresh_token"]]
        was_revoked = self._access.pop(old.access, None) is None and old.access == ""
        self.refreshes += 1
        return self.issue("" if was_revoked else scope, client_id)

    def by_password(self, form: dict[str, str], client_id: str) -> dict[str, Any]:
        """Exchange username and password.

        Raises:
            GrantError: The credentials are wrong.
        """
        if (form.get("username"), form.get("password")) != (self.username, self.password):
            raise GrantError("invalid_grant", text="Invalid credentials given.")
        return self.issue(form.get("scope") or "read export", client_id)

    def by_client(self, form: dict[str, str], client_id: str) -> dict[str, Any]:
        """Issue a token for the client itself, without a user or a refresh token."""
        scope = form.get("scope") or "read export"
        return self.issue(scope, client_id, has_user=False, refreshable=False)

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self._access.pop(token, None)
        refresh_token = self._refresh.pop(token, None)
        if refresh_token:
            self._access.pop(refresh_token.access, None)
        for name, refresh in self._refresh.items():
            if refresh.access == token:
                self._refresh[name] = RefreshToken("", refresh.scope, refresh.client_id)

    def end_access_tokens(self) -> None:
        """Expire every access token."""
        for access in self._access.values():
            access.expires_at = 0.0

    def end_refresh_tokens(self) -> None:
        """Revoke every refresh token."""
        self._refresh.clear()

    def _new(self) -> str:
        self._issued += 1
        return self._digest(self._issued).hex()[:30]


def _challenge(verifier: str, method: str) -> str:
    if method == "plain":
        return verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
