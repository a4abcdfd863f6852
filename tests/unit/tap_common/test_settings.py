"""Settings that no JSON schema can check."""

from __future__ import annotations

import pytest
from support.urls import PASSWORDS, leaks
from tap_common import settings
from tap_common.errors import SettingsError

AUTH_METHODS = {"api_key": ("username", "api_key"), "access_token": ("access_token",)}


@pytest.mark.parametrize(
    "url",
    [
        "https://www.commcarehq.org",
        "http://localhost:8000",
        "http://127.0.0.9:1",
        "http://[::1]:8000/",
        " https://hq.example.org/prefix/ ",
    ],
)
def test_addresses_that_keep_a_login_safe_are_taken(url):
    assert settings.checked_base_url(url) == url.strip().rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://hq.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "hq.example.org",
        "ftp://hq.example.org",
        "https://",
        "https://me:secret@hq.example.org",
        "https://hq.example.org?key=secret",
        "https://hq.example.org:port",
    ],
)
def test_others_are_refused_without_quoting_them(url):
    with pytest.raises(SettingsError) as refused:
        settings.checked_base_url(url)

    assert "secret" not in str(refused.value)
    assert "base_url" in str(refused.value)


def test_blank_settings_count_as_absent():
    assert settings.without_blanks({"a": None, "b": "", "c": " ", "d": 0, "e": "x"}) == {
        "d": 0,
        "e": "x",
    }


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "0.5", 0.5),
        ("number", "300", 300),
        ("number", "soon", "soon"),
        ("integer", " 50 ", 50),
        ("integer", "50.0", 50),
        ("integer", "many", "many"),
        ("boolean", "off", False),
        ("boolean", "True", True),
        ("boolean", "perhaps", "perhaps"),
        ("array", "a, b", ["a", "b"]),
        ("array", '["a", "b"]', ["a", "b"]),
        ("object", '{"a": 1}', {"a": 1}),
        ("string", "5", "5"),
    ],
)
def test_texts_of_the_environment_become_what_their_settings_are(kind, text, value):
    assert settings.convert_texts({"x": text}, {"x": {"type": [kind, "null"]}}) == {"x": value}


def test_lists_lose_blanks_and_repetitions_and_keep_their_order():
    assert settings.text_list({"x": ["b", " a ", "", "b"]}, "x") == ["b", "a"]
    assert settings.text_list({"x": "one"}, "x") == ["one"]
    assert settings.text_list({}, "x") == []


def test_exactly_one_login_must_be_complete():
    assert settings.chosen_auth_method({"access_token": "t"}, AUTH_METHODS) == "access_token"
    for config in ({}, {"username": "u"}, {"username": "u", "api_key": "k", "access_token": "t"}):
        with pytest.raises(SettingsError, match=r"username, api_key"):
            settings.chosen_auth_method(config, AUTH_METHODS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "line\nbreak", "nul\0"])
def test_values_that_no_request_can_bear_are_refused_by_name(value):
    with pytest.raises(SettingsError, match="that_setting") as caught:
        settings.check_values({"that_setting": value})

    assert "break" not in str(caught.value).replace("line break", "")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_base_url_with_a_password_is_refused_and_shows_nothing_of_it(password, scheme):
    for url in (f"{scheme}://u:{password}@h.example/", f"{scheme}://u:12/{password}@h.example"):
        with pytest.raises(SettingsError) as caught:
            settings.checked_base_url(url)
        assert leaks(password, str(caught.value)) == set()
