"""Source types and jobs of meltano.yml, and the errors of an invalid one."""

from __future__ import annotations

from pathlib import Path

import pytest
from scout_control.errors import NotFoundError, SettingsError
from scout_control.meltano.project import Plugins

ROOT = Path(__file__).parents[3]


def plugins(folder, text):
    (folder / "meltano.yml").write_text(text)
    return Plugins(folder)


def test_our_source_types_declare_credentials_and_transforms():
    commcare = Plugins(ROOT).source_type("commcare")

    assert commcare.name == "tap-commcare"
    assert commcare.credential_kinds[:2] == ("oauth2", "api_key")
    assert commcare.oauth.token == "/oauth/token/"
    assert commcare.variable("api_key") == "TAP_COMMCARE_API_KEY"
    assert commcare.variable("_select") == "TAP_COMMCARE__SELECT"
    assert commcare.blocks[:2] == ("tap-commcare", "target-scout-postgres")
    assert commcare.job == "commcare-sync"


def test_account_pages_are_those_of_the_sources_own_server():
    commcare, connect = (
        Plugins(ROOT).source_type(name) for name in ("commcare", "commcare-connect")
    )

    assert list(commcare.account_pages("https://india.commcarehq.org/").values()) == [
        "https://india.commcarehq.org/account/api_keys/"
    ]
    assert list(connect.account_pages(None).values()) == [
        "https://connect.dimagi.com/o/applications/"
    ]


def test_a_tap_without_account_pages_or_server_has_none(tmp_path):
    pages = "annotations: {scout: {account_pages: {Keys: /keys/}}}"
    text = f"plugins: {{extractors: [{{name: tap-x, {pages}}}, {{name: tap-y}}]}}"
    one, other = plugins(tmp_path, text).source_types()

    assert (one.account_pages(None), other.account_pages("https://h")) == ({}, {})
    assert one.account_pages("https://h/base/") == {"Keys": "https://h/base/keys/"}


def test_a_third_party_tap_needs_only_its_entry(tmp_path):
    found = plugins(
        tmp_path,
        "plugins: {extractors: [{name: tap-x, settings: [{name: url}, "
        "{name: key, sensitive: true}]}, {name: tap-open}]}",
    )
    locked, free = found.source_types()

    assert (locked.credential_kinds, locked.needs_credential, locked.sensitive) == (
        ("settings",),
        True,
        ("key",),
    )
    assert (free.needs_credential, free.blocks) == (False, ("tap-open", "target-scout-postgres"))


def test_an_unknown_source_type_names_the_available_ones(tmp_path):
    found = plugins(tmp_path, "plugins: {extractors: [{name: tap-x}]}")

    with pytest.raises(NotFoundError, match="available: tap-x"):
        found.source_type("y")
    with pytest.raises(NotFoundError, match=r"Did you mean commcare\? Else add it"):
        Plugins(ROOT).source_type("comcare")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", r"is not valid YAML \(line"),
        ("- a", "is not a mapping"),
        ("jobs: [{name: broken, tasks: {a: b}}]", "job broken"),
    ],
)
def test_a_broken_definition_is_an_error_that_names_the_file(tmp_path, text, words):
    with pytest.raises(SettingsError, match=words) as refused:
        plugins(tmp_path, text).jobs()

    assert "meltano.yml" in str(refused.value)


def test_required_settings_and_the_form_of_values_are_read(tmp_path):
    found = plugins(
        tmp_path,
        "plugins: {extractors: [{name: tap-x, config: {region: eu}, "
        "settings_group_validation: [[host, user], [url]], settings: [{name: host}, {name: user}, "
        "{name: url}, {name: port, value: 5432}, {name: region}], annotations: {scout: {patterns: "
        "{host: {pattern: '[a-z.]+', description: a host}}}}}, {name: tap-open}]}",
    )
    strict, free = found.source_types()

    assert strict.required == (frozenset({"host", "user"}), frozenset({"url"}))
    assert strict.preset == {"port", "region"}
    assert strict.patterns["host"].description == "a host"
    assert strict.patterns["host"].expression.fullmatch("db.example.org")
    assert not strict.patterns["host"].expression.fullmatch("db:5432")
    assert (free.required, free.preset, dict(free.patterns)) == ((), frozenset(), {})
