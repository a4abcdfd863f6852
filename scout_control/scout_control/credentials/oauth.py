"""OAuth 2 client: authorization code flow with PKCE, refresh, revocation.

Messages quote only the error code of a server, never its text or a token. Requests with secrets
follow no redirect, and use plain HTTP only to this machine.
"""

from __future__ import annotations

import hmac
import math
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from shlex import quote
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from scout_control.errors import (
    RECONNECT,
    CredentialRefusedError,
    RunFailedError,
    ServerError,
    SettingsError,
)
from scout_control.meltano.project import OAuthPaths
from scout_control.rules.addresses import origin
from scout_control.rules.expiry import is_permanent

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TIMEOUT_SECONDS = (10, 60)
LONGEST_TOKEN_SECONDS = 100 * 366 * 24 * 3600.0
MOST_PARAMETERS = 20
# What authlib and our own parsing raise on a token response of the wrong shape: not JSON, nested
# too deeply, too large, or with values of other types.
INVALID_RESPONSE = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)
VERIFIER_BYTES = 48


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The result of a token request."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime | None
    scopes: str | None


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """An authorization in progress: where to send the person, and what verifies the response."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """The OAuth client of one source."""

    source: str
    base_url: str
    paths: OAuthPaths
    client_id: str
    client_secret: str | None = field(default=None, repr=False)

    timeout_seconds: float | None = None
    """Limit on the whole of one request; the default of ``bounded_http`` if None."""

    def authorization_request(
        self, redirect_uri: str, scopes: str | None = None
    ) -> AuthorizationRequest:
        """Return a new request for authorization, with fresh state and PKCE verifier."""
        verifier = secrets.token_urlsafe(VERIFIER_BYTES)
        with self._session(redirect_uri, scopes or " ".join(self.paths.scopes)) as session:
            url, state = session.create_authorization_url(
                self._url(self.paths.authorize), code_verifier=verifier
            )
        return AuthorizationRequest(
            url=url, state=state, verifier=verifier, redirect_uri=redirect_uri
        )

    def exchange_code(self, request: AuthorizationRequest, redirect_url: str) -> Tokens:
        """Exchange the code in the URL that the browser was redirected to for tokens.

        Raises:
            ControlError: The URL does not belong to the request, or authorization failed.
        """
        code = self._code_from(request, redirect_url)
        with self._session(request.redirect_uri, None) as session:
            return self._request_tokens(
                lambda: session.fetch_token(
                    self._url(self.paths.token),
                    code=code,
                    code_verifier=request.verifier,
                    grant_type="authorization_code",
                    allow_redirects=False,
                )
            )

    def refresh(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens.

        Raises:
            CredentialRefusedError: Permanent: a person must reconnect.
            ControlError: Temporary: try again later.
        """
        with self._session(None, None) as session:
            return self._request_tokens(
                lambda: session.refresh_token(
                    self._url(self.paths.token), refresh_token=refresh_token, allow_redirects=False
                )
            )

    def revoke(self, token: str) -> bool:
        """Revoke a token; return whether the source confirmed it."""
        if self.paths.revoke is None:
            return False
        import requests
        from authlib.common.errors import AuthlibBaseError

        with self._session(None, None) as session:
            try:
                response = session.revoke_token(
                    self._url(self.paths.revoke), token=token, allow_redirects=False
                )
            except (requests.RequestException, AuthlibBaseError, *INVALID_RESPONSE):
                return False
        return bool(response.status_code < 300)

    def _code_from(self, request: AuthorizationRequest, redirect_url: str) -> str:
        """Return the authorization code of a redirect URL, after checking that it is ours."""
        parameters = unique_parameters(redirect_url.strip())
        if parameters is None or not equal_in_constant_time(
            parameters.get("state", ""), request.state
        ):
            raise SettingsError(
                "This URL is not the response to this authorization request.",
                "Start again, and paste the complete URL that the browser was redirected to.",
            )
        # The source may have been moved while the person was in the browser: the code of one
        # server must not be sent to another.
        if not request.url.startswith(self._url(self.paths.authorize)):
            raise SettingsError(
                f"The address of the source {self.source} changed during the authorization.",
                "Start again.",
            )
        if not parameters.get("code"):
            raise self._error(parameters.get("error") or "no code")
        return parameters["code"]

    def _request_tokens(self, send: Callable[[], Any]) -> Tokens:
        import requests
        from authlib.common.errors import AuthlibBaseError

        try:
            return _parse_tokens(send())
        except _MissingTokenError:
            raise self._error("no token") from None
        except AuthlibBaseError as error:
            raise self._error(str(error.error)) from None
        except requests.RequestException as error:
            raise ServerError(
                f"{self._host} did not respond ({type(error).__name__}).", "Try again later."
            ) from None
        except INVALID_RESPONSE:
            raise RunFailedError(
                f"{self._host} returned an invalid token response (unexpected response).",
                "Check the base URL of the source; try again later.",
            ) from None

    def _error(self, code: str) -> CredentialRefusedError | RunFailedError:
        """Return the error for an OAuth error code, which is untrusted text."""
        code = "".join(letter for letter in code if letter.isalnum() or letter in "_- ")[:60]
        if code == "access_denied":
            return RunFailedError(
                f"Authorization was denied at {self._host} for the source {self.source}.",
                "Start again, and allow access on the page of the source.",
            )
        # Only some codes are permanent (RFC 6749, 5.2): others must not invalidate a credential.
        if is_permanent(code):
            return CredentialRefusedError(
                f"{self._host} rejected the credential for the source {self.source} ({code}).",
                f"{RECONNECT} {quote(self.source)}",
            )
        return RunFailedError(
            f"{self._host} issued no token for the source {self.source} ({code}).",
            "Try again; if this persists, check the client id, client secret and scopes.",
        )

    def _session(self, redirect_uri: str | None, scopes: str | None) -> Any:
        method = "client_secret_post" if self.client_secret else "none"
        return client_session(
            self.client_id,
            self.client_secret,
            method=method,
            scopes=scopes,
            redirect_uri=redirect_uri,
            timeout_seconds=self.timeout_seconds,
        )

    def _url(self, path: str) -> str:
        """Return the URL of an endpoint, which is always on the host of the source."""
        url = urljoin(self.base_url.rstrip("/") + "/", path.lstrip("/"))
        # A path such as //other.example would otherwise lead the secrets to another host.
        if origin(url) is None or origin(url) != origin(self.base_url):
            raise SettingsError(
                f"The base URL of the source {self.source} is invalid.",
                f"Correct it: scout sources update {self.source} --base-url https://host",
            )
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise SettingsError(
                f"The source {self.source} would send secrets to {parts.hostname} unencrypted.",
                "Give it a base URL that begins with https://",
            )
        return url

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).hostname or self.base_url


