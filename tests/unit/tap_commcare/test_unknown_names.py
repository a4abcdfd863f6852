"""The tap names what it ignores, once, and never with a value."""

from __future__ import annotations

import logging

import pytest
from singer_sdk.exceptions import ConfigValidationError
from tap_commcare.tap import TapCommCare

CONFIG = {"domain": "river", "username": "u", "api_key": "canary"}


def warnings(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_a_mistyped_setting_is_named_once(caplog):
    TapCommCare(config=CONFIG | {"casetypes": ["canary"], "zzz": "canary", "_note": 1})

    assert warnings(caplog) == [
        "Settings that tap-commcare does not have are ignored: "
        "casetypes (did you mean case_types?), zzz"
    ]


def test_the_right_settings_are_not_warned_about(caplog):
    TapCommCare(config=CONFIG | {"stream_maps": {}, "batch_config": None, "page_size": 5})

    assert warnings(caplog) == []


def test_a_mistyped_setting_that_is_required_is_named_before_the_error(caplog):
    with pytest.raises(ConfigValidationError) as refused:
        TapCommCare(config={"domian": "river", "username": "u", "api_key": "canary"})

    assert "domain is missing." in " ".join(refused.value.errors)
    assert "domian (did you mean domain?)" in warnings(caplog)[0]


@pytest.mark.parametrize("domain", ["River_Health.2", "a:b", "été", "7"])
def test_domains_that_hq_accepts_are_valid(domain):
    assert TapCommCare(config=CONFIG | {"domain": domain}).domains == [domain]


@pytest.mark.parametrize("domain", ["a&b", "a b", "...", "https://x/a/river", "a%2Fb", "a@b"])
def test_domains_that_hq_does_not_accept_are_refused(domain):
    with pytest.raises(ConfigValidationError):
        TapCommCare(config=CONFIG | {"domain": domain})


def test_a_mistyped_variable_is_named(caplog, monkeypatch):
    for name, value in CONFIG.items():
        monkeypatch.setenv(f"TAP_COMMCARE_{name.upper()}", value)
    monkeypatch.setenv("TAP_COMMCARE_PAGE_SIZ", "5")
    monkeypatch.setenv("TAP_COMMCARE_CONNECT_READ_TIMEOUT", "5")  # of the other tap
    TapCommCare(parse_env_config=True)

    assert [each for each in warnings(caplog) if "did you mean" in each] == [
        "The variable TAP_COMMCARE_PAGE_SIZ is ignored: did you mean TAP_COMMCARE_PAGE_SIZE?"
    ]
