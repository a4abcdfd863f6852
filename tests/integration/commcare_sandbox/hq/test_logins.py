"""Authentication at HQ and its error responses."""

import pytest
import requests
from commcare_sandbox import Sandbox
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

EVERY_KIND = ["case/v2/", "v0.5/form/", "/api/identity/v1/"]


def token_answer(sandbox, **changes):
    form = {
        "grant_type": "refresh_token",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "refresh_token": sandbox.refresh_token,
    }
    return requests.post(f"{sandbox.url}/oauth/token/", data=form | changes, timeout=120)


@pytest.mark.parametrize("path", EVERY_KIND)
@pytest.mark.parametrize("word", ["ApiKey", "apikey", "APIKEY"])
def test_the_word_apikey_is_read_in_any_case(hq, path, word):
    login = hq.login.replace("ApiKey", word)

    assert hq.ask(path, headers={"Authorization": login}).status_code == 200


@pytest.mark.parametrize("path", EVERY_KIND)
@pytest.mark.parametrize(
    ("login", "status", "has_words"),
    [
        ("ApiKey demo@example.org:wrong", 401, False),
        ("ApiKey DEMO@example.org:{key}", 401, False),
        ("ApiKey no-colon", 400, True),
        ("Bearer wrong", 401, False),
        ("Basic %%%", 400, True),
    ],
)
def test_a_wrong_login_is_refused_without_a_reason(hq, path, login, status, has_words):
    login = login.replace("{key}", hq.sandbox.api_key)

    answer = hq.ask(path, headers={"Authorization": login})

    assert (answer.status_code, bool(answer.content)) == (status, has_words)


def test_without_a_login_there_is_a_digest_challenge(hq):
    answer = requests.get(hq.url("case/v2/"), timeout=120)

    assert answer.status_code == 401
    assert answer.content == b""
    assert answer.headers["WWW-Authenticate"].startswith("Digest realm=")


@pytest.mark.parametrize("scheme", [HTTPBasicAuth, HTTPDigestAuth])
def test_a_password_passes_by_basic_and_by_digest(hq, scheme):
    sandbox = hq.sandbox

    right = requests.get(
        hq.url("case/v2/"), auth=scheme(sandbox.username, sandbox.password), timeout=120
    )
    wrong = requests.get(hq.url("case/v2/"), auth=scheme(sandbox.username, "no"), timeout=120)

    assert (right.status_code, wrong.status_code) == (200, 401)


def test_a_key_in_the_query_passes_on_tastypie_and_leaks_into_next(hq):
    sandbox = hq.sandbox
    query = f"?username={sandbox.username}&api_key={sandbox.api_key}&limit=1"

    form = requests.get(hq.url(f"form/v1/{query}"), timeout=120)
    case = requests.get(hq.url(f"case/v2/{query}"), timeout=120)

    assert form.status_code == 200
    assert sandbox.api_key in form.json()["meta"]["next"]
    assert case.status_code == 401


def test_user_domains_tells_strangers_in_words(hq):
    answer = hq.ask("/api/user_domains/v1/", headers={"Authorization": "ApiKey a:b"})

    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text == "Username or API Key is incorrect, expired or deactivated"


@pytest.mark.parametrize(
    ("switches", "path", "status", "body"),
    [
        ({"missing_permission": "edit_data"}, "case/v2/", 403, "403 Forbidden"),
        ({"missing_permission": "edit_data"}, "form/v1/", 403, ""),
        ({"missing_permission": "edit_data"}, "application/v1/", 200, None),
        ({"missing_permission": "access_api"}, "application/v1/", 403, ""),
        ({"missing_permission": "view_reports"}, "configurablereportdata/v1/x/", 403, ""),
        ({"no_locations": True}, "location/v1/", 403, ""),
        ({"no_locations": True}, "user/v1/", 200, None),
        ({"location_restricted": True}, "form/v1/", 403, ""),
        ({"expired_subscription": True}, "form/v1/", 401, "current subscription"),
        ({"cut_off": True}, "case/v2/", 401, "temporarily cut off"),
        ({"hidden_domains": "river-health"}, "/api/user_domains/v1/", 200, None),
    ],
)
def test_what_is_missing_is_told_as_hq_does(hq, switches, path, status, body):
    hq.sandbox.set(**switches)

    answer = hq.ask(path)

    assert answer.status_code == status
    if body is not None:
        assert body in answer.text
        assert bool(answer.content) == bool(body)


