"""Who owns a credential, what a tap is given of it, and what a renewal needs."""

from __future__ import annotations

import shlex
import uuid
from datetime import UTC, datetime

import pytest
from scout_control.credentials import records, renewal
from scout_control.credentials.records import Owner, RunCredential
from scout_control.credentials.rotated_token import ORIGIN
from scout_control.errors import (
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    NotFoundError,
    SettingsError,
)
from scout_control.installation import secret_context
from scout_control.installation.encryption import Keyring, generate
from scout_control.meltano.project import OAuthPaths, Plugins, SourceType
from scout_control.store import models

KEYRING = Keyring.of(generate())
PROJECT = """
plugins:
  extractors:
  - name: tap-x
    settings: [{name: base_url, value: "https://x.test"}, {name: credential_file}]
    annotations:
      scout:
        logins: [oauth2, api_key]
        oauth: {authorize: /o/authorize/, token: /o/token/, revoke: /o/revoke/}
  - name: tap-keys
    settings: [{name: base_url}, {name: api_key, sensitive: true}]
"""
OAUTH = {"access_token": "access", "refresh_token": "refresh", ORIGIN: "digest"}


@pytest.fixture
def plugins(tmp_path) -> Plugins:
    (tmp_path / "meltano.yml").write_text(PROJECT)
    return Plugins(tmp_path)


def a_source(**fields) -> models.Source:
    given = {
        "id": uuid.uuid4(),
        "name": "my x",
        "source_type": "tap-x",
        "config": {},
        "oauth_client_id": "client",
    }
    return models.Source(**given | fields)


def a_credential(source, source_type, fields, **columns) -> models.Credential:
    row = models.Credential(
        **{
            "id": uuid.uuid4(),
            "source_id": source.id,
            "source": source,
            "project_id": "river",
            "kind": "oauth2",
            "is_valid": True,
        }
        | columns
    )
    context = secret_context.of_credential(row, source, source_type)
    row.secrets = KEYRING.encrypt(fields, context)
    return row


def a_dataset(**values) -> models.Dataset:
    link = models.ProjectSource(project_id="river health", source=a_source())
    return models.Dataset(**{"project_source": link} | values)


@pytest.mark.parametrize(
    ("owner", "arguments"),
    [
        ({"project_id": "river"}, ["--project", "river"]),
        ({"user_id": "ann@example.org"}, ["--user", "ann@example.org"]),
        ({"user_id": "a b; rm -rf ~"}, ["--user", "a b; rm -rf ~"]),
        ({"project_id": "it's"}, ["--project", "it's"]),
        ({"project_id": "--user"}, ["--project", "--user"]),
        ({"user_id": "नदी"}, ["--user", "नदी"]),
    ],
)
def test_an_owner_is_written_as_options_of_a_shell(owner, arguments):
    assert shlex.split(str(Owner(**owner))) == arguments


@pytest.mark.parametrize(
    "owner",
    [
        {},
        {"project_id": "river", "user_id": "ann"},
        {"project_id": ""},
        {"user_id": ""},
        {"project_id": "", "user_id": ""},
        {"project_id": "", "user_id": "ann"},
    ],
)
def test_a_credential_has_exactly_one_owner(owner):
    with pytest.raises(SettingsError, match="one project or to one user"):
        Owner(**owner)


def test_a_dataset_of_a_user_is_read_with_the_account_of_that_user():
    assert Owner.of(a_dataset(user_id="ann")) == Owner(user_id="ann")
    assert Owner.of(a_dataset()) == Owner(project_id="river health")


@pytest.mark.parametrize(
    ("kind", "fields", "rotates"),
    [
        ("oauth2", {"refresh_token": "a"}, True),
        ("oauth2", {"access_token": "a"}, False),
        ("oauth2", {}, False),
        ("settings", {"refresh_token": "a"}, False),
        ("api_key", {"api_key": "a"}, False),
    ],
)
def test_only_a_refresh_token_of_oauth_rotates(kind, fields, rotates):
    credential = RunCredential(credential_id=None, kind=kind, fields=fields, known="canary")

    assert credential.rotates is rotates
    assert "canary" not in repr(credential)


def test_the_account_of_a_user_serves_no_project_without_consent():
    with pytest.raises(CredentialMissingError) as refused:
        records.check_consent(a_dataset(user_id="ann o'hara"))

    remedy = shlex.split(refused.value.remedy.partition("they run: ")[2])
    assert remedy == shlex.split(
        "scout datasets ensure 'my x' --project 'river health' --user \"ann o'hara\""
    )


@pytest.mark.parametrize("values", [{}, {"user_id": "ann", "agreed_at": datetime.now(UTC)}])
def test_a_project_needs_no_consent_and_a_user_gives_it_once(values):
    assert records.check_consent(a_dataset(**values)) is None


def fields_for(plugins, kind, fields, *, settings=None, client_secret=None):
    """Return what a tap is given of a stored credential."""
    source_type = plugins.source_type("tap-x")
    if settings is not None:
        source_type = SourceType(
            **{**vars(source_type), "settings": settings}  # as a tap of someone else has them
        )
    source = a_source()
    if client_secret:
        context = secret_context.of_client_secret(source, source_type)
        source.oauth_client_secret = KEYRING.encrypt({"client_secret": client_secret}, context)
    row = a_credential(source, source_type, fields, kind=kind)
    return records._fields_for_tap(row, source, source_type, KEYRING)


