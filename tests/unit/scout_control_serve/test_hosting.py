"""Where the server may listen, and by which names it is called."""

from __future__ import annotations

import pytest
from scout_control.errors import SettingsError
from scout_control.serve.hosting import Hosting

TLS = {"certificate": "cert.pem", "key": "key.pem"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "0.0.0.0"} | TLS,
        {"host": "10.0.0.7"} | TLS,
        {"host": "0.0.0.0", "proxies": ("10.0.0.5",)},
        {"host": "::", "proxies": ("10.0.0.0/24", "fd00::/8")},
        {"public_url": "https://scout.example.org/"},
        {"public_url": "http://localhost:9000"},
    ],
)
def test_this_machine_needs_nothing_and_others_tls_or_a_proxy(options):
    Hosting(**options).check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "0.0.0.0"}, "others could read the tokens"),
        ({"host": "::"}, "others could read the tokens"),
        ({"host": "192.168.1.7"}, "others could read the tokens"),
        ({"host": "scout.example.org"}, "others could read the tokens"),
        ({"host": "0.0.0.0", "public_url": "https://x.example.org"}, "others could read"),
        ({"certificate": "cert.pem"}, "belong together"),
        ({"key": "key.pem"}, "belong together"),
        ({"proxies": ("*",)}, "not the address of a proxy"),
        ({"proxies": ("0.0.0.0/0",)}, "not the address of a proxy"),
        ({"proxies": ("::/0",)}, "not the address of a proxy"),
        ({"proxies": ("proxy.example.org",)}, "not the address of a proxy"),
        ({"public_url": "http://scout.example.org"}, "must begin with https"),
        ({"public_url": "scout.example.org"}, "is invalid"),
        ({"public_url": "https://scout.example.org/path"}, "is invalid"),
        ({"public_url": "https://ann@scout.example.org"}, "is invalid"),
    ],
)
def test_what_is_not_safe_is_refused_with_the_reason(options, message):
    with pytest.raises(SettingsError, match=message):
        Hosting(**options).check()


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, []),
        ({"host": "0.0.0.0"}, []),
        ({"host": "10.0.0.7"}, ["10.0.0.7"]),
        ({"public_url": "https://Scout.example.org:8443"}, ["scout.example.org"]),
    ],
)
def test_only_its_own_names_call_it(options, more):
    assert Hosting(**options).names == ["127.0.0.1", "localhost", "[::1]", "::1", *more]


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({}, "http://127.0.0.1:81"),
        ({"host": "::1"}, "http://[::1]:81"),
        ({"host": "0.0.0.0"} | TLS, "https://127.0.0.1:81"),
        ({"public_url": "https://scout.example.org/"}, "https://scout.example.org"),
    ],
)
def test_the_printed_address_can_be_opened(options, address):
    assert Hosting(**options).address(81) == address
