"""Connecting an account by OAuth, and keeping it connected."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from scout_control.credentials import records, renewal, rotated_token
from scout_control.credentials.loopback import callback_server
from scout_control.credentials.rotated_token import RotatedToken
from scout_control.errors import (
    CredentialMissingError,
    CredentialRefusedError,
    RunFailedError,
    SettingsError,
)
from scout_control.installation import secret_context
from scout_control.scheduler import maintenance
from scout_control.store.models import Credential
from sqlalchemy import select, update


def secrets_of(scout):
    with scout.installation.store.begin() as session:
        found = session.scalars(select(Credential)).one()
        return scout.installation.keyring.open(found.secrets).fields


def expire_soon(scout):
    with scout.installation.store.begin() as session:
        soon = datetime.now(UTC) + timedelta(minutes=30)
        session.execute(update(Credential).values(token_expires_at=soon))


def test_an_account_is_connected_by_oauth_with_pkce_state_and_scopes(scout, source, connect):
    url = scout.credentials.ask(source, "http://127.0.0.1:1/callback").url
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    connected = connect()

    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 20
    assert asked["scope"] == "read export"
    assert (connected.status, connected.kind, connected.scopes) == (
        "connected",
        "oauth2",
        "read export",
    )
    assert connected.token_expires_at > datetime.now(UTC) + timedelta(days=13)


def test_results_contain_no_token(scout, connect):
    connected = connect()
    secrets = secrets_of(scout)
    shown = json.dumps(
        [connected.as_dict(), scout.status(project=None, user=None).as_dict()]
        + [each.as_dict() for each in scout.credentials.list()]
    )

    assert set(secrets) >= {"access_token", "refresh_token"}
    assert [name for name, value in secrets.items() if value and value in shown] == []


def test_the_redirect_of_another_request_is_rejected(scout, source):
    first = scout.credentials.ask(source, "http://127.0.0.1:1/callback")
    other = scout.credentials.ask(source, "http://127.0.0.1:1/callback")
    answer = f"http://127.0.0.1:1/callback?code=c&state={other.state}"

    with pytest.raises(SettingsError, match="not the response"):
        scout.credentials.answer(source, first, answer, project="river")


def test_denied_authorization_is_reported(scout, source):
    request = scout.credentials.ask(source, "http://127.0.0.1:1/callback")
    answer = f"http://127.0.0.1:1/callback?error=access_denied&state={request.state}"

    with pytest.raises(RunFailedError, match="Authorization was denied"):
        scout.credentials.answer(source, request, answer, project="river")


def test_the_callback_server_accepts_only_the_expected_state():
    with callback_server() as callback:
        callback.state = "ours"
        for path in ("/callback?code=c&state=theirs", "/callback", "/?code=c&state=ours"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(callback.redirect_uri.replace("/callback", path))
            refused.value.close()
        urllib.request.urlopen(callback.redirect_uri + "?code=c&state=ours").close()

        assert callback.wait(60).endswith("?code=c&state=ours")


def test_owners_have_separate_credentials(scout, source, connect):
    connect()
    connect(user="ann")

    assert {(each.project, each.user) for each in scout.credentials.list()} == {
        ("river", None),
        (None, "ann"),
    }


def test_expiring_tokens_are_renewed_by_one_of_many_workers(scout, connect, sandbox):
    connect()
    before = secrets_of(scout)
    expire_soon(scout)
    spent = sandbox.connect.logins()["refreshes"]
    with ThreadPoolExecutor(6) as pool:
        rounds = list(
            pool.map(
                lambda _: maintenance.renew_tokens(scout.installation, datetime.now(UTC)), range(6)
            )
        )
    after = secrets_of(scout)

    assert sum(each.get("renewed", 0) for each in rounds) >= 1
    assert sum(each.get("refused", 0) for each in rounds) == 0
    assert after["refresh_token"] != before["refresh_token"]
    assert sandbox.connect.logins()["refreshes"] - spent <= 6
    assert [each.status for each in scout.credentials.list()] == ["connected"]
    for reason in ("Refused once.", secret_context.ADDRESS_CHANGED):  # moved, and moved back
        [login] = scout.credentials.list()
        with scout.installation.store.begin() as session:
            records.invalidate(session, uuid.UUID(login.id), reason)
        found = scout.credentials.check("connect", project="river")
        assert (found.status, found.last_error) == ("connected", None)


def test_a_rejected_refresh_invalidates_and_a_network_error_does_not(
    scout, source, connect, sandbox
):
    connect()
    expire_soon(scout)
    sandbox.set(fault="500", fault_path="/o/token")
    trouble = maintenance.renew_tokens(scout.installation, datetime.now(UTC))
    [still] = scout.credentials.list()
    sandbox.set(fault="", fault_path="")
    sandbox.connect.kill_refresh_tokens()
    refused = maintenance.renew_tokens(scout.installation, datetime.now(UTC))
    [gone] = scout.credentials.list()

    assert (trouble, still.status) == ({"failed": 1}, "connected")
    assert still.last_error == "127.0.0.1 did not respond (HTTPError)."
    assert (refused, gone.status) == ({"refused": 1}, "needs reconnect")
    with pytest.raises(CredentialRefusedError):
        scout.credentials.check(source, project="river")
    assert connect().status == "connected"


def test_a_rotated_token_is_stored_unless_the_account_was_reconnected(scout, connect):
    connect()
    store, keyring = scout.installation.store, scout.installation.keyring
    dataset = scout.datasets.ensure("river", "connect")
    with store.begin() as session:
        found = records.lookups.dataset(session, dataset.id)
        kind = scout.installation.plugins.source_type("commcare-connect")
        login = records.credential_for(session, keyring, found, kind)
    given = login.fields["refresh_token"]
    origin = rotated_token.digest(given)

    def written(token):
        facts = {"refresh_token": token, "access_token": "a", "expires_at": 2e9, "origin": origin}
        return json.dumps(facts).encode()

    assert "access_token" not in login.fields
    assert records.store_rotated_token(store, keyring, login, written("second"))
    assert not records.store_rotated_token(store, keyring, login, written("second"))
    assert records.store_rotated_token(store, keyring, login, written("third"))
    assert secrets_of(scout)["refresh_token"] == "third"
    assert RotatedToken.parse(written("fourth")).descends_from(secrets_of(scout))

    connect()
    assert not records.store_rotated_token(store, keyring, login, written("fourth"))
    assert not RotatedToken.parse(written("fourth")).descends_from(secrets_of(scout))
    assert secrets_of(scout)["refresh_token"] not in {given, "third", "fourth"}

    # A tap of someone else does not write where its token comes from: control knows.
    with store.begin() as session:
        login = records.credential_for(session, keyring, found, kind)
    foreign = RotatedToken.parse(b'{"refresh_token": "fifth"}').with_origin(login.origin)
    assert foreign.descends_from(secrets_of(scout))
    assert records.store_rotated_token(store, keyring, login, b'{"refresh_token": "fourth"}')
    assert foreign.descends_from(secrets_of(scout))
    connect()
    assert not foreign.descends_from(secrets_of(scout))


def test_revoking_deletes_the_credential_at_both_sides_and_unschedules(scout, source, connect):
    connect()
    refresh_token = secrets_of(scout)["refresh_token"]
    dataset = scout.datasets.ensure("river", source)
    client = renewal.oauth_client(
        _source(scout), scout.installation.keyring, scout.installation.plugins
    )

    assert scout.credentials.revoke(source, project="river") is True
    assert scout.credentials.list() == []
    assert scout.datasets.show(dataset.path).next_sync_at is None
    with pytest.raises(CredentialRefusedError, match="invalid_grant"):
        client.refresh(refresh_token)
    with pytest.raises(CredentialMissingError):
        scout.credentials.revoke(source, project="river")


def test_removing_a_source_revokes_its_tokens(scout, source, connect, sandbox):
    connect()
    connect(user="ann")
    with scout.installation.store.begin() as session:
        tokens = [
            scout.installation.keyring.open(found.secrets).fields["refresh_token"]
            for found in session.scalars(select(Credential))
        ]
    client = renewal.oauth_client(
        _source(scout), scout.installation.keyring, scout.installation.plugins
    )
    scout.sources.unlink("river", source, drop=True)

    assert scout.sources.remove(source) == []
    assert scout.credentials.list() == []
    for token in tokens:
        with pytest.raises(CredentialRefusedError, match="invalid_grant"):
            client.refresh(token)


def test_unconfirmed_revocations_are_named_and_credentials_deleted(scout, source, connect, sandbox):
    connect(user="ann")
    sandbox.set(fault="500", fault_path="/o/revoke_token")
    scout.sources.unlink("river", source, drop=True)

    assert scout.sources.remove(source) == ["connect --user ann"]
    assert scout.credentials.list() == []
    sandbox.set(fault="", fault_path="")


def test_secrets_are_not_sent_unencrypted_to_another_machine(scout):
    with pytest.raises(SettingsError, match="must use https"):
        scout.sources.add("plain", "commcare-connect", base_url="http://connect.example.org")


def _source(scout):
    with scout.installation.store.begin() as session:
        return records.lookups.source(session, "connect")
