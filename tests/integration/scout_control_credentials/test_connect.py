"""What is connected by default, and what is tested before it is stored."""

from __future__ import annotations

import pytest
from scout_control.errors import CredentialRefusedError, NetworkError, ServerUnavailableError
from scout_control.store.models import Credential
from sqlalchemy import select
from support.preloaded import run_scout
from support.workers import environment_of


def test_without_an_oauth_client_another_kind_is_the_default(scout, sandbox):
    config = {"domain": sandbox.domain}
    scout.sources.add("hq", "commcare", base_url=sandbox.url, config=config)
    scout.sources.add("connect", "commcare-connect", base_url=sandbox.connect.url)
    assert scout.credentials.default_kind("hq") == "api_key"
    assert scout.credentials.default_kind("connect") == "token"

    words = ("credentials", "connect", "hq", "--project", "river", "--no-test")
    environment = environment_of(scout.installation.settings)
    done = run_scout(words, environment, given="ann\nsome-key\n")
    assert done.returncode == 0
    assert "hq has no OAuth client id, so this connects by --kind api_key" in done.stderr
    assert "scout sources update hq --client-id ID" in done.stderr
    assert [each.kind for each in scout.credentials.list()] == ["api_key"]

    unasked = run_scout(words, environment, given="")
    assert unasked.returncode == 2
    assert "Give it with --username, and the secret with --from-env VARIABLE" in unasked.stderr
    unasked = run_scout([*words, "--username", "ann"], environment, given="")
    assert "Api key was not given, and no one could be asked. Give it with --from-env" in (
        unasked.stderr
    )

    scout.sources.update("hq", client_id="id")
    assert scout.credentials.default_kind("hq") == "oauth2"


def test_a_refresh_token_is_exchanged_before_it_is_stored(scout, source, connect, sandbox):
    connect()
    owner = {"project": "river"}
    token = stored_token(scout)
    with pytest.raises(CredentialRefusedError, match="Nothing was stored"):
        scout.credentials.save(source, "oauth2", {"refresh_token": "wrong"}, **owner, test=True)
    assert stored_token(scout) == token

    scout.credentials.save(source, "oauth2", {"refresh_token": token}, **owner, test=True)
    [credential] = scout.credentials.list()
    assert stored_token(scout) != token
    assert (credential.status, credential.token_expires_at is not None) == ("connected", True)


def test_a_key_is_tested_with_the_settings_of_the_project_s_link(scout, sandbox):
    scout.sources.add("hq", "commcare", base_url=sandbox.url, may_be_incomplete=True)
    scout.links.add("river", "hq", mode="project", config={"domain": sandbox.domain})
    fields = {"username": sandbox.username, "api_key": sandbox.api_key}
    saved = scout.credentials.save("hq", "api_key", fields, project="river", test=True)

    assert saved.status == "connected"
    wrong = fields | {"api_key": "wrong-canary"}
    with pytest.raises(CredentialRefusedError) as refused:
        scout.credentials.save("hq", "api_key", wrong, project="river", test=True)
    assert "HTTP 401" in refused.value.cause
    assert "Nothing was stored." in refused.value.cause
    assert "wrong-canary" not in str(refused.value)
    assert sandbox.username not in str(refused.value)
    assert scout.credentials.check("hq", project="river").status == "connected"


def test_a_source_that_cannot_be_reached_stores_nothing_and_says_how_to(scout):
    config = {"domain": "river-health", "max_retry_seconds": 1}
    scout.sources.add("hq", "commcare", base_url="http://127.0.0.1:9", config=config)
    fields = {"username": "ann", "api_key": "canary"}

    waits = []
    with pytest.raises((NetworkError, ServerUnavailableError)) as failed:
        scout.credentials.save(
            "hq", "api_key", fields, project="river", test=True, on_wait=waits.append
        )
    assert "no connection" in failed.value.cause
    assert "--no-test" in failed.value.remedy
    assert scout.credentials.list() == []
    assert any("no connection, try 2" in wait.reason for wait in waits)

    scout.credentials.save("hq", "api_key", fields, project="river")
    words = ("credentials", "check", "hq", "--project", "river")
    done = run_scout(words, environment_of(scout.installation.settings))
    assert "Testing it at hq: no connection, try 2" in done.stderr


def stored_token(scout):
    """Return the refresh token that is stored for the project."""
    with scout.installation.store.begin() as session:
        [secrets] = session.scalars(select(Credential.secrets)).all()
    return scout.installation.keyring.open(secrets).fields["refresh_token"]
