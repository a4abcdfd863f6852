"""Settings of a tap from files and environment, and the messages about wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError
from tap_commcare.tap import TapCommCare
from tap_commcare_connect.tap import TapCommCareConnect

CONFIG = {"domain": "river", "username": "u", "api_key": "k"}


def errors_of(config: dict[str, Any], tap: type = TapCommCare) -> list[str]:
    with pytest.raises(ConfigValidationError) as caught:
        tap(config=config)
    return list(caught.value.errors)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("concurrency", 0, "concurrency must be at least 1."),
        ("concurrency", 33, "concurrency must be at most 32."),
        ("concurrency", "4", "concurrency must be of type integer."),
        ("concurrency", 2.5, "concurrency must be of type integer."),
        ("read_timeout", 0, "read_timeout must be more than 0."),
        ("max_retry_seconds", -1, "max_retry_seconds must be at least 0."),
        ("case_api", "v3", "case_api must be one of v2 or v1."),
        ("deletions", "On", "deletions must be one of off or sweep."),
        ("strict", "yes", "strict must be of type boolean."),
        ("case_types", "s3cret", "case_types must be of type array."),
        ("case_types", ["a", 5], "case_types.1 must be of type string."),
        ("page_size", 0, "page_size must be at least 1."),
        ("read_timeout", float("inf"), "read_timeout must be a number."),
        ("username", "u\nAuthorization: s3cret", "username contains a line break or another"),
        ("api_key", "s3cret\x00", "api_key contains a line break or another control character."),
        ("base_url", "http://10.0.0.1/s3cret", "base_url would send the credential unencrypted"),
        ("base_url", "s3cret", "base_url is not an HTTP URL."),
        ("start_date", "yesterday", "start_date is not a date."),
        ("start_date", "2025-13-01", "start_date is not a date."),
        ("domain", "river/../s3cret", "Invalid domain."),
        ("domain", "..", "Invalid domain."),
        ("domain", "a b", "Invalid domain."),
        ("domain", "a?b", "Invalid domain."),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_rule_and_without_its_value(setting, value, message):
    (error,) = errors_of(CONFIG | {setting: value})

    assert message in error
    assert "s3cret" not in error


@pytest.mark.parametrize("key", ["k\n", "\tk", "\r\nk \n"])
def test_blanks_around_a_secret_that_was_copied_are_not_part_of_it(key):
    tap = TapCommCare(config=CONFIG | {"api_key": key})

    assert tap.client.auth.header() == "ApiKey u:k"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"domain": "river"}, "The credential is missing or incomplete."),
        ({"domain": "river", "username": "u"}, "Given: username."),
        ({"domain": "river", "api_key": "k"}, "Given: api_key."),
        (CONFIG | {"password": "p"}, "There is more than one credential: api_key and password."),
        ({"username": "u", "api_key": "k"}, "domain is missing."),
        ({"username": "u", "api_key": "k", "domain": " "}, "domain is missing."),
    ],
    ids=["none", "half", "other half", "two", "no domain", "blank domain"],
)
def test_an_incomplete_credential_says_what_to_set(config, message):
    (error,) = errors_of(config)

    assert message in error


@pytest.mark.parametrize("value", [["x"], ["1", "2.5"], [""" 7a"""]])
def test_an_id_that_is_no_number_is_an_error_of_its_setting(value):
    config = {"access_token": "t", "opportunity_ids": value}

    assert errors_of(config, TapCommCareConnect) == [
        "opportunity_ids must be a list of ids. Ids are numbers."
    ]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("CONCURRENCY", "7", 7),
        ("CONCURRENCY", "7.0", 7),
        ("STRICT", "yes", True),
        ("STRICT", " Off ", False),
        ("INCLUDE_ARCHIVED", "0", False),
        ("CASE_TYPES", '["a","b,c"]', ["a", "b,c"]),
        ("CASE_TYPES", "a, b", ["a", "b"]),
        ("CASE_TYPES", "é", ["é"]),
        ("OVERLAP_SECONDS", "0.5", 0.5),
        ("START_DATE", "2025-01-31", "2025-01-31"),
        ("BASE_URL", "https://hq.example.org", "https://hq.example.org"),
    ],
)  # fmt: skip
def test_a_setting_in_the_environment_has_the_type_of_its_schema(monkeypatch, name, text, value):
    monkeypatch.setenv(f"TAP_COMMCARE_{name}", text)
    tap = TapCommCare(config=dict(CONFIG), parse_env_config=True)

    assert tap.config[name.lower()] == value
    assert type(tap.config[name.lower()]) is type(value)


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_a_blank_variable_counts_as_absent(monkeypatch, text):
    monkeypatch.setenv("TAP_COMMCARE_CONCURRENCY", text)

    assert TapCommCare(config=dict(CONFIG), parse_env_config=True).config["concurrency"] == 4


def test_a_secret_is_read_from_the_environment_even_if_it_is_not_asked_for(monkeypatch):
    monkeypatch.setenv("TAP_COMMCARE_API_KEY", " from the environment ")
    monkeypatch.setenv("TAP_COMMCARE_DOMAIN", "not-a-secret")
    config = {"username": "u", "domain": "river"}

    assert TapCommCare(config=config).config["api_key"] == "from the environment"
    assert TapCommCare(config=config).config["domain"] == "river"
    assert TapCommCare(config=config | {"api_key": "k"}).config["api_key"] == "k"


@pytest.mark.parametrize(
    ("config", "domains"),
    [
        ({"domain": "a"}, ["a"]),
        ({"domain": " a ", "domains": ["b", " a", "", "b"]}, ["a", "b"]),
        ({"domains": ["b", "a"]}, ["b", "a"]),
    ],
    ids=["one", "both, with doubles", "several"],
)
def test_domains_are_read_once_each_in_their_order(config, domains):
    tap = TapCommCare(config={"username": "u", "api_key": "k"} | config)

    assert list(tap.domains) == domains


@pytest.mark.parametrize("domains", [["a"], ["a", "b"]], ids=["one", "several"])
def test_the_domain_is_part_of_the_key_of_several(domains):
    tap = TapCommCare(config={"username": "u", "api_key": "k", "domains": domains})
    first = ("domain",) if len(domains) > 1 else ()

    assert tap.streams["cases"].primary_keys == (*first, "case_id")
    assert tap.streams["form_questions"].primary_keys == (*first, "app_id", "xmlns", "path")


AUTHS: list[tuple[type, dict[str, Any], str]] = [
    (TapCommCare, {"domain": "d", "username": "U", "api_key": "k"}, "ApiKey u:k"),
    (TapCommCare, {"domain": "d", "username": "u", "password": "p"}, "Basic dTpw"),
    (TapCommCare, {"domain": "d", "access_token": "t"}, "Bearer t"),
    (TapCommCareConnect, {"access_token": " t "}, "Bearer t"),
    (
        TapCommCareConnect,
        {"client_id": "c", "refresh_token": "r", "access_token": "first"},
        "Bearer first",
    ),
]


@pytest.mark.parametrize(
    ("tap", "config", "header"), AUTHS, ids=[f"{a[0].name} {a[2].split()[0]}" for a in AUTHS]
)
def test_a_credential_of_each_kind_is_sent_as_the_server_expects(tap, config, header):
    assert tap(config=config).client.auth.header() == header
