"""Invalid settings are rejected when they are given, not when a run fails because of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scout_control.api.source_config import (
    check_complete,
    check_config,
    check_interval,
    find_missing,
    warn_about_unchecked_streams,
)
from scout_control.errors import SettingsError
from scout_control.meltano.project import Plugins, SourceType

COMMCARE = Plugins(Path(__file__).parents[3]).source_type("commcare")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"domian": "river"}, "no setting domian"),
        ({"page_size": "many"}, "page_size of tap-commcare is a whole number"),
        ({"page_size": True}, "a whole number"),
        ({"include_archived": "yes"}, "true or false"),
        ({"case_types": "pregnancy"}, r"a list, as in \["),
        ({"domain": ["river"]}, "domain of tap-commcare is text"),
        ({"domain": None}, "is text"),
        ({"domain": "https://www.commcarehq.org/a/river/"}, "address after /a/, such as river-h"),
        ({"domain": "river health"}, "address after /a/"),
        ({"domain": ".."}, "address after /a/"),
        ({"domains": ["river", "a/lake"]}, "setting domains of tap-commcare is the part"),
        ({"domains": [7]}, "address after /a/"),
        ({"domian": "river"}, r"Did you mean domain\?"),
        ({"datasets": ["case", "froms"]}, "Did you mean cases instead of case, forms instead of"),
        ({"start_date": "last week"}, "a date, as in"),
        ({"case_api": "v9"}, "one of: v2, v1"),
        ({"base_url": "http://hq.example.org"}, "must use https"),
        ({"api_key": "canary"}, "api_key is a secret"),
        ({"client_secret": "canary"}, "client_secret is a secret"),
        ({"datasets": "cases"}, "a list of streams"),
        ({"datasets": ["cases", "nope"]}, "no stream nope"),
        ({"keyless_streams": "keep"}, "keyless_streams is append or replace"),
        ({"keyless_overrides": {"log": "keep"}}, "keyless_overrides gives streams append or"),
        ({"keyless_overrides": ["log"]}, "as a JSON object"),
    ],
)
def test_an_invalid_setting_is_rejected(config, words):
    with pytest.raises(SettingsError, match=words):
        check_config(COMMCARE, config)


def test_an_unknown_stream_is_rejected_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"It has: applications, .*, cases, .*, web_users\."):
        check_config(COMMCARE, {"datasets": ["nope"]})


def test_valid_settings_are_kept_and_a_domain_may_be_a_number():
    config = {
        "domain": 123,
        "start_date": "2026-01-31T08:00:00Z",
        "page_size": 50,
        "case_types": ["a"],
        "datasets": ["cases"],
        "keyless_streams": "append",
        "keyless_overrides": {"ucr_rows": "replace"},
    }

    assert check_config(COMMCARE, config) == config | {"domain": "123"}


def test_discovered_streams_are_checked():
    toy = Plugins(Path(__file__).parents[3]).source_type("commcare-connect")
    unknown = type(toy)(name="tap-x", label="X", executable="x", settings=(), sensitive=())

    assert check_config(unknown, {"datasets": ["any"]}) == {"datasets": ["any"]}
    with pytest.raises(SettingsError, match="no stream any"):
        check_config(unknown, {"datasets": ["any"]}, {"orders"})


def test_the_names_of_old_project_spaces_are_valid():
    config = {"domain": " River_Health.2:b ", "domains": ["a-b", "été"]}

    assert check_config(COMMCARE, config) == config


@pytest.mark.parametrize(
    ("required", "given", "missing"),
    [
        ([{"domain"}, {"domains"}], {"page_size"}, "domain or domains"),
        ([{"domain"}, {"domains"}], {"domains"}, None),
        ([{"host", "user", "password"}, {"url"}], {"host"}, "user or url"),
        ([{"host", "user", "password"}], (), "host and user"),
        ([{"host", "password"}], {"host"}, None),
        ([{"username", "access_token", "client_id", "secret_word"}], (), None),
        ([{"preset"}], (), None),
        ([], (), None),
    ],
)
def test_what_a_source_lacks_is_known_before_its_first_run(required, given, missing):
    source_type = SourceType(
        name="tap-x",
        label="X",
        executable="x",
        settings=("host", "user", "password", "url", "domain", "domains", "preset"),
        sensitive=("password",),
        required=tuple(map(frozenset, required)),
        preset=frozenset({"preset"}),
        fields={"access_token": "secret_word"},
    )

    assert find_missing(source_type, set(given)) == missing
    if missing:
        with pytest.raises(SettingsError, match=f"tap-x requires the setting {missing}"):
            check_complete(source_type, set(given))


def test_streams_that_cannot_be_checked_yet_are_warned_about(caplog):
    unknown = SourceType(name="tap-x", label="X", executable="x", settings=(), sensitive=())
    settings = {"datasets": ["orders"]}

    warn_about_unchecked_streams(COMMCARE, {"datasets": ["cases"]}, frozenset(), "hq")
    warn_about_unchecked_streams(unknown, settings, {"orders"}, "hq")
    warn_about_unchecked_streams(unknown, {}, frozenset(), "hq")
    assert caplog.messages == []
    warn_about_unchecked_streams(unknown, settings, frozenset(), "hq")
    assert caplog.messages == [
        "The streams of hq are unknown until its first run: orders could not be checked."
    ]


@pytest.mark.parametrize("hours", [0, -1, 10**9, 1.5, True])
def test_an_invalid_interval_is_rejected(hours):
    with pytest.raises(SettingsError, match="whole number of hours"):
        check_interval(hours)
