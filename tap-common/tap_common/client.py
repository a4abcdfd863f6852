"""One GET, however often it takes: login, throttling, failures that pass, answers that lie.

An answer's body is read here into what the caller asks for, so that a damaged body is fetched
again like any other failure. Bodies never reach an error or a log. It must not know streams.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Generic, NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3

from tap_common.auth import Auth
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.retry_after import http_date, retry_after_seconds
from tap_common.throttling import Backoff, RateLimitGate, RequestLimits
from tap_common.transfer import (
    ENCODINGS,
    PAGE_BYTES,
    TOKEN_BYTES,
    RawResponse,
    TimedAdapter,
    describe_failure,
    error_type_for,
    take,
    within,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Params = Sequence[tuple[str, str]]

MAX_RENEWED_ELSEWHERE = 10
THROTTLING_STATUSES = frozenset({429, 503})
TRANSIENT_STATUSES = frozenset(
    {408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 527, 530}
)


@dataclass(frozen=True)
class ErrorResponse:
    """An answer that is neither data nor a passing failure."""

    status: int
    url: str
    domain: str
    error: str
    """The server's own words, for comparing only: they may quote data."""

    @property
    def where(self) -> str:
        """Return host and path: the query may hold data."""
        parts = urlsplit(self.url)
        return f"{parts.hostname} {parts.path}"


class ToError(Protocol):
    """Turns a refusal into an error that a person can act on."""

    def __call__(self, refusal: ErrorResponse) -> ApiError:
        """Return the error."""


@dataclass(frozen=True)
class Response(Generic[T]):
    """What a page held, and when it was asked for, by the server's clock."""

    value: T
    asked_at: datetime


@dataclass
class RenewalAttempts:
    """What a request has tried since its token was refused."""

    is_renewed: bool = False
    renewed_elsewhere: int = 0
    """Tokens that other threads had asked for meanwhile."""


class MalformedBodyError(Exception):
    """The body is no JSON: cut off, or not from the API at all."""


def same_origin(url: str, base_url: str) -> str:
    """Return a link's path and query on our own host, whatever host and scheme it names."""
    link, base = urlsplit(url), urlsplit(base_url)
    query = f"?{link.query}" if link.query else ""
    return f"{base.scheme}://{base.netloc}{link.path}{query}"


