"""Connect's OAuth: grants, expiry and revocation of tokens."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import requests

LIST = "/export/opp_org_program_list/"
BACK = "http://127.0.0.1:9/back"


def authorize(client, **more: str):
    logins = client.connect.logins()
    asked = {"client_id": logins["client_id"], "redirect_uri": BACK, "scope": "read export"}
    answer = requests.post(
        f"{client.connect.url}/o/authorize/",
        data=asked | {"response_type": "code", "allow": "Authorize", "state": "s"} | more,
        allow_redirects=False,
    )
    return {
        name: values[0]
        for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()
    }


def test_a_refresh_rotates_and_kills_the_old_access_token_at_once(client):
    first = client.connect.issue_tokens()
    client.token = first["access_token"]
    assert client.get(LIST).status_code == 200

    second = client.token_answer(
        grant_type="refresh_token", refresh_token=first["refresh_token"]
    ).json()
    refused = client.get(LIST)
    again = client.token_answer(grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="api",error="invalid_token",error_description="The access token is invalid."'
    )
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
    assert second["refresh_token"] != first["refresh_token"]
    client.token = second["access_token"]
    assert client.get(LIST).status_code == 200


def test_a_code_needs_a_challenge_and_its_verifier(client):
    assert authorize(client)["error_description"] == "Code challenge required."
    answer = authorize(client, code_challenge="plain-verifier")
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": BACK}
    without = client.token_answer(**form)
    right = client.token_answer(**form, code_verifier="plain-verifier")

    assert answer["state"] == "s"
    assert without.json()["error_description"] == "Code verifier required."
    assert right.json()["scope"] == "read export"
    assert client.token_answer(**form, code_verifier="plain-verifier").status_code == 400


def test_openid_without_a_signing_key_is_a_server_error(client):
    answer = authorize(client, code_challenge="v", scope="export openid")
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": BACK}

    assert client.token_answer(**form, code_verifier="v").status_code == 500


def test_a_token_without_the_scope_or_without_a_user_is_forbidden(client):
    client.token = client.connect.issue_tokens(scope="read")["access_token"]
    assert client.get(LIST).status_code == 403

    client.token = client.token_answer(grant_type="client_credentials").json()["access_token"]
    assert client.get(LIST).status_code == 403


def test_a_wrong_client_and_a_wrong_grant_are_refused(client):
    wrong = requests.post(f"{client.connect.url}/o/token/", data={"client_id": "no"})

    assert (wrong.status_code, wrong.json()) == (401, {"error": "invalid_client"})
    assert client.token_answer(grant_type="no").json() == {"error": "unsupported_grant_type"}


def test_a_missing_token_is_told_from_a_wrong_one(client):
    missing = requests.get(f"{client.connect.url}{LIST}")

    assert missing.headers["www-authenticate"] == 'Bearer realm="api"'
    assert missing.json() == {"detail": "Authentication credentials were not provided."}


def test_tokens_can_be_looked_at_revoked_and_worn_out(sandbox, client):
    logins = client.connect.logins()
    tokens = client.connect.issue_tokens()
    login = (logins["client_id"], logins["client_secret"])
    where = f"{client.connect.url}/o"
    token = {"token": tokens["access_token"]}

    assert requests.post(f"{where}/introspect/", data=token, auth=login).json()["active"] is True
    assert requests.post(f"{where}/introspect/", data=token).status_code == 403
    assert requests.post(f"{where}/revoke_token/", data=token, auth=login).status_code == 200
    assert requests.post(f"{where}/introspect/", data=token, auth=login).json() == {"active": False}
    useless = client.token_answer(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert useless.json()["scope"] == ""

    sandbox.set(connect_token_requests=2)
    client.token = client.connect.issue_tokens()["access_token"]
    assert [client.get(LIST).status_code for _ in range(3)] == [200, 200, 401]
    sandbox.set(connect_token_requests=0)
