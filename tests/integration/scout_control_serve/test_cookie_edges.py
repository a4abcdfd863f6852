"""Requests of programs' addresses with the cookie of a browser: what other sites could cause."""

from __future__ import annotations

import re

import pytest
from scout_control.access import sign_in
from scout_control.rules.sessions import form_token
from scout_control.serve.app import create_app
from scout_control.serve.hosting import PORT, Hosting
from scout_control.serve.routers import ROUTERS
from support.asgi import InProcess

ORIGIN, COOKIE = f"http://127.0.0.1:{PORT}", f"scout-session-{PORT}"
SAFE = {"GET", "HEAD"}
ROUTES = [
    (method, re.sub(r"\{\w+\}", "none", route.path))
    for router in ROUTERS
    for route in router.routes
    if route.path.startswith("/api/")
    for method in sorted(route.methods)
]
CHANGING = [each for each in ROUTES if each[0] not in SAFE]
ME = "/api/datasources/people/me/"
SESSION = "/api/session/"


@pytest.fixture(scope="module")
def served(shared_installation):
    scout = shared_installation.scout
    scout.people.add("dan", roles=["operator"])
    with InProcess(create_app(scout)) as app:
        yield scout, app


@pytest.fixture
def browse(served):
    """Sends what a browser sends that is signed in as dan."""
    scout, app = served
    secret = sign_in.with_token(scout.installation, scout.tokens.create("dan").token).secret

    def send(address, method="GET", body=b"", *more, **headers):
        sent = {"cookie": f"{COOKIE}={secret}", "origin": ORIGIN, "sec_fetch_site": "same-origin"}
        return app.ask(address, method, body, *more, **{**sent, **headers})

    send.secret, send.token = secret, form_token(secret)
    yield send
    sign_in.sign_out(scout.installation, secret)


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_nothing_is_changed_by_a_request_that_another_site_caused(browse, method, path):
    for headers in (
        {},
        {"x_csrf_token": ""},
        {"x_csrf_token": form_token("")},
        {"x_csrf_token": browse.token, "origin": "https://attack.example"},
        {"x_csrf_token": browse.token, "sec_fetch_site": "same-site"},
        {"content_type": "text/plain", "origin": "null"},
    ):
        body = b"" if method == "DELETE" or "content_type" in headers else b"{}"
        answer = browse(path, method, body, **headers)
        assert (answer.status, answer.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
    # Our own page reaches what it asks for: something that does not exist, or lacks fields.
    assert browse(SESSION).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [each for each in CHANGING if each != ("DELETE", SESSION)]
)
def test_a_request_of_our_own_page_is_let_through_to_what_is_wrong_with_it(browse, method, path):
    answer = browse(path, method, b"{}" if method != "DELETE" else b"", x_csrf_token=browse.token)

    assert answer.status != 403 or "form" not in answer.json()["error"]["message"]
    assert answer.status < 500


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        f"{COOKIE}=",
        f"{COOKIE}=x",
        f"{COOKIE}=" + "x" * 5000,
        f"{COOKIE}=%00",
        f"{COOKIE}=é",
        "scout-session-1={secret}",
        "__Host-scout-session={secret}",
        "scout-session={secret}",
        f"{COOKIE}x={{secret}}",
        f" {COOKIE.upper()}={{secret}}",
        f"{COOKIE}={{secret}}x",
        f'{COOKIE}="{{secret}}x"',
        f"{COOKIE}={{secret}}; {COOKIE}=x",
    ],
)
def test_a_cookie_of_another_name_or_value_signs_no_one_in(browse, cookie):
    answer = browse(ME, cookie=cookie.format(secret=browse.secret))

    assert answer.status == 401, cookie
    assert browse.secret.encode() not in answer.body


def test_of_two_sessions_in_a_request_none_is_chosen_whatever_their_order(browse):
    """Another page of this machine, on another port, can plant the second one."""
    for cookie in (
        f"{COOKIE}=x; {COOKIE}={browse.secret}",
        f"{COOKIE}={browse.secret}; {COOKIE}=x",
    ):
        assert browse(ME, cookie=cookie).status == 401
    assert browse(ME).status == 200


@pytest.mark.parametrize("sent", ["Bearer x", "Basic x", "", "Bearer "])
def test_beside_an_authorization_header_a_cookie_is_not_looked_at(browse, sent):
    assert browse(ME, authorization=sent).status == 401
    assert browse(SESSION, authorization=sent).status == 401


def test_a_token_shows_no_session_and_ends_none(served, browse):
    scout, _ = served
    bearer = f"Bearer {scout.tokens.create('dan').token}"

    for method in ("GET", "DELETE"):
        assert browse(SESSION, method, authorization=bearer).status == 401
    assert browse(SESSION).json()["csrf_token"] == browse.token


def test_who_signs_out_is_out_and_the_cookie_goes(browse):
    answer = browse(SESSION, "DELETE", x_csrf_token=browse.token)

    assert answer.status == 204
    assert answer.headers["set-cookie"].startswith(f'{COOKIE}=""; ')
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert browse(SESSION).status == 401


def test_by_tls_the_cookie_is_of_this_host_alone(served):
    scout, _ = served
    public = Hosting(public_url="https://scout.example.org", proxies=("127.0.0.1",))
    token = scout.tokens.create("dan").token
    with InProcess(create_app(scout, public)) as app:
        shown = app.ask("/sign-in/", host="scout.example.org", accept="text/html")
        secret = sign_in.with_token(scout.installation, token).secret
        found = {
            name: app.ask(ME, host="scout.example.org", cookie=f"{name}={secret}").status
            for name in ("__Host-scout-session", COOKIE, "scout-session", "__Host-scout-session-1")
        }

    cookie = shown.headers["set-cookie"]
    assert cookie.startswith("__Host-scout-browser=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    assert found == dict.fromkeys(found, 401) | {"__Host-scout-session": 200}
