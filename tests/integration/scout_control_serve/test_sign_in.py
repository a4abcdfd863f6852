"""Signing in with a browser: by token, by link, at a provider; what a session may do; its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests
from scout_control.rules import sessions
from scout_control.store import models
from scout_control.store import sessions as stored
from sqlalchemy import select, update
from support import openid
from support.web import LINK, served

SESSION = "/api/session/"


@pytest.fixture(scope="module")
def provider():
    with openid.provider() as started:
        yield started


@pytest.fixture(scope="module")
def running(shared_installation, provider):
    """The installation, its server, and what that has said."""
    made = shared_installation
    environment = provider.environment | {"SCOUT_OIDC_NEW_PERSON_CLAIM": "username"}
    with served(made.settings, environment=environment) as (page, _, said):
        link = page_line(said, LINK)
        yield made.scout, page, link


def page_line(said, pattern):
    found = pattern.search("".join(said))
    return found[1] if found else None


@pytest.fixture
def scout(running):
    return running[0]


@pytest.fixture
def page(running):
    return running[1].another()


@pytest.fixture
def token(scout):
    """A token of a person who reads and writes."""
    if "ann" not in [each.id for each in scout.people.list()]:
        scout.people.add("ann")
    return scout.tokens.create("ann")


def signed_in_as(page):
    answer = page.get(SESSION, headers={"Accept": "application/json"})
    return answer.json().get("person") if answer.status_code == 200 else None


def test_a_token_signs_in_as_far_as_it_reaches_and_the_session_ends_with_it(scout, page):
    scout.people.add("reader")
    made = scout.tokens.create("reader", scope="read")

    answer = page.sign_in(made.token)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert page.get(SESSION).json()["scope"] == "read"
    assert "reader" in page.get("/").text
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert made.token not in cookie
    [listed] = scout.sessions.list("reader")
    assert (listed.method, listed.scope) == ("token", "read")
    scout.tokens.revoke(made.id)
    assert signed_in_as(page) is None
    assert page.get("/").headers["Location"] == "/sign-in/"


@pytest.mark.parametrize("sent", ["", "scout_" + "A" * 43, "<script>alert(1)</script>", "x" * 9000])
def test_a_wrong_token_is_told_and_not_repeated(page, sent):
    answer = page.sign_in(sent)

    assert answer.status_code in {401, 429}
    assert not sent or sent not in answer.text
    assert 'role="alert"' in answer.text
    assert signed_in_as(page) is None


def test_each_sign_in_gives_a_new_secret_and_ends_the_session_before(scout, page, token):
    """A secret that was planted in a browser is worth nothing (session fixation)."""
    before = page.form("/sign-in/")
    planted = "planted" * 6
    for cookie in list(page.http.cookies):
        name = "scout-session-" + cookie.name.rsplit("-", 1)[1]
        page.http.cookies.set(name, planted, domain=cookie.domain, path="/")
    page.post("/sign-in/", **before, token=token.token)
    [first] = [each.value for each in page.http.cookies if "session" in each.name]
    page.sign_in(token.token)
    [second] = [each.value for each in page.http.cookies if "session" in each.name]

    assert planted not in {first, second}
    assert first != second
    with scout.installation.store.begin() as session:
        assert stored.find(session, first) is None
        assert stored.find(session, second) is not None
        hashes = session.scalars(select(models.BrowserSession.hash)).all()
    assert sessions.digest(second) in hashes
    assert second.encode() not in b"".join(hashes)


def test_signing_out_ends_the_session_in_the_store(scout, page, token):
    page.sign_in(token.token)
    [secret] = [each.value for each in page.http.cookies if "session" in each.name]
    form = page.form("/")

    answer = page.post("/sign-out/", **form)

    assert answer.headers["Location"] == "/sign-in/"
    assert not [each for each in page.http.cookies if "session" in each.name]
    with scout.installation.store.begin() as session:
        assert stored.find(session, secret) is None


@pytest.mark.parametrize("column", ["last_used_at", "expires_at"])
def test_a_session_ends_when_idle_and_after_its_longest_time(scout, page, token, column):
    page.sign_in(token.token)
    assert signed_in_as(page) == "ann"

    past = datetime.now(UTC) - sessions.IDLE
    with scout.installation.store.begin() as session:
        session.execute(update(models.BrowserSession).values({column: past}))

    assert signed_in_as(page) is None


def test_a_person_who_is_made_inactive_is_out_at_once_and_stays_out(scout, page):
    scout.people.add("leaver")
    page.sign_in(scout.tokens.create("leaver").token)
    assert signed_in_as(page) == "leaver"

    scout.people.update("leaver", is_active=False)
    assert signed_in_as(page) is None
    scout.people.update("leaver", is_active=True)

    assert signed_in_as(page) is None
    assert scout.sessions.list("leaver") == []


def test_the_first_operator_signs_in_by_the_printed_link_once(running, page):
    _, _, link = running
    wrong = page.another().get(link[:-1] + ("A" if link[-1] != "A" else "B"))
    path = link.removeprefix(page.address)

    shown = page.get(path)
    answer = page.post(path, **page.form(path))

    assert (wrong.status_code, shown.status_code, answer.status_code) == (401, 200, 303)
    assert page.get(SESSION).json() | {"csrf_token": ""} == {
        "person": "operator", "scope": "full", "csrf_token": "",
    }  # fmt: skip
    second = page.another()
    assert second.get(link).status_code == 401
    assert signed_in_as(second) is None


@pytest.mark.parametrize("site", [None, "none", "same-origin", "same-site", "cross-site"])
def test_a_link_that_programs_look_at_is_not_used_up_by_that(scout, page, site):
    if "linked" not in [each.id for each in scout.people.list()]:
        scout.people.add("linked")
    path = scout.sessions.link("linked").path
    preview = {"User-Agent": "Slackbot-LinkExpanding 1.0", "Sec-Fetch-Site": site, "Accept": "*/*"}

    for method in ("GET", "GET", "HEAD", "OPTIONS", "PUT"):
        page.http.request(method, page.address + path, headers=preview, timeout=60)
    with_cookies = page.http.get(page.address + path, headers=preview, timeout=60)

    assert "Sign in as <bdi>linked</bdi>?" in with_cookies.text
    assert signed_in_as(page) is None
    clicked = page.another()
    assert clicked.post(path, **clicked.form(path)).status_code == 303
    assert signed_in_as(clicked) == "linked"
    assert page.post(path, **page.form("/sign-in/")).status_code == 401  # it was used


def test_no_other_site_signs_a_browser_in_with_its_link(scout, page, token):
    """Or it would see what a person does who does not know who they are here."""
    if "linked" not in [each.id for each in scout.people.list()]:
        scout.people.add("linked")
    path = scout.sessions.link("linked").path
    page.sign_in(token.token)
    fields, attackers = page.form(path), page.another().form(path)

    for site, origin, sent in (
        ("cross-site", "https://attack.example", fields),
        ("same-site", "http://127.0.0.1:1", fields),
        ("cross-site", None, fields),
        ("same-origin", "null", fields),
        ("same-origin", "", attackers),
        ("same-origin", "", {}),
    ):
        assert page.post(path, site=site, origin=origin, **sent).status_code == 403
        assert signed_in_as(page) == "ann"
    assert page.post(path, **fields).status_code == 303
    assert signed_in_as(page) == "linked"


def at_provider(page, provider, path="/sign-in/provider/"):
    """Go to the provider and come back, as a browser does."""
    begun = page.get(path)
    assert begun.status_code == 303, begun.text
    back = provider.authorize(begun.headers["Location"])
    return page.get(back, site="cross-site")


def test_a_person_signs_in_at_the_provider_and_comes_back_to_the_page(scout, page, provider):
    scout.people.add("ida", issuer=provider.issuer, subject="subject-of-ida")
    provider.claims = {"sub": "subject-of-ida"}

    answer = at_provider(page, provider, "/sign-in/provider/?next=/datasets/x/")

    assert answer.headers["Location"] == "/datasets/x/"
    assert page.get(SESSION).json()["scope"] == "full"
    assert signed_in_as(page) == "ida"


def test_an_unknown_person_is_added_only_under_an_id_without_anything(scout, page, provider):
    provider.claims = {"sub": "new", "username": "newcomer", "name": "New <b>Comer</b>"}
    assert at_provider(page, provider).headers["Location"] == "/"
    added = scout.people.show("newcomer")
    assert (added.subject, added.roles, added.name) == ("new", [], "New <b>Comer</b>")

    for claims in ({"sub": "thief", "username": "newcomer"}, {"sub": "y", "username": "a/b"}):
        provider.claims = claims
        other = page.another()
        refused = at_provider(other, provider)
        assert refused.status_code == 401
        assert signed_in_as(other) is None
    assert scout.people.show("newcomer").subject == "new"


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect": {"state": "of-another"}},
        {"redirect": {"code": "guessed"}},
        {"redirect": {"iss": "https://evil.example.org"}},
        {"redirect": {"code": "", "error": "<script>alert(1)</script>"}},
        {"id_token": {"nonce": "of-another"}},
        {"id_token": {"aud": "another-client"}},
        {"id_token": {"iss": "https://evil.example.org"}},
        {"id_token": {"exp": 1}},
    ],
)
def test_a_response_of_another_sign_in_or_token_lets_no_one_in(page, provider, changes):
    provider.claims = {"sub": "subject-of-ida"}
    provider.changes = changes
    try:
        answer = at_provider(page, provider)
    finally:
        provider.changes = {}

    assert answer.status_code in {401, 422}
    assert "<script>alert" not in answer.text
    assert signed_in_as(page) is None


def test_the_response_of_another_browser_lets_no_one_in_and_is_used_once(page, provider):
    provider.claims = {"sub": "subject-of-ida"}
    victim, back = page.another(), None
    begun = page.get("/sign-in/provider/")
    back = provider.authorize(begun.headers["Location"])

    assert victim.get(back, site="cross-site").status_code == 422
    assert signed_in_as(victim) is None
    assert page.get(back, site="cross-site").status_code == 303
    assert page.get(back, site="cross-site").status_code == 422


def test_programs_send_tokens_of_the_provider_whose_keys_may_change(scout, page, provider):
    provider.claims = {"sub": "subject-of-ida"}

    def ask(token):
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{page.address}/api/datasources/datasets/"
        return requests.get(address, headers=headers, timeout=60).status_code

    assert ask(provider.token()) == 200
    fetched = provider.requests.count("/keys")
    assert [ask(provider.token()) for _ in range(3)] == [200] * 3
    assert ask(provider.token(aud="another")) == 401
    assert ask(provider.token(exp=1)) == 401
    assert ask(provider.token(sub="unknown")) == 401
    assert provider.requests.count("/keys") == fetched
    scout.people.update("ida", is_active=False)
    assert ask(provider.token()) == 401
    scout.people.update("ida", is_active=True)


def test_what_has_ended_is_deleted_after_a_time(scout):
    later = datetime.now(UTC) + timedelta(days=2)
    with scout.installation.store.begin() as session:
        assert session.scalars(select(models.BrowserSession)).first()
        stored.purge(session, later)
        left = (
            session.scalars(select(each)).first()
            for each in (models.BrowserSession, models.SignInLink, models.Authorization)
        )

        assert list(left) == [None] * 3