def client_session(
    client_id: str,
    client_secret: str | None,
    *,
    method: str,
    scopes: str | None = None,
    redirect_uri: str | None = None,
    timeout_seconds: float | None = None,
) -> Any:
    """Return a client of Authlib with PKCE, whose requests are bounded.

    Args:
        client_id: The client.
        client_secret: Its secret; None for a public client.
        method: How the client authenticates at the token endpoint.
        scopes: What it asks for.
        redirect_uri: Where the browser is sent back to.
        timeout_seconds: Limit on the whole of one request; the default of ``bounded_http`` if None.
    """
    from scout_control.credentials import bounded_http

    # Imported by name: a plain import of authlib has no types, and is slow for other commands.
    create: Any = import_module("authlib.integrations.requests_client").OAuth2Session
    session = create(
        client_id,
        client_secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=scopes or None,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        default_timeout=TIMEOUT_SECONDS,
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, bounded_http.BoundedAdapter(timeout_seconds))
    return session


class _MissingTokenError(Exception):
    """A token response contains no token."""


def _parse_tokens(response: Any) -> Tokens:
    access_token, refresh_token = response.get("access_token"), response.get("refresh_token")
    seconds, scopes = float(response.get("expires_in") or 0), response.get("scope")
    if not access_token:
        raise _MissingTokenError
    for value in (access_token, refresh_token, scopes):
        if not isinstance(value, str | None):
            raise TypeError
    if math.isnan(seconds):  # JSON of Python has NaN, which no comparison would catch
        raise ValueError
    # Zero means unknown; a lifetime beyond the range of datetime counts as unlimited.
    expires = 0 < seconds < LONGEST_TOKEN_SECONDS
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds) if expires else None,
        scopes=scopes,
    )


def unique_parameters(url: str) -> dict[str, str] | None:
    """Return the query parameters of a URL, or None if it is invalid or one of them repeats.

    Of a repeated parameter two parsers may see different values.
    """
    try:
        query = urlsplit(url).query
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return None
    parameters = dict(pairs)
    return parameters if len(parameters) == len(pairs) else None


def equal_in_constant_time(one: str, other: str) -> bool:
    """Compare secrets in a time that does not depend on where they differ.

    As bytes: ``compare_digest`` raises on text that is not ASCII, which a client may send.
    """
    return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (one, other)))