def new_session(connections: int, user_agent: str) -> requests.Session:
    """Return a session without retries, cookies, or a login of its own."""
    session = requests.Session()
    session.headers.update(
        {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": ENCODINGS}
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Keeps requests from replacing our header by a login of ~/.netrc.
    session.auth = lambda request: request
    adapter = TimedAdapter(pool_maxsize=max(connections, 1), max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


@dataclass
class ApiClient:
    """All requests of a run to one server.

    Args:
        base_url: Scheme and host that alone ever see the login.
        login: What proves who we are.
        explain: Words for what the server refuses.
    """

    base_url: str
    login: Auth
    limits: RequestLimits
    explain: ToError
    session: requests.Session
    stop: threading.Event
    in_flight: int = 1
    gates: dict[str, RateLimitGate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots = threading.BoundedSemaphore(self.in_flight)

    def gate(self, domain: str) -> RateLimitGate:
        """Return the gate that all readers of a domain share."""
        return self.gates.setdefault(domain, RateLimitGate(domain, self.limits, self.stop))

    def get(
        self,
        url: str,
        params: Params,
        domain: str,
        read: Callable[[bytes], T],
        headers: Mapping[str, str] | None = None,
    ) -> Response[T]:
        """Fetch one page, waiting out what passes.

        Args:
            url: Absolute, or a path below ``base_url``.
            params: Query parameters, in order; empty if the URL has its query already.
            domain: Whose throttling counts.
            read: Turns the body into a value; raises ShapeError when it is another shape, and
                msgspec.DecodeError when it is no JSON at all.
            headers: More than the usual ones.

        Raises:
            ApiError: One of its kinds; see the errors module.
        """
        target = url if "://" in url else self.base_url + url
        return self._send_with_retries(
            domain, target, lambda value: self._send(target, params, value, headers), read
        )

    def post_form(self, url: str, form: Mapping[str, str], read: Callable[[bytes], T]) -> T:
        """Send a form without the login, as a token endpoint wants it.

        Raises:
            ApiError: One of its kinds; see the errors module.
        """

        def send(_: str) -> requests.Response:
            return self.session.post(
                url,
                data=dict(form),
                timeout=(self.limits.connect_timeout, self.limits.read_timeout),
                allow_redirects=False,
                stream=True,
            )

        return self._send_with_retries("the login", url, send, read, TOKEN_BYTES).value

    def _send(
        self, url: str, params: Params, login: str, headers: Mapping[str, str] | None
    ) -> requests.Response:
        return self.session.get(
            url,
            params=list(params),
            headers={"Authorization": login.encode(), **(headers or {})},
            timeout=(self.limits.connect_timeout, self.limits.read_timeout),
            allow_redirects=False,
            stream=True,
        )

    def _send_with_retries(
        self,
        domain: str,
        url: str,
        send: Callable[[str], requests.Response],
        read: Callable[[bytes], T],
        limit: int = PAGE_BYTES,
    ) -> Response[T]:
        gate = self.gate(domain)
        backoff = Backoff(self.limits.max_retry_seconds)
        tried = RenewalAttempts()
        while True:
            gate.wait()
            header = self.login.header()
            try:
                with self._slots, within(self.limits.request_timeout):
                    response = take(send(header), limit)
            except UnexpectedResponseError as error:
                raise _unexpected(error, url) from None
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                self._retry(backoff, url, describe_failure(error), error_type_for(error))
                continue
            if self._must_resend(gate, backoff, response, url):
                continue
            if response.status == 200:
                self.login.accept(header)
                try:
                    asked_at = server_time(response) - response.elapsed
                    return Response(_read(response.body, read, url), asked_at)
                except MalformedBodyError:
                    self._retry(backoff, url, "an answer that is no JSON", UnavailableError)
                    continue
            refusal = ErrorResponse(response.status, url, domain, _error_text(response))
            reason = self.explain(refusal)
            is_login = refusal.status == 401 and isinstance(reason, CredentialRefusedError)
            if is_login and self._has_new_token(header, tried):
                continue
            raise reason

    def _has_new_token(self, header: str, tried: RenewalAttempts) -> bool:
        """Tell whether there is another token to try than the one that was refused."""
        if tried.renewed_elsewhere < MAX_RENEWED_ELSEWHERE and self.login.header() != header:
            tried.renewed_elsewhere += 1
            return True
        if tried.is_renewed:
            return False
        tried.is_renewed = True
        return self.login.renew(header)

    def _must_resend(
        self, gate: RateLimitGate, backoff: Backoff, response: RawResponse, url: str
    ) -> bool:
        """Wait for what passes; tell whether the request has to be sent again."""
        status = response.status
        if status in THROTTLING_STATUSES and self._close_gate(gate, response):
            return True
        if status in TRANSIENT_STATUSES:
            self._retry(backoff, url, f"HTTP {status}", UnavailableError)
            return True
        gate.answered()
        return False

    def _close_gate(self, gate: RateLimitGate, response: RawResponse) -> bool:
        """Close the gate if this is throttling; a bare 503 is a failure like 502."""
        now = server_time(response)
        asked = retry_after_seconds(response.headers.get("Retry-After"), now)
        if response.status == 503 and asked is None:
            return False
        gate.throttle(asked, _log_throttling)
        return True

    def _retry(self, backoff: Backoff, url: str, what: str, kind: type[UnavailableError]) -> None:
        seconds = None if self.stop.is_set() else backoff.next_wait()
        parts = urlsplit(url)
        if seconds is None:
            _give_up(kind, parts.hostname, parts.path, what, backoff.tries + 1)
        log.warning(
            "%s %s: %s; try %d in %.1f s",
            parts.hostname,
            parts.path,
            what,
            backoff.tries + 1,
            seconds,
        )
        self.stop.wait(seconds)


def _give_up(
    kind: type[UnavailableError], host: str | None, path: str, what: str, tries: int
) -> NoReturn:
    check = "Check base_url and the network. " if kind is UnreachableError else ""
    raise kind(
        f"{host} could not be read at {path}: {what}, {tries} tries.",
        f"{check}Run again later; the run goes on where it stopped. max_retry_seconds says how long"
        " one request is tried.",
    )


def _read(body: bytes, read: Callable[[bytes], T], url: str) -> T:
    try:
        return read(body)
    except UnexpectedResponseError as error:
        raise _unexpected(error, url) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBodyError from None


def _unexpected(error: UnexpectedResponseError, url: str) -> UnexpectedResponseError:
    """Return the error of an answer that is not what was asked for, with its address."""
    parts = urlsplit(url)
    return UnexpectedResponseError(
        f"{parts.hostname} {parts.path} answered in another shape: {error.cause}",
        error.remedy or "Nothing was taken from this page; look for a newer version.",
    )


def _error_text(response: RawResponse) -> str:
    """Return the server's own words, if it has any."""
    try:
        said = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        is_text = "html" not in response.headers.get("Content-Type", "")
        return response.body[:300].decode("utf-8", "replace") if is_text else ""
    if isinstance(said, dict):
        return str(said.get("error") or said.get("detail") or "")
    return ""


def server_time(response: RawResponse) -> datetime:
    """Return the server's own clock; ours if it does not say."""
    return http_date(response.headers.get("Date")) or datetime.now(UTC)


def _log_throttling(domain: str, seconds: float) -> None:
    log.warning("event=throttled domain=%s wait_seconds=%.2f", domain, seconds)
