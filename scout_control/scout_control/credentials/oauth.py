"""OAuth as the sources do it: authorization code with PKCE, refresh, revocation.

Says only the error's name of what a server answers, never its words or a token. Follows no redirect
with a secret, and sends none in the clear but to this machine.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from scout_control.errors import (
    CredentialRefusedError,
    RunFailedError,
    ServerError,
    SettingsError,
)
from scout_control.plugins import OAuthPaths
from scout_control.rules.expiry import is_final

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TIMEOUT = (10, 60)
VERIFIER_BYTES = 48


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a token endpoint gives."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime | None
    scopes: str | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A login that a person is asked for, and what its answer is checked with."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class Client:
    """One source as an OAuth client sees it."""

    source: str
    base_url: str
    paths: OAuthPaths
    client_id: str
    client_secret: str | None = field(default=None, repr=False)

    def request(self, redirect_uri: str, scopes: str | None = None) -> Request:
        """Return where to send the person who connects."""
        verifier = secrets.token_urlsafe(VERIFIER_BYTES)
        with self._session(redirect_uri, scopes or " ".join(self.paths.scopes)) as session:
            url, state = session.create_authorization_url(
                self._url(self.paths.authorize), code_verifier=verifier
            )
        return Request(url=url, state=state, verifier=verifier, redirect_uri=redirect_uri)

    def exchange(self, request: Request, answer: str) -> Tokens:
        """Turn the address that the person came back to into tokens.

        Raises:
            ControlError: The answer is not to this request, or the source refused.
        """
        self._check(request, answer)
        with self._session(request.redirect_uri, None) as session:
            return self._tokens(
                lambda: session.fetch_token(
                    self._url(self.paths.token),
                    authorization_response=answer,
                    state=request.state,
                    code_verifier=request.verifier,
                    grant_type="authorization_code",
                    allow_redirects=False,
                )
            )

    def refresh(self, refresh_token: str) -> Tokens:
        """Spend a refresh token.

        Raises:
            CredentialRefusedError: For good: only connecting again helps.
            ControlError: For now: try again later.
        """
        with self._session(None, None) as session:
            return self._tokens(
                lambda: session.refresh_token(
                    self._url(self.paths.token), refresh_token=refresh_token, allow_redirects=False
                )
            )

    def revoke(self, token: str) -> bool:
        """Ask the source to forget a token; tell whether it did."""
        if self.paths.revoke is None:
            return False
        import requests  # noqa: PLC0415 - takes a moment to load
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - the same

        with self._session(None, None) as session:
            try:
                answer = session.revoke_token(
                    self._url(self.paths.revoke), token=token, allow_redirects=False
                )
            except (requests.RequestException, AuthlibBaseError):
                return False
        return bool(answer.status_code < 300)

    def _check(self, request: Request, answer: str) -> None:
        said = parse_qs(urlsplit(answer.strip()).query)
        if not hmac.compare_digest(said.get("state", [""])[0], request.state):
            raise SettingsError(
                "This address is not the answer to this login.",
                "Start again, and paste the whole address that the browser ends at.",
            )
        if "code" not in said:
            raise self._refusal(said.get("error", ["no code"])[0])

    def _tokens(self, ask: Any) -> Tokens:
        import requests  # noqa: PLC0415 - takes a moment to load
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - the same

        try:
            answer = ask()
        except AuthlibBaseError as error:
            raise self._refusal(str(error.error)) from None
        except requests.RequestException as error:
            raise ServerError(
                f"{self._host} did not answer ({type(error).__name__}).", "Try again later."
            ) from None
        except ValueError:
            raise RunFailedError(
                f"{self._host} answered something that is no token.",
                "Check the base URL of the source; try again later.",
            ) from None
        if not answer.get("access_token"):
            raise self._refusal("no token")
        seconds = answer.get("expires_in")
        return Tokens(
            access_token=answer["access_token"],
            refresh_token=answer.get("refresh_token"),
            expires_at=datetime.now(UTC) + timedelta(seconds=float(seconds)) if seconds else None,
            scopes=answer.get("scope"),
        )

    def _refusal(self, name: str) -> CredentialRefusedError | RunFailedError:
        name = "".join(letter for letter in name if letter.isalnum() or letter in "_- ")[:60]
        if name == "access_denied":
            return RunFailedError(
                f"{self._host} was told no: the login of source {self.source} was not allowed.",
                "Start again, and allow it on the page of the source.",
            )
        if is_final(name):
            return CredentialRefusedError(
                f"{self._host} refused the login of source {self.source} ({name}).",
                f"Connect again: scout credentials connect {self.source}",
            )
        return RunFailedError(
            f"{self._host} gave no token for source {self.source} ({name}).",
            "Try again; if it stays so, check the client id, secret and scopes of the source.",
        )

    def _session(self, redirect_uri: str | None, scopes: str | None) -> Any:
        method = "client_secret_post" if self.client_secret else "none"
        make: Any = import_module("authlib.integrations.requests_client").OAuth2Session  # is slow
        return make(
            self.client_id,
            self.client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            scope=scopes or None,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )

    def _url(self, path: str) -> str:
        url = urljoin(self.base_url.rstrip("/") + "/", path.lstrip("/"))
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise SettingsError(
                f"The source {self.source} would send secrets in the clear to {parts.hostname}.",
                "Give it a base URL that begins with https://",
            )
        return url

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).hostname or self.base_url
