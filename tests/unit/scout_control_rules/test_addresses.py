"""Which settings locate a source, and to what a credential is bound."""

from __future__ import annotations

import pytest
from scout_control.rules.addresses import Addresses, binding, origin


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "x"),
        ("apiurl", "x"),
        ("dbHost", "x"),
        ("proxies", {}),
        ("verify_ssl", False),
        ("anything", "https://elsewhere.test"),
        ("anything", "elsewhere.test:443"),
        ("anything", "/etc/passwd"),
        ("anything", '{"deep": ["//x", {"host": 1}]}'),
        ("domain", "evil.test"),
        ("site_ids", ["https://elsewhere.test"]),
        ("batch_config", {}),
    ],
)
def test_a_setting_that_may_locate_the_source_is_an_address(name, value):
    assert Addresses().among({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start_date", "2026-01-01"),
        ("site_ids", ["a", "b"]),
        ("form_xmlns", "http://openrosa.org/x"),
        ("domain", "river-health"),
        ("stream_maps", {"a": {"url": "record['url']"}}),
        ("user_agent", "me https://x"),
        ("page_size", 100),
    ],
)
def test_a_setting_that_selects_data_is_no_address(name, value):
    assert Addresses().among({name: value}) == {}


def test_what_meltano_yml_declares_wins_over_names_and_values():
    declared = Addresses(declared=frozenset({"region_code"}), filters=frozenset({"host_name"}))

    assert declared.among({"region_code": "eu", "host_name": "h"}) == {"region_code": "eu"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://HQ.test", "https://hq.test:443"),
        ("https://hq.test.:443/a/", "https://hq.test:443"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("https://[2001:DB8::1]/x", "https://[2001:db8::1]:443"),
        ("https://u@hq.test", None),
        ("https://hq.test?x", None),
        ("https://hq.test\\@evil.test", None),
        ("https://hq.test:port", None),
        (5, None),
    ],
)
def test_an_origin_has_one_spelling(url, expected):
    assert origin(url) == expected


def test_a_binding_ignores_spelling_and_missing_values():
    one = binding({"base_url": "https://HQ.test/", "verify": True, "proxy": None})
    other = binding({"base_url": "https://hq.test:443", "verify": True})

    assert one == other == {"base_url": "https://hq.test:443", "verify": "true"}
