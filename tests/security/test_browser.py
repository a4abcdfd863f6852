"""What other sites, other people and wrong tokens achieve against who is signed in."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import socket

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from scout_control.access.attempts import MOST_OF_ADDRESS
from scout_control.rules.own_pages import SAFE_METHODS
from scout_control.rules.sessions import form_token
from scout_control.serve.page import pages
from scout_control.serve.routers import ROUTERS
from support.web import served, served_here

SESSION_OF = "scout-session"
DATASETS = "/api/datasources/datasets/"
APP = FastAPI()
for router in (*ROUTERS, *pages.ROUTERS):
    APP.include_router(router)
ROUTES = [
    (method, each.path)
    for each in iter_route_contexts(APP.routes)
    for method in sorted(each.methods or ())
]
CHANGES = [each for each in ROUTES if each[0] not in SAFE_METHODS]


@pytest.fixture(scope="module")
def page(shared_world):
    """A browser in which an operator is signed in, who is an admin of a project."""
    scout = shared_world.scout
    shared_world.dataset("river")
    shared_world.dataset("lake")
    scout.people.add("olga", roles=["operator"])
    scout.members.add("river", "olga", role="admin")
    with served_here(scout) as page:
        page.sign_in(scout.tokens.create("olga").token)
        yield page


def secret_of(page):
    [found] = [each.value for each in page.http.cookies if each.name.startswith(SESSION_OF)]
    return found


def send(page, method, path, token=None, **headers):
    """Send a request with the cookie, as a form or as a script does."""
    path = re.sub(r"{[^}]*}", "x", path)
    given = {"Accept": "text/html"} | {
        name.replace("_", "-"): each for name, each in headers.items()
    }
    if path.startswith("/api/"):
        given |= {"Content-Type": "application/json"} | ({"X-CSRF-Token": token} if token else {})
        body = "{}"
    else:
        given["Content-Type"] = "application/x-www-form-urlencoded"
        body = f"csrf_token={token}" if token else ""
    return page.http.request(
        method, page.address + path, data=body, headers=given, allow_redirects=False, timeout=60
    )


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nothing_is_changed_for_another_site_or_without_the_token_of_a_form(page, method, path):
    own, other = form_token(secret_of(page)), form_token("x" * 43)
    attacks = [
        {},
        {"token": other},
        {"token": form_token("")},
        {"token": own, "Origin": "https://evil.example.org"},
        {"token": own, "Origin": "null"},
        {"token": own, "Origin": page.address.replace("127.0.0.1", "127.0.0.2")},
        {"token": own, "Origin": page.address, "Sec_Fetch_Site": "cross-site"},
        {"token": own, "Origin": page.address, "Sec_Fetch_Site": "same-site"},
    ]
    for attack in attacks:
        answer = send(page, method, path, **attack)

        assert answer.status_code == 403, (attack, answer.text)
    assert page.get("/api/session/").status_code == 200


@pytest.mark.parametrize("path", sorted({path for method, path in ROUTES if method == "GET"}))
def test_every_answer_has_the_headers_that_protect_a_browser(page, path):
    visitor = page.another()
    for browser in (page, visitor):
        headers = browser.get(re.sub(r"{[^}]*}", "x", path)).headers

        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}


def test_the_style_and_script_are_files_of_ours_and_no_page_has_inline_ones(page):
    for path in ("/", "/sign-in/", "/nothing/"):
        text = page.get(path).text

        assert "<style" not in text
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", text)
        assert not re.search(r"\s(style|on[a-z]+)=", text)
        assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert page.get("/static/page.css").headers["Content-Type"].startswith("text/css")
    assert page.get("/static/../pages.py").status_code == 404
    assert page.get("/static/%2e%2e/pages.py").status_code == 404


def test_a_cookie_reaches_no_further_than_its_person(shared_world, page):
    scout, visitor = shared_world.scout, page.another()
    scout.people.add("vera")
    scout.members.add("river", "vera")
    visitor.sign_in(scout.tokens.create("vera").token)
    [mine], [foreign] = (scout.datasets.list(project=each) for each in ("river", "lake"))

    json = {"Accept": "application/json"}
    for name in (foreign.id, foreign.schema, foreign.path.replace("/", "%2F")):
        assert visitor.get(f"{DATASETS}{name}/", headers=json).status_code == 404
    assert visitor.get(f"{DATASETS}{mine.id}/", headers=json).status_code == 200
    # Beside a token, even a wrong one, the cookie says nothing.
    beside = {"Authorization": "Bearer scout_" + "A" * 43} | json
    assert visitor.get(DATASETS, headers=beside).status_code == 401
    assert visitor.get(DATASETS, headers={"Authorization": "Basic eDp5"} | json).status_code == 401
    # Nor is a token accepted where only a browser signs in.
    token = {"Authorization": f"Bearer {scout.tokens.create('olga').token}"}
    assert page.another().get("/", headers=token).status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example.org",
        "/\\evil.example.org",
        "https://evil.example.org",
        "/x\r\nSet-Cookie: planted=1",
        "/\t/evil.example.org",
    ],
)
def test_no_sign_in_leads_to_another_site_or_sets_a_header(shared_world, page, target):
    visitor, token = page.another(), shared_world.scout.tokens.create("olga").token
    form = visitor.form("/sign-in/") | {"next": target}

    answer = visitor.post("/sign-in/", **form, token=token)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "planted" not in str(answer.headers)
    shown = visitor.get("/sign-in/", params={"next": target}).text
    assert "evil" not in shown
    assert "planted" not in shown


def test_a_page_that_is_not_there_leads_back_after_the_sign_in_as_text(page):
    visitor = page.another()
    path = '/datasets/"><script>alert(1)</script>/'

    answer = visitor.get(path)

    assert "<script>alert" not in answer.text
    assert "<script>alert" not in page.get(path).text


@pytest.mark.parametrize("host", ["evil.example.org", "127.0.0.1.evil.example.org", "", "a b"])
def test_no_other_name_leads_here(page, host):
    for path in ("/sign-in/", DATASETS, "/sign-in/provider/"):
        assert page.get(path, headers={"Host": host}).status_code == 400


def test_wrong_tokens_are_limited_and_none_is_logged(shared_world):
    """Who sends them cannot say that they come from elsewhere; who is known continues."""
    scout = shared_world.scout
    scout.people.add("wanda")
    good, later = (scout.tokens.create("wanda").token for _ in range(2))
    wrong = [f"scout_{number:043}" for number in range(MOST_OF_ADDRESS)]

    def ask(page, token, **headers):
        headers = {"Authorization": f"Bearer {token}"} | headers
        return requests.get(page.address + DATASETS, headers=headers, timeout=60)

    with served(shared_world.settings) as (page, _, said):
        assert page.sign_in(good).status_code == 303
        cookie = secret_of(page)
        for number, each in enumerate(wrong):
            forged = {"X-Forwarded-For": f"10.0.0.{number}", "X-Forwarded-Proto": "https"}
            answer = ask(page, each, **forged)
            assert answer.status_code == 401
            assert "Strict-Transport-Security" not in answer.headers
        limited = ask(page, later)
        assert limited.status_code == 429
        assert 0 < int(limited.headers["Retry-After"]) <= 60
        assert limited.json()["error"]["code"] == "RATE_LIMITED"
        visitor = page.another()
        form = visitor.sign_in(later)
        assert (form.status_code, "Too many wrong tokens" in form.text) == (429, True)
        assert visitor.get("/sign-in/link/" + "A" * 43).status_code == 429
        assert ask(page, good).status_code == 200
        assert page.get("/").status_code == 200
        visitor.get("/sign-in/callback/?state=canary&code=canary")
        page.get("/datasets/canary/")
    printed = "".join(said)
    assert "Traceback" not in printed
    for canary in (good, later, cookie, "canary", *wrong):
        assert canary not in printed


def certificate(folder):
    """Write a certificate for 127.0.0.1 and its key; return the options that name them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scout")])
    now, address = dt.datetime.now(dt.UTC), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now - day, now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    made = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]


