"""Invalid settings are rejected when they are given, not when a run fails because of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scout_control.api.source_config import check_config, check_interval
from scout_control.errors import SettingsError
from scout_control.meltano.project import Plugins

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


@pytest.mark.parametrize("hours", [0, -1, 10**9, 1.5, True])
def test_an_invalid_interval_is_rejected(hours):
    with pytest.raises(SettingsError, match="whole number of hours"):
        check_interval(hours)
