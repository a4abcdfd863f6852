"""The OpenID Connect provider that signs people in: its addresses, its keys, and a sign-in there.

What it publishes is fetched when it is first needed, and kept for a time. Threads that need it at
once wait for one request; after a failure, none is sent for a moment.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from scout_control.credentials import bounded_http, provider_tokens
from scout_control.credentials.oauth import (
    INVALID_RESPONSE,
    VERIFIER_BYTES,
    client_session,
    equal_in_constant_time,
    unique_parameters,
)
from scout_control.credentials.provider_tokens import InvalidTokenError, UnknownKeyError
from scout_control.errors import (
    ControlError,
    NotSignedInError,
    ServerUnavailableError,
    SettingsError,
)
from scout_control.installation.openid_settings import PREFIX, OpenIDSettings, check_address

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")
Claims = dict[str, Any]
DISCOVERY = "/.well-known/openid-configuration"
REQUEST_SECONDS = 10.0
KEPT_SECONDS = 600.0
PAUSE_SECONDS = 30.0
"""After a failure, and between requests for a key that is unknown: anyone may name one."""


@dataclass(frozen=True, kw_only=True)
class SignInRequest:
    """A sign-in in progress: where to send the browser, and what verifies the response."""

    url: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


class _Kept(Generic[Value]):
    """A value that is fetched on first use, and again after a time."""

    def __init__(self, fetch: Callable[[], Value], clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._value: Value | None = None
        self._error: ControlError | None = None
        self._at = float("-inf")

    def get(self, *, no_older_than: float = KEPT_SECONDS) -> Value:
        """Return the value; an old one if the provider does not answer.

        Raises:
            ServerUnavailableError: It was never fetched.
        """
        with self._lock:
            age = self._clock() - self._at
            if age >= (PAUSE_SECONDS if self._error else max(no_older_than, PAUSE_SECONDS)):
                self._renew()
            if self._value is not None:
                return self._value
            raise self._error or ServerUnavailableError("There is no answer.", "Try again later.")

    def _renew(self) -> None:
        try:
            self._value, self._error = self._fetch(), None
        except ControlError as error:
            self._error = error
        self._at = self._clock()


class Provider:
    """An OpenID Connect provider.

    Args:
        settings: How it is reached.
        clock: Seconds since any moment.
    """

    def __init__(
        self, settings: OpenIDSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._metadata = _Kept(self._fetch_metadata, clock)
        self._keys = _Kept(self._fetch_keys, clock)

    def verify(self, token: str) -> Claims:
        """Return the claims of a token that a program sent.

        Raises:
            InvalidTokenError: It is not valid.
            ServerUnavailableError: The keys of the provider are not known.
        """
        return self._with_keys(
            lambda keys: provider_tokens.verify(token, keys, self.settings, time.time())
        )

    def authorization_request(self, redirect_uri: str) -> SignInRequest:
        """Return a new sign-in, with fresh state, nonce and PKCE verifier.

        Raises:
            ServerUnavailableError: The provider does not answer.
        """
        verifier, nonce = secrets.token_urlsafe(VERIFIER_BYTES), secrets.token_urlsafe(32)
        with self._session(redirect_uri) as session:
            url, state = session.create_authorization_url(
                self._endpoint("authorization_endpoint"), code_verifier=verifier, nonce=nonce
            )
        return SignInRequest(
            url=url, state=state, nonce=nonce, verifier=verifier, redirect_uri=redirect_uri
        )

    def complete(self, request: SignInRequest, redirect_url: str) -> Claims:
        """Return the claims about the person, for the URL that the browser was redirected to.

        Raises:
            NotSignedInError: The provider did not sign them in, or the URL is of another sign-in.
            ServerUnavailableError: The provider does not answer.
        """
        parameters = unique_parameters(redirect_url) or {}
        if not equal_in_constant_time(parameters.get("state", ""), request.state):
            raise failed("The response belongs to another sign-in")
        # RFC 9207: with several providers, one could pass on the code of another.
        if parameters.get("iss", self.settings.issuer) != self.settings.issuer:
            raise failed("The response is of another provider")
        if not parameters.get("code"):
            raise failed(f"The provider answered {_shown(parameters.get('error'))}")
        token = self._id_token(request, parameters["code"])
        try:
            return self._with_keys(
                lambda keys: provider_tokens.verify_id_token(
                    token, keys, self.settings, request.nonce, time.time()
                )
            )
        except InvalidTokenError as error:
            raise failed(f"The ID token of the provider is not valid ({error})") from None

    def _id_token(self, request: SignInRequest, code: str) -> str:
        import requests
        from authlib.common.errors import AuthlibBaseError

        with self._session(request.redirect_uri) as session:
            try:
                response = session.fetch_token(
                    self._endpoint("token_endpoint"),
                    code=code,
                    code_verifier=request.verifier,
                    grant_type="authorization_code",
                    allow_redirects=False,
                )
            except AuthlibBaseError as error:
                raise failed(f"The provider answered {_shown(error.error)}") from None
            except requests.RequestException:
                raise self._silent() from None
            except INVALID_RESPONSE:
                raise failed("The provider gave no valid answer") from None
        token = response.get("id_token")
        if not isinstance(token, str):
            raise failed("The provider gave no ID token")
        return token

    def _with_keys(self, verify: Callable[[list[Any]], Claims]) -> Claims:
        """Verify with the known keys; if the key is unknown, with those of now."""
        try:
            return verify(self._keys.get())
        except UnknownKeyError:
            return verify(self._keys.get(no_older_than=PAUSE_SECONDS))

    def _session(self, redirect_uri: str) -> Any:
        return client_session(
            self.settings.client_id,
            self.settings.client_secret,
            method=self._method(),
            scopes=self.settings.scopes,
            redirect_uri=redirect_uri,
            timeout_seconds=REQUEST_SECONDS,
        )

    def _method(self) -> str:
        if self.settings.client_secret is None:
            return "none"
        offered = self._metadata.get().get("token_endpoint_auth_methods_supported")
        is_basic = not isinstance(offered, list) or "client_secret_basic" in offered
        return "client_secret_basic" if is_basic else "client_secret_post"

    def _endpoint(self, name: str) -> str:
        url = self._metadata.get().get(name)
        return check_address(url if isinstance(url, str) else "", f"{name} of the provider")

    def _fetch_metadata(self) -> Claims:
        issuer = self.settings.issuer
        document = self._fetch(issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != issuer:
            raise SettingsError(
                f"The provider does not call itself {issuer}.",
                f"Set {PREFIX}ISSUER to what it does: {_shown(document.get('issuer'))}",
            )
        return document

    def _fetch_keys(self) -> list[Any]:
        keys = provider_tokens.usable_keys(self._fetch(self._endpoint("jwks_uri")))
        if not keys:
            raise self._silent("has no usable keys")
        return keys

    def _fetch(self, url: str) -> Claims:
        import requests

        try:
            with bounded_http.session(REQUEST_SECONDS) as http:
                response = http.get(url, timeout=REQUEST_SECONDS, allow_redirects=False)
                document = response.json() if response.status_code == 200 else None
        except (requests.RequestException, ValueError, RecursionError):
            raise self._silent() from None
        if not isinstance(document, dict):
            raise self._silent("gave no valid answer")
        return document

    def _silent(self, what: str = "does not answer") -> ServerUnavailableError:
        return ServerUnavailableError(
            f"The provider {self.settings.issuer} {what}.",
            "Try again later, or sign in with a token.",
        )


@lru_cache(maxsize=8)
def of(settings: OpenIDSettings) -> Provider:
    """Return the provider of these settings: one for a process, which keeps its keys."""
    return Provider(settings)


def failed(cause: str) -> NotSignedInError:
    """Return the error of a sign-in that did not succeed."""
    return NotSignedInError(f"{cause}.", "Sign in again.")


def _shown(text: Any) -> str:
    """Return a word of the provider, which is untrusted text, without what could mislead."""
    allowed = "".join(each for each in str(text) if each.isalnum() or each in "_-.:/ ")
    return allowed[:100] or "nothing"