def test_by_tls_the_cookie_belongs_to_this_host_and_goes_nowhere_in_clear(
    shared_world, page, tmp_path
):
    token = shared_world.scout.tokens.create("olga").token
    options = ["--host", "0.0.0.0", *certificate(tmp_path)]
    with served(shared_world.settings, *options) as (browser, _, said):
        browser.http.verify, browser.http.trust_env = str(tmp_path / "cert.pem"), False
        answer = browser.sign_in(token)

        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-scout-session=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert answer.headers["Strict-Transport-Security"]
        assert browser.get("/").status_code == 200
    assert "to sign in:" not in "".join(said)  # a link is for a terminal of this machine


def test_a_named_proxy_says_where_requests_come_from(shared_world, page):
    token = shared_world.scout.tokens.create("olga").token
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    public = "https://scout.example.org"
    options = ["--port", str(port), "--behind-proxy", "127.0.0.1", "--public-url", public]
    with served(shared_world.settings, *options) as (browser, _, _):
        assert browser.address == public
        inner, proxied = f"http://127.0.0.1:{port}", {"Host": "scout.example.org"}
        proxied |= {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
        browser.address = inner
        shown = browser.get("/sign-in/", headers=proxied)
        cookie = shown.headers["Set-Cookie"]
        assert cookie.startswith("__Host-scout-browser=")
        assert "Secure" in cookie
        [field] = re.findall(r'name="csrf_token" value="([^"]*)"', shown.text)
        sent = {"Origin": public, "Cookie": cookie.partition(";")[0]}
        answer = requests.post(
            f"{inner}/sign-in/",
            data={"csrf_token": field, "token": token},
            headers=proxied | sent,
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == 303
        wrong = {"Authorization": "Bearer wrong"} | proxied
        for _ in range(MOST_OF_ADDRESS):
            requests.get(inner + DATASETS, headers=wrong, timeout=60)
        assert requests.get(inner + DATASETS, headers=wrong, timeout=60).status_code == 429
        other = wrong | {"X-Forwarded-For": "198.51.100.8"}
        assert requests.get(inner + DATASETS, headers=other, timeout=60).status_code == 401
