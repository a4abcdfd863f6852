"""HQ's OAuth flow in a browser."""

import base64
import hashlib
import html
import re
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
import requests

BACK = "http://127.0.0.1:4567/callback"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


class Browser:
    """Follows links and submits forms until it leaves HQ."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.page = None

    def open(self, **changes):
        asked = {
            "response_type": "code",
            "client_id": self.sandbox.client_id,
            "redirect_uri": BACK,
            "scope": "access_apis",
            "state": "a b&c",
            "code_challenge": CHALLENGE.decode(),
            "code_challenge_method": "S256",
        } | changes
        asked = {name: value for name, value in asked.items() if value is not None}
        return self._ask("GET", f"{self.sandbox.url}/oauth/authorize/?{urlencode(asked)}")

    def press(self, button, **changes):
        fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', self.page.text))
        buttons = re.findall(r'<button type="submit" name="(\w+)"', self.page.text)
        assert button in buttons
        form = {name: html.unescape(value) for name, value in fields.items()}
        form = {n: v for n, v in form.items() if n not in buttons or n == button} | changes
        action = re.search(r'action="([^"]*)"', self.page.text)
        url = urljoin(self.page.url, html.unescape(action[1])) if action else self.page.url
        return self._ask("POST", url, form)

    def _ask(self, method, url, form=None):
        self.page = self.session.request(method, url, data=form, allow_redirects=False, timeout=120)
        while self.page.is_redirect:
            url = urljoin(self.page.url, self.page.headers["Location"])
            if not url.startswith(self.sandbox.url):
                return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            self.page = self.session.get(url, allow_redirects=False, timeout=120)
        return self.page


@pytest.fixture
def browser(hq):
    return Browser(hq.sandbox)


def exchange(sandbox, code, **changes):
    form = {
        "grant_type": "authorization_code",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return requests.post(f"{sandbox.url}/oauth/token/", data=form | changes, timeout=120)


def allowed(browser):
    browser.open()
    browser.press("login")
    return browser.press("allow")


def test_a_person_logs_in_allows_and_comes_back_with_a_code_and_the_state(hq, browser):
    asked_to_log_in = browser.open()
    asked_to_allow = browser.press("login")
    came_back = browser.press("allow")
    tokens = exchange(hq.sandbox, came_back["code"]).json()
    login = {"Authorization": f"Bearer {tokens['access_token']}"}

    assert "<h1>Log In</h1>" in asked_to_log_in.text
    assert BACK in asked_to_allow.text
    assert came_back["state"] == "a b&c"
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == (
        "Bearer",
        900,
        "access_apis",
    )
    assert hq.ask("case/v2/", headers=login).status_code == 200


def test_every_login_has_refresh_tokens_of_its_own(hq, browser):
    sandbox = hq.sandbox
    first = exchange(sandbox, allowed(browser)["code"]).json()
    second = exchange(sandbox, allowed(Browser(sandbox))["code"]).json()
    client = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}

    def renew(token):
        form = client | {"grant_type": "refresh_token", "refresh_token": token}
        return requests.post(f"{sandbox.url}/oauth/token/", data=form, timeout=120)

    third = renew(first["refresh_token"])
    assert third.status_code == 200
    assert renew(first["refresh_token"]).json() == {"error": "invalid_grant"}
    assert renew(second["refresh_token"]).status_code == 200
    form = client | {"token": third.json()["refresh_token"]}
    assert requests.post(f"{sandbox.url}/oauth/revoke_token/", data=form, timeout=120).ok
    assert renew(third.json()["refresh_token"]).json() == {"error": "invalid_grant"}
    assert renew(sandbox.refresh_token).status_code == 200


def test_a_wrong_password_is_told_and_can_be_tried_again(browser):
    browser.open()
    refused = browser.press("login", password="wrong")
    let_in = browser.press("login")

    assert "was incorrect" in refused.text
    assert "Authorize access" in let_in.text


def test_a_person_who_says_no_comes_back_without_a_code(browser):
    browser.open()
    browser.press("login")

    assert browser.press("cancel") == {"error": "access_denied", "state": "a b&c"}


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:4567/callback/",
        "http://127.0.0.1:4567/callback?x=1",
        "http://127.0.0.1:4567/Callback",
        "http://127.0.0.1.evil.example:4567/callback",
        "http://user@127.0.0.1:4567/callback",
        "http://localhost:4567/callback",
        "https://127.0.0.1:4567/callback",
        "http://127.0.0.1:99999/callback",
        None,
    ],
)
def test_no_browser_is_sent_to_an_address_that_is_not_registered(browser, uri):
    browser.open(redirect_uri=uri)
    page = browser.press("login")

    assert (page.status_code, "Mismatching redirect URI" in page.text) == (400, True)


def test_a_registered_address_with_a_port_fits_that_port_only(hq, browser):
    hq.sandbox.set(redirect_uris="http://127.0.0.1:4567/callback")
    browser.open()

    assert "Authorize access" in browser.press("login").text
    assert browser.open(redirect_uri="http://127.0.0.1:4568/callback").status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "md5"}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_a_request_that_does_not_fit_goes_back_with_its_error(browser, changes, error):
    browser.open(**changes)
    came_back = browser.press("login")

    assert (came_back["error"], came_back["state"]) == (error, "a b&c")


def test_an_unknown_client_is_told_on_the_page(browser):
    browser.open(client_id="nobody")

    assert browser.press("login").status_code == 400


def test_a_form_of_another_page_allows_nothing(browser):
    browser.open()
    browser.press("login")

    assert browser.press("allow", csrfmiddlewaretoken="guess").status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 50},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:4568/callback"},
        {"code": "made-up"},
    ],
)
def test_a_code_is_good_only_as_it_was_asked_for_and_only_once(hq, browser, changes):
    code = allowed(browser)["code"]
    wrong = exchange(hq.sandbox, **{"code": code} | changes)

    assert (wrong.status_code, wrong.json()) == (400, {"error": "invalid_grant"})
    if "code" not in changes:
        assert exchange(hq.sandbox, code).status_code == 400
        return
    assert exchange(hq.sandbox, code).status_code == 200
    assert exchange(hq.sandbox, code).status_code == 400


def test_pkce_can_be_left_out_where_the_client_need_not_use_it(hq, browser):
    hq.sandbox.set(pkce_required=False)
    browser.open(code_challenge=None, code_challenge_method=None)
    browser.press("login")

    code = browser.press("allow")["code"]
    assert exchange(hq.sandbox, code, code_verifier="").status_code == 200
