"""The HTTP client: auth, rate limits, retries and checks of responses.

The body is decoded here, by a function of the caller, so that a damaged body is requested again
like any other transient failure. Bodies never reach an error or a log. This module does not know
streams.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from tap_common import waits
from tap_common.auth import Auth
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.pending_requests import PendingRequests
from tap_common.retry_after import parse_http_date, retry_after_seconds
from tap_common.throttling import Backoff, RateLimitGate, RequestLimits
from tap_common.transfer import (
    MAX_PAGE_BYTES,
    MAX_TOKEN_BYTES,
    RawResponse,
    deadline,
    describe_failure,
    error_type_for,
    receive,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Params = Sequence[tuple[str, str]]

MAX_RENEWED_ELSEWHERE = 10
AUTH_DOMAIN = "the token endpoint"
"""What messages show as the domain of token requests."""

THROTTLING_STATUSES = frozenset({429, 503})
TRANSIENT_STATUSES = frozenset(
    {408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 527, 530}
)


@dataclass(frozen=True)
class ErrorResponse:
    """A response that is neither data nor a transient failure."""

    status: int
    url: str
    domain: str
    text: str
    """The text of the response. Only for comparing: it may quote data."""

    @property
    def location(self) -> str:
        """Host and path, without the query, which may contain data."""
        parts = urlsplit(self.url)
        return f"{parts.hostname} {parts.path}"


class ToError(Protocol):
    """Returns the error, with its remedy, for an error response of a certain API."""

    def __call__(self, response: ErrorResponse) -> ApiError:
        """Return the error."""


@dataclass(frozen=True)
class Response(Generic[T]):
    """A decoded page, and when it was requested, by the server's clock."""

    value: T
    requested_at: datetime


@dataclass
class RenewalAttempts:
    """What was tried for one request since its token was refused."""

    is_renewed: bool = False
    renewed_elsewhere: int = 0
    """How often another thread had already renewed the token."""


class MalformedBodyError(Exception):
    """The body is not JSON: it was cut off, or is not from the API."""


def same_origin(url: str, base_url: str) -> str:
    """Return a link's path and query on the host of ``base_url``, whatever host it names."""
    link, base = urlsplit(url), urlsplit(base_url)
    query = f"?{link.query}" if link.query else ""
    return f"{base.scheme}://{base.netloc}{link.path}{query}"