def test_a_foreign_domain_is_forbidden(hq):
    assert hq.ask("/a/elsewhere/api/case/v2/").status_code == 403
    assert hq.ask("/a/hill-clinic/api/case/v2/").status_code == 200


def test_two_domains_have_different_records(hq):
    one, other = (
        {c["case_id"] for c in hq.walk(f"/a/{name}/api/case/v2/", "cases", limit=200)}
        for name in hq.sandbox.domains
    )

    assert len(one) == len(other)
    assert len(one & other) < 20  # the odd ones


def test_a_restricted_login_sees_a_part_of_the_cases_as_if_it_were_all(hq):
    everything = hq.get("case/v2/", limit=1)["matching_records"]
    hq.sandbox.set(location_restricted=True)

    part = hq.walk("case/v2/", "cases", limit=50)

    assert hq.get("case/v2/", limit=1)["matching_records"] == len(part)
    assert 0 < len(part) < everything
    hidden = {c["case_id"] for c in hq.sandbox.content("cases")} - {c["case_id"] for c in part}
    assert hq.ask(f"case/v2/{hidden.pop()}").status_code == 403


def test_a_refresh_token_works_once_and_is_replaced(hq):
    used = hq.sandbox.refresh_token

    first = token_answer(hq.sandbox, refresh_token=used)
    again = token_answer(hq.sandbox, refresh_token=used)
    page_after = token_answer(hq.sandbox, refresh_token=first.json()["refresh_token"])

    assert first.json().keys() == {
        *("access_token", "expires_in", "token_type", "scope", "refresh_token")
    }
    assert first.json()["expires_in"] == 900
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
    assert page_after.status_code == 200
    login = {"Authorization": f"Bearer {page_after.json()['access_token']}"}
    assert hq.ask("case/v2/", headers=login).status_code == 200


def test_a_wrong_client_is_refused_and_the_token_survives(hq):
    wrong = token_answer(hq.sandbox, client_secret="no")
    other = token_answer(hq.sandbox, grant_type="client_credentials")

    assert wrong.json() == {"error": "invalid_client"}
    assert other.json() == {"error": "unsupported_grant_type"}
    assert token_answer(hq.sandbox).status_code == 200


def test_access_tokens_expire_by_time_and_on_command(hq):
    hq.sandbox.set(access_token_seconds=0)
    short = {"Authorization": f"Bearer {token_answer(hq.sandbox).json()['access_token']}"}
    hq.sandbox.set(access_token_seconds=900)
    long = {"Authorization": f"Bearer {token_answer(hq.sandbox).json()['access_token']}"}

    count_below = [hq.ask("form/v1/", headers=login) for login in (short, long)]
    hq.sandbox.expire_access_tokens()
    after = hq.ask("form/v1/", headers=long)

    assert [answer.status_code for answer in count_below] == [401, 200]
    assert (after.status_code, after.content) == (401, b"")


def test_a_refresh_token_can_be_killed(hq):
    old = hq.sandbox.refresh_token

    hq.sandbox.kill_refresh_token()

    assert token_answer(hq.sandbox, refresh_token=old).status_code == 400


def test_the_same_seed_hands_out_the_same_logins():
    with Sandbox(cases=0, forms=0, seed=5) as one, Sandbox(cases=0, forms=0, seed=5) as other:
        assert (one.api_key, one.refresh_token) == (other.api_key, other.refresh_token)
        assert one.url != other.url
