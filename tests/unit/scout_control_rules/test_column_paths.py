"""Paths of rules for columns mean the same here as to the loader, and to Postgres."""

from __future__ import annotations

import pytest
from scout_control.rules import column_paths
from target_scout_postgres.singer import column_rules

MEANINGS = [
    ("cases.properties", "cases.properties.phone", True),
    ("cases.properties.phone", "cases.properties", False),
    ("cases.properties.phone", "cases.properties.phone", True),
    ("cases.properties.*phone*", "cases.properties.phone", True),
    ("cases.properties.*phone*", "cases.properties.phnoe", False),
    ("cases.properties.*phone*", "cases.properties.*phnoe*", False),
    ("cases.properties.phone", "cases.properties.*phone*", False),
    ("cases.properties.*", "cases.properties.phnoe", True),
    ("cases.properties.**", "cases.properties", True),
    ("cases.properties.**.x", "cases.properties.x", True),
    ("cases.properties.**.x", "cases.properties.a.b.x.y", True),
    ("cases.properties.**.x.**.y", "cases.properties.x.a.y", True),
    ("cases.**.phone", "cases.phone", True),
    ("c*.phone", "cases.phone", True),
    ("c?ses.phone", "cases.phone", True),
    ("forms.phone", "cases.phone", False),
    ("cases.a[b]", "cases.ab", False),
    ("cases.a[b]", "cases.a[b]", True),
]


@pytest.mark.parametrize(("path", "other", "expected"), MEANINGS)
def test_a_path_covers_what_it_names_and_everything_in_it(path, other, expected):
    assert column_paths.covers(path, other) is expected


@pytest.mark.parametrize(("path", "other", "expected"), MEANINGS)
def test_the_loader_applies_a_path_to_the_same_names(path, other, expected):
    node, is_applied = column_rules.root([column_rules.Rule(path, is_hash=False)]), False
    for name in other.split("."):
        rule, node = node.member(name) if node else (None, None)
        is_applied |= rule is not None

    assert is_applied is expected


@pytest.mark.parametrize(
    ("path", "column", "rest"),
    [
        ("properties.phone", "properties", {("phone",)}),
        ("properties.phone", "name", set()),
        ("name", "name", {()}),
        ("name.**", "name", {()}),
        ("*.phone", "properties", {("phone",)}),
        ("**.phone", "phone", {(), ("**", "phone")}),
        ("**.phone", "properties", {("**", "phone")}),
        ("form.**.x", "form", {("**", "x")}),
        ("a.b.c", "a.b", {("c",)}),
        ("a.b", "a.b", {()}),
    ],
)
def test_below_a_column_the_rest_of_a_path_is_left(path, column, rest):
    assert column_paths.below(path, column) == rest


def test_many_wildcards_take_no_time():
    path = ".".join(["**", "a*"] * 200)

    assert not column_paths.covers(path, ".".join(["a"] * 150 + ["b"]))
    assert not column_paths.covers("." * 3000, "." * 2999)


def test_names_in_json_paths_are_quoted():
    assert column_paths.json_paths(("a",)) == ['$."a"']
    assert column_paths.json_paths(('"é', "**", "*", "b")) == [
        '$."\\"\\u00e9".**.*."b"',
        '$ ? (@.type() == "object").keyvalue() ? (@.key like_regex '
        '"^\\"\\u00e9\\\\..*.*\\\\..*\\\\.b$" flag "s").value',
    ]
