"""Where a browser may be sent, and where its requests come from."""

from __future__ import annotations

import pytest
from scout_control.rules import own_pages

OWN = frozenset({"http://127.0.0.1:8765", "https://scout.example.org"})


@pytest.mark.parametrize(
    "path", ["/", "/datasets/data_x/", "/datasets/data_x/?after=1&tab=runs", "/a%20b"]
)
def test_a_path_of_ours_is_kept(path):
    assert own_pages.own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "//evil.example.org",
        "///evil.example.org",
        "/\\evil.example.org",
        "\\\\evil.example.org",
        "/\t/evil.example.org",
        "/\n/evil.example.org",
        "https://evil.example.org",
        "https:evil.example.org",
        "javascript:alert(1)",
        "evil.example.org",
        " //evil.example.org",
        "/x\r\nSet-Cookie: a=b",
        "/x#//evil",
        "/" + "x" * 600,
        "/é",
    ],
)
def test_what_could_lead_elsewhere_becomes_the_home_page(path):
    assert own_pages.own_path(path) == "/"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://scout.example.org", "https://scout.example.org"),
        ("https://scout.example.org:443/x?y", "https://scout.example.org"),
        ("http://127.0.0.1:8765/", "http://127.0.0.1:8765"),
        ("http://[::1]:8765", "http://[::1]:8765"),
        ("https://SCOUT.example.org", "https://scout.example.org"),
        ("null", None),
        ("file:///etc/passwd", None),
        ("https://ann@scout.example.org", None),
        ("https://x:port", None),
        ("https://[::1", None),
    ],
)
def test_an_origin_is_written_as_browsers_do(url, origin):
    assert own_pages.origin_of(url) == origin


@pytest.mark.parametrize(
    ("origin", "site", "expected"),
    [
        (None, None, True),
        ("http://127.0.0.1:8765", None, True),
        ("https://scout.example.org", "same-origin", True),
        ("http://127.0.0.1:8765", "same-site", False),
        ("http://127.0.0.1:8765", "cross-site", False),
        ("http://127.0.0.1:8765", "none", False),
        ("http://127.0.0.1:9999", "same-origin", False),
        ("http://127.0.0.1:9999", None, False),
        ("https://evil.example.org", None, False),
        ("https://scout.example.org.evil.example.org", None, False),
        ("null", None, False),
        ("", None, False),
    ],
)
def test_a_change_must_come_from_a_page_of_ours(origin, site, expected):
    assert own_pages.is_from_here(origin, site, OWN) is expected


@pytest.mark.parametrize(
    ("site", "expected"),
    [(None, True), ("none", True), ("same-origin", True), ("same-site", False), ("x", False)],
)
def test_another_site_is_told_from_a_person_who_types(site, expected):
    assert own_pages.is_typed(site) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((each, True) for each in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")),
        *((each, False) for each in ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.x")),
    ],
)
def test_an_address_of_this_machine_is_known(host, expected):
    assert own_pages.is_loopback(host) is expected
