"""The HTTP client on a session in memory: what is sent again, and what is an error."""

from __future__ import annotations

import io
import itertools
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
import requests
import urllib3
from tap_common.auth import RefreshTokenAuth, StaticAuth, TokenResponse
from tap_common.client import ApiClient, ErrorResponse, same_origin
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    ForbiddenError,
    RateLimitError,
    ReadTimeoutError,
    UnavailableError,
    UnexpectedResponseError,
    UnreachableError,
)
from tap_common.json_decoder import JsonDecoder
from tap_common.throttling import RequestLimits
from tap_common.transfer import MAX_ERROR_BYTES

DECODE = JsonDecoder(dict[str, int], "numbers")
OK = (200, {}, {"a": 1})


def response(status: int, headers: dict[str, str], body: Any) -> requests.Response:
    made = requests.Response()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    made.raw = urllib3.HTTPResponse(io.BytesIO(data), headers, status, preload_content=False)
    made.status_code = status
    made.headers.update(headers)
    made.elapsed = timedelta()
    return made


class Session:
    """Answers requests with the given responses, in order; the last one again and again."""

    def __init__(self, *responses: Any) -> None:
        self._responses = list(responses)
        self.headers: list[str] = []

    def get(self, _url: str, *, headers: dict[str, Any], **_: Any) -> requests.Response:
        self.headers.append(headers["Authorization"].decode())
        found = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        if isinstance(found, Exception):
            raise found
        return response(*found)


def to_error(refused: ErrorResponse) -> ApiError:
    kind = CredentialRefusedError if refused.status == 401 else ForbiddenError
    return kind(f"{refused.location} {refused.status}: {refused.text}")


class NoWait(threading.Event):
    """An event that counts waits instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return True


def client(session: Session, auth: Any = None, **limits: float) -> ApiClient:
    return ApiClient(
        base_url="https://hq.example.org",
        auth=auth or StaticAuth("ApiKey x"),
        limits=RequestLimits(**limits),
        to_error=to_error,
        session=session,
        stop=NoWait(),
    )


def get(made: ApiClient) -> dict[str, int]:
    return made.get("/a/", (), "d", DECODE).value


@pytest.mark.parametrize(
    "transient",
    [
        (500, {}, {}),
        (502, {}, b"<html>"),
        (503, {}, {}),
        (429, {"Retry-After": "1"}, {}),
        (503, {"Retry-After": "0.5"}, {}),
        (200, {}, b'{"a": 1'),
        (200, {}, b"<html></html>"),
        (200, {"Content-Encoding": "gzip"}, b"no gzip"),
        requests.ConnectionError(),
        requests.ReadTimeout(),
    ],
    ids=str,
)
def test_a_transient_failure_is_retried(transient):
    session = Session(transient, OK)
    made = client(session)

    assert get(made) == {"a": 1}
    assert len(session.headers) == 2
    assert len(made.stop.waits) == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ((500, {}, {}), UnavailableError),
        (requests.ConnectionError(), UnreachableError),
        (requests.ReadTimeout(), ReadTimeoutError),
    ],
    ids=str,
)
def test_a_lasting_failure_ends_after_the_time_for_retries(failure, error):
    with pytest.raises(error) as raised:
        get(client(Session(failure), max_retry_seconds=0))

    assert type(raised.value) is error
    assert "hq.example.org /a/ could not be read" in str(raised.value)


def test_a_long_wait_is_not_waited_for():
    with pytest.raises(RateLimitError):
        get(client(Session((429, {"Retry-After": "900"}, {})), max_rate_limit_wait=300))


@pytest.mark.parametrize("body", [{"b": "x"}, [], {"a": None}])
def test_another_shape_is_an_error_at_once(body):
    session = Session((200, {}, body))

    with pytest.raises(UnexpectedResponseError, match=r"from hq\.example\.org /a/: expected"):
        get(client(session))
    assert len(session.headers) == 1


def test_an_error_response_is_read_in_part_and_explained():
    long = (403, {}, json.dumps({"error": "no"}).encode().ljust(10 * MAX_ERROR_BYTES))

    with pytest.raises(ForbiddenError, match=r"hq\.example\.org /a/ 403: no"):
        get(client(Session((403, {}, {"error": "no"}))))
    with pytest.raises(ForbiddenError):
        get(client(Session(long)))


def test_a_content_encoding_that_was_not_requested_is_an_error():
    with pytest.raises(UnexpectedResponseError, match="content encoding"):
        get(client(Session((200, {"Content-Encoding": "br"}, b"x"))))


def renewing() -> tuple[RefreshTokenAuth, list[str]]:
    numbers = itertools.count(1)
    spent: list[str] = []

    def exchange(token: str) -> TokenResponse:
        spent.append(token)
        number = next(numbers)
        return TokenResponse(access_token=f"a{number}", refresh_token=f"r{number}")

    return RefreshTokenAuth("r0", exchange, None), spent


def test_a_refused_token_is_renewed_once():
    auth, spent = renewing()
    session = Session((401, {}, {}), OK)

    assert get(client(session, auth)) == {"a": 1}
    assert session.headers == ["Bearer a1", "Bearer a2"]
    assert spent == ["r0", "r1"]


def test_a_new_token_that_is_refused_too_is_an_error():
    auth, spent = renewing()

    with pytest.raises(CredentialRefusedError):
        get(client(Session((401, {}, {})), auth))
    assert len(spent) == 2


@pytest.mark.parametrize(
    "link", ["https://evil.example/a/?x=1", "http://hq.example.org/a/?x=1", "/a/?x=1"]
)
def test_a_link_is_followed_on_the_same_host_only(link):
    assert same_origin(link, "https://hq.example.org") == "https://hq.example.org/a/?x=1"


@pytest.mark.parametrize(
    ("transient", "reason", "seconds"),
    [
        ((429, {"Retry-After": "7"}, {}), "HTTP 429, the rate limit of d", 7.0),
        ((503, {"Retry-After": "3"}, {}), "HTTP 503, the rate limit of d", 3.0),
        ((502, {}, {}), "HTTP 502, try 2 (giving up in 300 s)", 0.5),
        (requests.ConnectionError(), "no connection, try 2 (giving up in 300 s)", 0.5),
        (requests.ReadTimeout(), "timed out, try 2 (giving up in 300 s)", 0.5),
        ((200, {}, b"<html>"), "the response is not JSON, try 2 (giving up in 300 s)", 0.5),
    ],
    ids=str,
)
def test_each_wait_is_logged_with_its_reason_and_length(caplog, transient, reason, seconds):
    """As text for people in a pipe, and as a field that Meltano passes on as JSON."""
    get(client(Session(transient, OK)))
    [record] = [each for each in caplog.records if each.name == "tap_common.waits"]

    assert record.waiting["reason"] == reason
    assert seconds / 2 <= record.waiting["seconds"] <= seconds
    assert record.getMessage().startswith(f"waiting {record.waiting['seconds']:.1f} s: ")
    assert reason in record.getMessage()


def test_the_time_that_is_left_for_retries_runs_down(caplog):
    with pytest.raises(UnreachableError):
        get(client(Session(requests.ConnectionError()), max_retry_seconds=0.05))
    reasons = [each.waiting["reason"] for each in caplog.records]

    assert reasons[0] == "no connection, try 2 (giving up in 0 s)"
    assert all("try" in reason for reason in reasons)


def test_a_quick_response_is_no_wait(caplog):
    made = client(Session(OK))
    for _ in range(3):
        get(made)

    assert caplog.records == []
