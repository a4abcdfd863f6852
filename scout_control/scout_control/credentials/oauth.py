"""OAuth as the sources do it: authorization code with PKCE, refresh, revocation.

Says only the error's name of what a server answers, never its words or a token. Follows no redirect
with a secret, and sends none in the clear but to this machine.
"""

from __future__ import annotations

import hmac
import math
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from shlex import quote
from typing import Any
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

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TIMEOUT = (10, 60)
LONGEST_TOKEN_SECONDS = 100 * 366 * 24 * 3600.0
MOST_PARAMETERS = 20
# What comes of a token response that is not one: no JSON, too deep or too large, of other types.
UNEXPECTED = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)
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

    longest_seconds: float | None = None
    """How long one request may take in all, when it is not the usual time."""

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
        code = self._code(request, answer)
        with self._session(request.redirect_uri, None) as session:
            return self._tokens(
                lambda: session.fetch_token(
                    self._url(self.paths.token),
                    code=code,
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
            except (requests.RequestException, AuthlibBaseError, *UNEXPECTED):
                return False
        return bool(answer.status_code < 300)

    def _code(self, request: Request, answer: str) -> str:
        """Return the code of an answer to this request, asked at the address that it goes to."""
        said = said_once(answer.strip())
        if said is None or not is_same(said.get("state", ""), request.state):
            raise SettingsError(
                "This address is not the answer to this login.",
                "Start again, and paste the whole address that the browser ends at.",
            )
        if not request.url.startswith(self._url(self.paths.authorize)):
            raise SettingsError(
                f"The address of the source {self.source} changed while an account was connected.",
                "Start again.",
            )
        if not said.get("code"):
            raise self._refusal(said.get("error") or "no code")
        return said["code"]

    def _tokens(self, ask: Any) -> Tokens:
        import requests  # noqa: PLC0415 - takes a moment to load
        from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415 - the same

        try:
            return _tokens_of(ask())
        except _NoTokenError:
            raise self._refusal("no token") from None
        except AuthlibBaseError as error:
            raise self._refusal(str(error.error)) from None
        except requests.RequestException as error:
            raise ServerError(
                f"{self._host} did not answer ({type(error).__name__}).", "Try again later."
            ) from None
        except UNEXPECTED:
            raise RunFailedError(
                f"{self._host} returned an invalid token response (unexpected response).",
                "Check the base URL of the source; try again later.",
            ) from None

    def _refusal(self, name: str) -> CredentialRefusedError | RunFailedError:
        name = "".join(letter for letter in name if letter.isalnum() or letter in "_- ")[:60]
        if name == "access_denied":
            return RunFailedError(
                f"{self._host} was told no: the login of source {self.source} was not allowed.",
                "Start again, and allow it on the page of the source.",
            )
        if is_permanent(name):
            return CredentialRefusedError(
                f"{self._host} refused the login of source {self.source} ({name}).",
                f"{RECONNECT} {quote(self.source)}",
            )
        return RunFailedError(
            f"{self._host} gave no token for source {self.source} ({name}).",
            "Try again; if it stays so, check the client id, secret and scopes of the source.",
        )

    def _session(self, redirect_uri: str | None, scopes: str | None) -> Any:
        method = "client_secret_post" if self.client_secret else "none"
        from scout_control.credentials import bounded_http  # noqa: PLC0415 - takes a moment to load

        make: Any = import_module("authlib.integrations.requests_client").OAuth2Session  # is slow
        session = make(
            self.client_id,
            self.client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            scope=scopes or None,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )
        for scheme in ("https://", "http://"):
            session.mount(scheme, bounded_http.Bounded(self.longest_seconds))
        return session

    def _url(self, path: str) -> str:
        url = urljoin(self.base_url.rstrip("/") + "/", path.lstrip("/"))
        if origin(url) is None or origin(url) != origin(self.base_url):
            raise SettingsError(
                f"The base URL of the source {self.source} is invalid.",
                f"Correct it: scout sources update {self.source} --base-url https://host",
            )
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


class _NoTokenError(Exception):
    """A token response holds no token."""


def _tokens_of(answer: Any) -> Tokens:
    access_token, refresh_token = answer.get("access_token"), answer.get("refresh_token")
    seconds, scopes = float(answer.get("expires_in") or 0), answer.get("scope")
    if not access_token:
        raise _NoTokenError
    for each in (access_token, refresh_token, scopes):
        if not isinstance(each, str | None):
            raise TypeError
    ends = 0 < seconds < LONGEST_TOKEN_SECONDS
    if math.isnan(seconds):
        raise ValueError
    return Tokens(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds) if ends else None,
        scopes=scopes,
    )


def said_once(address: str) -> dict[str, str] | None:
    """Return the parameters of an address, or nothing if it is invalid or repeats one of them."""
    try:
        query = urlsplit(address).query
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return None
    said = dict(pairs)
    return said if len(said) == len(pairs) else None


def is_same(one: str, other: str) -> bool:
    """Return whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (one, other)))