@dataclass
class ApiClient:
    """Sends all requests of a run to one server.

    Args:
        base_url: Scheme and host; the credential is sent nowhere else.
        auth: Provides the Authorization header.
        limits: How long to wait.
        to_error: Turns error responses into errors.
        session: Sends the requests.
        stop: Ends waiting.
        in_flight: The most requests at the same time.
    """

    base_url: str
    auth: Auth
    limits: RequestLimits
    to_error: ToError
    session: requests.Session
    stop: threading.Event
    in_flight: int = 1
    gates: dict[str, RateLimitGate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots = threading.BoundedSemaphore(self.in_flight)
        self._pending = PendingRequests(urlsplit(self.base_url).hostname or self.base_url)

    def gate(self, domain: str) -> RateLimitGate:
        """Return the gate that all threads share that read a domain."""
        return self.gates.setdefault(domain, RateLimitGate(domain, self.limits, self.stop))

    def get(
        self,
        url: str,
        params: Params,
        domain: str,
        decode: Callable[[bytes], T],
        headers: Mapping[str, str] | None = None,
    ) -> Response[T]:
        """Return one page, after as many tries as the limits allow.

        Args:
            url: Absolute, or a path below ``base_url``.
            params: Query parameters, in order; empty if the URL already has a query.
            domain: Whose rate limit counts.
            decode: Turns the body into a value; raises UnexpectedResponseError if it has another
                shape, and msgspec.DecodeError if it is not JSON at all.
            headers: In addition to the usual ones.

        Raises:
            ApiError: One of its subclasses; see the errors module.
        """
        target = url if "://" in url else self.base_url + url
        return self._send_with_retries(
            domain, target, lambda header: self._send(target, params, header, headers), decode
        )

    def post_form(self, url: str, form: Mapping[str, str], decode: Callable[[bytes], T]) -> T:
        """Post a form without the Authorization header, as token endpoints require.

        Raises:
            ApiError: One of its subclasses; see the errors module.
        """

        def send(_: str) -> requests.Response:
            return self.session.post(
                url,
                data=dict(form),
                timeout=(self.limits.connect_timeout, self.limits.read_timeout),
                allow_redirects=False,
                stream=True,
            )

        return self._send_with_retries(AUTH_DOMAIN, url, send, decode, MAX_TOKEN_BYTES).value

    def _send(
        self, url: str, params: Params, header: str, headers: Mapping[str, str] | None
    ) -> requests.Response:
        return self.session.get(
            url,
            params=list(params),
            headers={"Authorization": header.encode(), **(headers or {})},
            timeout=(self.limits.connect_timeout, self.limits.read_timeout),
            # A redirect to another host would take the credential there.
            allow_redirects=False,
            stream=True,
        )

    def _send_with_retries(
        self,
        domain: str,
        url: str,
        send: Callable[[str], requests.Response],
        decode: Callable[[bytes], T],
        max_bytes: int = MAX_PAGE_BYTES,
    ) -> Response[T]:
        gate = self.gate(domain)
        backoff = Backoff(self.limits.max_retry_seconds)
        attempts = RenewalAttempts()
        while True:
            gate.wait()
            # Read in each attempt: another thread may have renewed the token meanwhile.
            header = self.auth.header()
            try:
                # A slot is taken only during the transfer: waiting requests must not block others.
                with self._slots, self._pending.sent(), deadline(self.limits.request_timeout):
                    response = receive(send(header), max_bytes)
            except UnexpectedResponseError as error:
                raise _with_address(error, url) from None
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                self._retry(backoff, url, describe_failure(error), error_type_for(error))
                continue
            if self._must_resend(gate, backoff, response, url):
                continue
            if response.status == 200:
                self.auth.mark_accepted(header)
                try:
                    # When the server handled the request, not when the body had arrived: rows may
                    # have been written in between.
                    requested_at = server_time(response) - response.elapsed
                    return Response(_decode(response.body, decode, url), requested_at)
                except MalformedBodyError:
                    self._retry(backoff, url, "the response is not JSON", UnavailableError)
                    continue
            refused = ErrorResponse(response.status, url, domain, _error_text(response))
            reason = self.to_error(refused)
            is_token = refused.status == 401 and isinstance(reason, CredentialRefusedError)
            if is_token and self._has_new_token(header, attempts):
                continue
            raise reason

    def _has_new_token(self, header: str, attempts: RenewalAttempts) -> bool:
        """Return whether there is another token to try than the one that was refused.

        A token that another thread has renewed meanwhile costs nothing to try. This request itself
        renews only once: a second refusal has another cause than the token.
        """
        if attempts.renewed_elsewhere < MAX_RENEWED_ELSEWHERE and self.auth.header() != header:
            attempts.renewed_elsewhere += 1
            return True
        if attempts.is_renewed:
            return False
        attempts.is_renewed = True
        return self.auth.renew(header)

    def _must_resend(
        self, gate: RateLimitGate, backoff: Backoff, response: RawResponse, url: str
    ) -> bool:
        """Wait if the failure is transient; return whether to send the request again."""
        status = response.status
        if status in THROTTLING_STATUSES and self._close_gate(gate, response):
            return True
        if status in TRANSIENT_STATUSES:
            self._retry(backoff, url, f"HTTP {status}", UnavailableError)
            return True
        gate.record_response()
        return False

    def _close_gate(self, gate: RateLimitGate, response: RawResponse) -> bool:
        """Close the gate if this is throttling; a 503 without a wait is a failure like 502."""
        now = server_time(response)
        seconds = retry_after_seconds(response.headers.get("Retry-After"), now)
        if response.status == 503 and seconds is None:
            return False
        gate.throttle(
            seconds,
            lambda domain, seconds: waits.log_rate_limit(domain, seconds, response.status),
        )
        return True

    def _retry(
        self, backoff: Backoff, url: str, what: str, error_type: type[UnavailableError]
    ) -> None:
        seconds = None if self.stop.is_set() else backoff.next_wait()
        parts = urlsplit(url)
        if seconds is None:
            _give_up(error_type, parts.hostname, parts.path, what, backoff.tries + 1)
        location = f"{parts.hostname} {parts.path}"
        waits.log_retry(location, what, backoff.tries, seconds, backoff.seconds_left())
        self.stop.wait(seconds)


def _give_up(
    error_type: type[UnavailableError], host: str | None, path: str, what: str, tries: int
) -> NoReturn:
    check = "Check base_url and the network. " if error_type is UnreachableError else ""
    raise error_type(
        f"{host} {path} could not be read: {what}, {tries} {'try' if tries == 1 else 'tries'}.",
        f"{check}Run again later; the run resumes where it stopped. max_retry_seconds limits how"
        " long one request is retried.",
    )


def _decode(body: bytes, decode: Callable[[bytes], T], url: str) -> T:
    try:
        return decode(body)
    except UnexpectedResponseError as error:
        raise _with_address(error, url) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBodyError from None


def _with_address(error: UnexpectedResponseError, url: str) -> UnexpectedResponseError:
    parts = urlsplit(url)
    return UnexpectedResponseError(
        f"Unexpected response from {parts.hostname} {parts.path}: {error.cause}",
        error.remedy or "Nothing was taken from this page; check for a newer version.",
    )


def _error_text(response: RawResponse) -> str:
    """Return what the server says about an error, if it is readable."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        is_text = "html" not in response.headers.get("Content-Type", "")
        return response.body[:300].decode("utf-8", "replace") if is_text else ""
    if isinstance(body, dict):
        return str(body.get("error") or body.get("detail") or "")
    return ""


def server_time(response: RawResponse) -> datetime:
    """Return the time by the server's clock; by the local one if it does not say."""
    return parse_http_date(response.headers.get("Date")) or datetime.now(UTC)