def test_a_tap_that_renews_its_token_starts_with_the_refresh_token(plugins):
    found = fields_for(plugins, "oauth2", OAUTH, client_secret="secret")

    assert found == {
        "refresh_token": "refresh",
        "client_id": "client",
        "client_secret": "secret",
    }


def test_a_public_client_has_no_client_secret(plugins):
    assert fields_for(plugins, "oauth2", OAUTH) == {
        "refresh_token": "refresh",
        "client_id": "client",
    }


def test_a_tap_that_could_not_hand_a_new_token_back_never_gets_the_refresh_token(plugins):
    found = fields_for(plugins, "oauth2", OAUTH, settings=("base_url",), client_secret="secret")

    assert found == {"access_token": "access"}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("api_key", {"username": "ann", "api_key": "key"}),
        ("oauth2", {"access_token": "access"}),
        ("settings", {"refresh_token": "of a tap of someone else", "number": 7}),
    ],
)
def test_any_other_credential_is_given_as_it_is(plugins, kind, fields):
    assert fields_for(plugins, kind, fields) == {name: str(fields[name]) for name in fields}


def test_a_source_is_renewed_at_its_own_address_with_its_own_client(plugins):
    source = a_source(base_url="https://own.test")
    context = secret_context.of_client_secret(source, plugins.source_type("tap-x"))
    source.oauth_client_secret = KEYRING.encrypt({"client_secret": "canary"}, context)
    client = renewal.oauth_client(source, KEYRING, plugins)

    assert (client.source, client.base_url) == ("my x", "https://own.test")
    assert (client.client_id, client.client_secret) == ("client", "canary")
    assert client.paths == OAuthPaths(
        authorize="/o/authorize/", token="/o/token/", revoke="/o/revoke/"
    )
    assert "canary" not in repr(client)


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        (a_source(source_type="tap-keys"), SettingsError, "cannot be connected by OAuth"),
        (a_source(source_type="tap-gone"), NotFoundError, "tap-gone"),
        (a_source(oauth_client_id=None), SettingsError, "has no OAuth client id"),
        (a_source(oauth_client_id=""), SettingsError, "has no OAuth client id"),
    ],
)
def test_a_source_that_cannot_be_renewed_says_why(plugins, source, error, text):
    with pytest.raises(error, match=text):
        renewal.oauth_client(source, KEYRING, plugins)


def test_a_client_secret_of_another_address_is_not_sent_to_this_one(plugins):
    source = a_source(base_url="https://own.test")
    context = secret_context.of_client_secret(source, plugins.source_type("tap-x"))
    source.oauth_client_secret = KEYRING.encrypt({"client_secret": "canary"}, context)
    source.base_url = "https://evil.test"

    with pytest.raises(ControlError, match="another address"):
        renewal.oauth_client(source, KEYRING, plugins)


@pytest.mark.parametrize(
    ("fields", "token"),
    [
        (OAUTH, "refresh"),
        ({"access_token": "access"}, "access"),
        ({"access_token": "access", "refresh_token": ""}, "access"),
    ],
)
def test_the_strongest_token_of_a_grant_is_revoked(plugins, fields, token):
    source = a_source()
    row = a_credential(source, plugins.source_type("tap-x"), fields)
    grant = renewal._grant(KEYRING, plugins, row)

    assert (grant.name, grant.token) == ("my x --project river", token)
    assert grant.client.base_url == "https://x.test"
    assert token not in repr(grant)


def moved(source):
    source.base_url = "https://elsewhere.test"


def undeclared(source):
    source.source_type = "tap-gone"


def without_client(source):
    source.oauth_client_id = None


@pytest.mark.parametrize("change", [moved, undeclared, without_client])
def test_a_grant_whose_issuer_is_unknown_is_named_and_its_token_sent_nowhere(plugins, change):
    source = a_source()
    row = a_credential(source, plugins.source_type("tap-x"), OAUTH, user_id="ann", project_id=None)
    change(source)
    grant = renewal._grant(KEYRING, plugins, row)

    assert (grant.client, grant.token) == (None, "")
    assert renewal.revoke_grants([grant]) == ["my x --user ann"]


def test_a_grant_without_any_token_is_not_confirmed(plugins):
    source = a_source()
    row = a_credential(source, plugins.source_type("tap-x"), {})

    assert renewal._grant(KEYRING, plugins, row).client is None


def test_after_their_time_grants_are_named_and_not_requested_any_more():
    unusable = object()  # a request with it would raise
    grants = [renewal.Grant(name=name, client=unusable, token="t") for name in ("a", "b")]

    assert renewal.revoke_grants(grants, longest_seconds=0) == ["a", "b"]
    with pytest.raises(TypeError):
        renewal.revoke_grants(grants)


def test_a_credential_of_a_moved_source_is_refused_with_the_remedy(plugins):
    source = a_source()
    source_type = plugins.source_type("tap-x")
    row = a_credential(source, source_type, OAUTH)
    moved(source)

    with pytest.raises(CredentialRefusedError) as refused:
        records._fields_for_tap(row, source, source_type, KEYRING)
    assert refused.value.remedy.endswith("scout credentials connect 'my x' --project river")
