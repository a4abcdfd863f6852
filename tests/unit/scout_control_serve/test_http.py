"""Requests and responses before and after the endpoints: bounds, slashes, headers, 304."""

from __future__ import annotations

import asyncio
import json

import pytest
from scout_control.serve import http
from scout_control.serve.http import HttpRules
from starlette.exceptions import HTTPException


def answer(path="/api/x/", method="GET", headers=(), body=(b"",), reply=None):
    """Return the status, the headers and the body of a response, and the path as answered."""
    sent, seen = [], {}
    messages = [{"type": "http.request", "body": each} for each in body]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    async def app(scope, receive_, send_):
        seen["path"] = scope["path"]
        while messages:
            await receive_()
        start = {"type": "http.response.start", "status": 200, "headers": reply or []}
        await send_(start)
        await send_({"type": "http.response.body", "body": b"{}"})

    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": raw.replace("%00", "\0").replace("%ff", "\ufffd"),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(HttpRules(app)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], seen.get("path")


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/api/datasources/datasets", "/api/datasources/datasets/"),
        ("/api/datasources/datasets/", "/api/datasources/datasets/"),
        ("/api/openapi.json", "/api/openapi.json"),
        ("/api/docs", "/api/docs"),
        ("/health", "/health"),
        ("/mcp", "/mcp"),
    ],
)
def test_addresses_of_the_interface_are_completed_without_a_redirect(path, answered):
    status, _, _, seen = answer(path)

    assert (status, seen) == (200, answered)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/" + "a" * http.LONGEST_ADDRESS, (), 414),
        ("/api/?" + "a" * http.LONGEST_ADDRESS, (), 414),
        ("/api/a%00/", (), 400),
        ("/api/?a=%00", (), 400),
        ("/api/%ff/", (), 400),
        ("/api/a/", (("content-length", str(http.LARGEST_BODY + 1)),), 413),
        ("/api/a/", (("content-length", "-1"),), 413),
        ("/api/a/", (("content-length", "9" * 30),), 413),
        ("/api/a/", (("content-length", "2"), ("content-type", "text/plain")), 415),
        ("/api/a/", (("transfer-encoding", "chunked"),), 415),
    ],
)
def test_what_cannot_be_answered_is_refused_before_anything_reads_it(path, headers, status):
    found, headers, body, seen = answer(path, "POST", headers)

    assert (found, seen) == (status, None)
    assert json.loads(body)["error"]["code"] == "VALIDATION_ERROR"
    assert headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/a/", "application/json; charset=utf-8"),
        ("/api/a/", "application/merge-patch+json"),
        ("/api/datasources/oauth/callback/", "application/x-www-form-urlencoded"),
        ("/sign-in", "application/x-www-form-urlencoded"),
    ],
)
def test_json_is_accepted_and_forms_where_browsers_send_them(path, kind):
    assert answer(path, "POST", (("content-length", "2"), ("content-type", kind)))[0] == 200


def test_a_body_of_unknown_size_is_read_up_to_the_largest():
    headers = (("transfer-encoding", "chunked"), ("content-type", "application/json"))
    half = b" " * (http.LARGEST_BODY // 2)

    assert answer(method="POST", headers=headers, body=(half, half))[0] == 200
    with pytest.raises(HTTPException) as refused:
        answer(method="POST", headers=headers, body=(half, half, b" "))
    assert refused.value.status_code == 413


def test_headers_are_added_and_those_of_an_endpoint_stay():
    own = [(b"Content-Security-Policy", b"default-src 'self'")]
    _, headers, _, _ = answer(reply=own)

    assert headers[b"content-security-policy"] == b"default-src 'self'"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert answer()[1][b"content-security-policy"].startswith(b"default-src 'none'")


@pytest.mark.parametrize(
    ("known", "status"), [('"a"', 304), ('W/"a"', 304), ("*", 304), ('"b", "a"', 304), ('"b"', 200)]
)
def test_what_the_caller_has_already_is_not_sent_again(known, status):
    tag = [(b"etag", b'"a"'), (b"content-length", b"2")]
    found, headers, body, _ = answer(headers=(("if-none-match", known),), reply=tag)

    assert (found, body) == (status, b"" if status == 304 else b"{}")
    assert (b"content-length" in headers) == (status == 200)
    changed = answer(method="POST", headers=(("if-none-match", known),), reply=tag)
    assert changed[0] == 200
