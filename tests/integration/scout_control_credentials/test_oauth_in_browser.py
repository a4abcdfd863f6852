"""Connecting an account in a browser: from our page to the source and back."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from scout_control.store import models
from sqlalchemy import select, update
from support.web import served_here

START, CALLBACK = "/api/datasources/oauth/start/", "/api/datasources/oauth/callback/"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def consent(url, answer="1"):
    """Allow access at the source, or deny it; return where the browser is sent."""
    form = urllib.parse.urlencode({"allow": answer} if answer else {}).encode()
    opener = urllib.request.build_opener(_NoRedirect)
    with pytest.raises(urllib.error.HTTPError) as redirect:
        opener.open(urllib.request.Request(url, data=form))
    redirect.value.close()
    return redirect.value.headers["Location"]


@pytest.fixture
def page(scout, source):
    """A browser in which ann, a member of the project, is signed in."""
    scout.people.add("ann")
    scout.people.add("ben")
    for person in ("ann", "ben"):
        scout.members.add("river", person, role="admin")
    with served_here(scout) as page:
        page.sign_in(scout.tokens.create("ann").token)
        yield page


def owners(scout):
    return [(each.project, each.user, each.status) for each in scout.credentials.list()]


def test_an_account_is_connected_in_a_browser_for_the_person_or_the_project(scout, source, page):
    begun = page.get(f"{START}?source={source}&next=/datasets/%3Ftab=runs", site="same-origin")
    asked = {name: each[0] for name, each in parse_qs(urlsplit(begun.headers["Location"]).query)
             .items()}  # fmt: skip
    back = consent(begun.headers["Location"])
    with scout.installation.store.begin() as session:
        kept = session.scalars(select(models.Authorization)).one()
        assert asked["state"].encode() not in kept.state_hash + kept.browser_hash + kept.secrets

    done = page.get(back, site="cross-site")

    assert (begun.status_code, asked["code_challenge_method"]) == (303, "S256")
    assert asked["redirect_uri"] == page.address + CALLBACK
    assert (done.status_code, done.headers["Location"]) == (303, "/datasets/?tab=runs")
    assert owners(scout) == [(None, "ann", "connected")]
    again = page.get(back, site="cross-site")
    assert (again.status_code, "Begin again" in again.text) == (422, True)
    # A script of the page, and for the project.
    headers = {"X-CSRF-Token": page.get("/api/session/").json()["csrf_token"]}
    sent = page.http.post(
        page.address + START, json={"source": source, "project": "river"}, headers=headers
    )
    back = consent(sent.json()["authorization_url"])
    assert page.get(back, headers={"Accept": "application/json"}).json()["project"] == "river"
    assert owners(scout)[1] == ("river", None, "connected")


def test_no_other_browser_completes_what_one_began(scout, source, page):
    begun = page.get(f"{START}?source={source}")
    back = consent(begun.headers["Location"])
    thief, stranger = page.another(), page.another()
    thief.sign_in(scout.tokens.create("ben").token)
    assert thief.get(back, site="cross-site").status_code == 422
    assert stranger.get(back, site="cross-site").status_code == 303  # to the sign-in
    assert owners(scout) == []
    # Nor does a later session of the same person, nor one after the time for it.
    again = page.another()
    again.sign_in(scout.tokens.create("ann").token)
    assert again.get(back, site="cross-site").status_code == 422
    with scout.installation.store.begin() as session:
        session.execute(update(models.Authorization).values(expires_at=datetime.now(UTC)))
    assert page.get(back, site="cross-site").status_code == 422
    assert owners(scout) == []


def test_a_program_completes_what_it_began_with_the_same_token(scout, source, page):
    ann, ben = (
        {"Authorization": f"Bearer {scout.tokens.create(each).token}"} for each in ("ann", "ben")
    )
    begun = requests.post(page.address + START, json={"source": source}, headers=ann, timeout=60)
    back = consent(begun.json()["authorization_url"])

    assert requests.get(back, headers=ben, timeout=60).status_code == 422
    assert requests.get(back, timeout=60).status_code == 401
    assert requests.get(back, headers=ann, timeout=60).json()["user"] == "ann"


def test_what_the_source_answers_is_shown_as_text(scout, source, page):
    begun = page.get(f"{START}?source={source}")
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]

    shown = page.get(
        CALLBACK,
        params={"state": state, "error": "<img src=x onerror=alert(1)>"},
        site="cross-site",
    )

    assert shown.status_code >= 400
    assert "<img" not in shown.text
    assert "issued no token" in shown.text
    begun = page.get(f"{START}?source={source}")
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    denied = page.get(
        CALLBACK, params={"state": state, "error": "access_denied"}, site="cross-site"
    )
    assert "Authorization was denied" in denied.text
    assert owners(scout) == []


def test_another_site_cannot_begin_it_and_what_one_may_not_see_is_not_found(scout, source, page):
    assert page.get(f"{START}?source={source}", site="cross-site").status_code == 403
    assert page.get(f"{START}?source={source}", site="same-site").status_code == 403
    assert page.get(f"{START}?source=none").status_code == 404
    assert page.get(f"{START}?source={source}&project=none").status_code == 404
    no_token = page.http.post(page.address + START, json={"source": source})
    assert no_token.status_code == 403
    for target in ("//evil.example.org", "https://evil.example.org", "/\\evil.example.org"):
        begun = page.get(START, params={"source": source, "next": target})
        back = consent(begun.headers["Location"])
        assert page.get(back, site="cross-site").headers["Location"] == "/"
