"""Every page, whatever it is: without a session, from another site, with odd names and forms."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from scout_control.access import sign_in
from scout_control.rules.sessions import form_token
from scout_control.serve.app import create_app
from scout_control.serve.hosting import PORT
from scout_control.serve.page.pages import ROUTERS
from support.asgi import InProcess

ROUTES = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    for method in sorted(route.methods)
]
FOR_ANYONE = ("/sign-in/",)
PAGES = [path for method, path in ROUTES if method == "GET" and not path.startswith(FOR_ANYONE)]
FORMS = [path for method, path in ROUTES if method == "POST" and not path.startswith(FOR_ANYONE)]
ENDING = ("/sign-out/", "/account/sessions/")
"""What ends the session that the tests share."""
FORM_TYPE = "application/x-www-form-urlencoded"
ORIGIN = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def served(shared_installation):
    scout = shared_installation.scout
    scout.projects.create("river")
    scout.people.add("dan", roles=["operator"])
    scout.members.add("river", "dan", role="admin")
    session = sign_in.with_token(scout.installation, scout.tokens.create("dan").token)
    with InProcess(create_app(scout)) as app:
        yield scout, app, session.secret


@pytest.fixture
def browse(served):
    """Sends what a browser sends, signed in or not."""
    _, app, secret = served

    def send(address, method="GET", fields=None, *, is_signed_in=True, **headers):
        body = urlencode(fields or {}).encode() if method == "POST" else b""
        sent = {"accept": "text/html", "sec_fetch_site": "same-origin"} | headers
        if is_signed_in:
            sent["cookie"] = f"scout-session-{PORT}={secret}"
        if method == "POST":
            sent = {"content_type": FORM_TYPE, "origin": ORIGIN} | sent
        return app.ask(address, method, body, **sent)

    return send


def fill(path, name="none"):
    return re.sub(r"\{\w+\}", name, path)


def is_safe(answer):
    """Return whether a page has the policy that lets nothing of a row run."""
    policy = answer.headers["content-security-policy"]
    return "script-src 'self'" in policy and answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_a_session_leads_to_the_sign_in_and_back(browse, path):
    address = fill(path) + "?page=2"
    answer = browse(address, is_signed_in=False)
    part = browse(address, is_signed_in=False, hx_request="true")

    assert answer.status == 303
    place = urlsplit(answer.headers["location"])
    assert place.path == "/sign-in/"
    assert parse_qs(place.query).get("next", [address]) == [address]
    assert (part.status, part.headers["hx-redirect"][:9]) == (401, "/sign-in/")
    assert b"dan" not in answer.body + part.body


@pytest.mark.parametrize("path", FORMS)
def test_a_form_is_taken_from_our_own_pages_only(served, browse, path):
    scout, _, secret = served
    token, before = form_token(secret), len(scout.audit.list(limit=1000))
    address = fill(path)
    for headers, fields in (
        ({"origin": "https://attack.example"}, {"csrf_token": token}),
        ({"origin": "null"}, {"csrf_token": token}),
        ({"origin": f"{ORIGIN}.attack.example"}, {"csrf_token": token}),
        ({"sec_fetch_site": "cross-site"}, {"csrf_token": token}),
        ({"sec_fetch_site": "same-site"}, {"csrf_token": token}),
        ({}, {}),
        ({}, {"csrf_token": form_token("")}),
        ({}, {"csrf_token": token[:-1]}),
        ({}, {"csrf_token": token.lower()}),
        ({}, {"csrf_token": "\udcff\0".encode("utf-8", "surrogateescape")}),
        ({"x_csrf_token": "x"}, {}),
    ):
        answer = browse(address, "POST", fields, **headers)
        assert answer.status == 403, (headers, fields, answer.status)
        assert is_safe(answer)
    assert browse(address, "POST", {"csrf_token": token}, is_signed_in=False).status == 303
    assert len(scout.audit.list(limit=1000)) == before


@pytest.mark.parametrize(
    ("address", "method", "status"), [("/datasets/a/b/c/", "GET", 404), ("/projects/", "POST", 405)]
)
def test_an_address_that_no_page_has_is_told_in_words_of_the_page(browse, address, method, status):
    answer = browse(address, method)

    assert answer.status == status
    assert b"Use the links and buttons of the page." in answer.body
    assert b"openapi" not in answer.body


NAMES = ("%2e%2e", "a%2Fb", "%F0%9F%90%98", "%27%3B--", "0" * 32, "x" * 500, "x" * 501, "%25", "*")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_what_does_not_exist_says_so(served, browse, name):
    token = form_token(served[2])
    for path in filter(re.compile("{").search, PAGES):
        answer = browse(fill(path, name))
        assert answer.status in {404, 422}, (path, answer.status)
        assert answer.headers["content-type"].startswith("text/html")
        assert not re.search(rb"docs/|openapi", answer.body), path
        assert is_safe(answer)
    for path in filter(re.compile("{").search, FORMS):
        answer = browse(fill(path, name), "POST", {"csrf_token": token})
        assert 400 <= answer.status < 500, (path, answer.status, answer.body[-500:])


@pytest.mark.parametrize("path", [each for each in FORMS if not each.startswith(ENDING)])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"project": "none", "source": "none", "person": "none", "role": "none", "id": "none"},
        {
            "project": "river",
            "source": "../..",
            "person": "\0",
            "role": "admin",
            "name": "\x1b[31m",
        },
        {"project": "<script>alert(1)</script>", "source": "'\"><b>", "person": "<i>", "id": "<u>"},
        {"project": "x" * 9000, "source": "x" * 9000, "person": "x" * 9000, "id": "x" * 9000},
        {"dataset": "none", "sql": "SELECT", "alias": "A b", "keep": "-1", "interval": "1e9"},
    ],
    ids=["nothing", "unknown", "control", "markup", "long", "others"],
)
def test_a_form_with_other_values_is_answered_with_what_is_wrong(served, browse, path, fields):
    answer = browse(fill(path), "POST", fields | {"csrf_token": form_token(served[2])})

    assert answer.status < 500, answer.body[-800:]
    assert b"<script>alert(1)" not in answer.body
    assert b"'\"><b>" not in answer.body
    assert is_safe(answer)


@pytest.mark.parametrize(
    "place",
    [
        *("//attack.example", "/\\attack.example", "\\\\attack.example", "https://attack.example"),
        *("javascript:alert(1)", "/\tx", "/%0d%0aSet-Cookie:a=b", "/\r\nSet-Cookie: a=b", "x", ""),
        *("///attack.example", "/ /attack.example", "/é", "/" + "x" * 600, "data:text/html,x"),
    ],
)
def test_after_the_sign_in_one_comes_to_our_own_pages_only(served, place):
    scout, app, _ = served
    shown = app.ask(f"/sign-in/?next={quote(place)}", accept="text/html")
    cookie = shown.headers["set-cookie"].partition(";")[0]
    token = form_token(cookie.partition("=")[2])
    fields = {"csrf_token": token, "token": scout.tokens.create("dan").token, "next": place}

    answer = app.ask(
        "/sign-in/",
        "POST",
        urlencode(fields).encode(),
        cookie=cookie,
        content_type=FORM_TYPE,
        origin=ORIGIN,
    )

    assert (answer.status, urlsplit(answer.headers["location"]).netloc) == (303, "")
    assert re.fullmatch(r"/([^/\\\s].*)?", answer.headers["location"])
    assert "\n" not in answer.headers["location"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"csrf_token=x", "application/json", 415),
        (b"csrf_token=x", "multipart/form-data; boundary=x", 415),
        (b"csrf_token=x", "text/plain", 415),
        (b"a=" + b"x" * (1 << 17), FORM_TYPE, 413),
        (b"&".join(b"a%d=1" % number for number in range(101)), FORM_TYPE, 400),
        (b"\xff\xfe=1", FORM_TYPE, 400),
        (b"token=%00%ff", FORM_TYPE, 403),
        (b"", FORM_TYPE, 403),
    ],
)
def test_what_is_no_form_is_refused_before_anyone_is_signed_in(served, body, kind, status):
    answer = served[1].ask(
        "/sign-in/", "POST", body, content_type=kind, origin=ORIGIN, accept="text/html"
    )

    assert answer.status == status
    assert is_safe(answer)
    assert "set-cookie" not in answer.headers
