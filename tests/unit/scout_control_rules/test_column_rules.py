"""Columns that must not arrive: the form of rules, what an update changes, what they contradict."""

from __future__ import annotations

import json

import pytest
from scout_control.rules import column_rules
from scout_control.rules.addresses import Addresses
from scout_control.rules.column_rules import Evidence

PROPERTIES = {"case_id": {}, "case_name": {}, "properties": {}, "a.b": {}}
CATALOG = {"cases": {"key": ["case_id"], "schema": {"properties": PROPERTIES}}, "forms": {}}


@pytest.mark.parametrize(
    "rules",
    ["cases.phone", ["cases"], {"cases": "phone"}, {"cases": [1]}, {"cases": [""]},
     {"cases": ["a..b"]}, {"cases": [".a"]}, {"cases": ["a."]}],
)  # fmt: skip
@pytest.mark.parametrize("name", column_rules.NAMES)
def test_malformed_rules_are_explained(name, rules):
    assert f"{name} gives streams lists of paths" in (column_rules.find_error({name: rules}) or "")


def test_well_formed_rules_are_valid():
    rules = {"cases": ["phone", "properties.**.x", "*"], "f*": []}

    assert column_rules.find_error({"exclude_columns": rules, "hash_columns": rules}) is None
    assert column_rules.find_error({}) is None


def test_an_update_replaces_the_rules_of_the_streams_that_it_names():
    current = {"cases": ["a"], "forms": ["b"], "users": ["c"]}

    assert column_rules.changed(current, {"cases": ("x", "y"), "forms": []}) == {
        "cases": ["x", "y"], "users": ["c"],
    }  # fmt: skip


def test_a_link_adds_to_the_rules_of_its_source():
    source = {"exclude_columns": {"cases": ["a"]}, "hash_columns": {"users": ["c"]}, "x": 1}
    link = {"exclude_columns": {"cases": ["b", "a"], "forms": ["d"]}}
    assert column_rules.needs_key(source, link)
    assert not column_rules.needs_key(link, {"hash_columns": {"users": []}})

    found = column_rules.pop_loader_settings(source, link)

    assert {name: json.loads(text) for name, text in found.items()} == {
        "exclude_columns": {"cases": ["a", "b"], "forms": ["d"]},
        "hash_columns": {"users": ["c"]},
    }
    assert (source, link) == ({"x": 1}, {})
    assert column_rules.pop_loader_settings({}, {}) == {}


@pytest.mark.parametrize(
    ("settings", "cause", "remedy"),
    [
        ({"exclude_columns": {"casse": ["x"]}}, "no stream casse", "Did you mean cases?"),
        ({"hash_columns": {"casse": ["x"]}}, "no stream casse", "It has: cases, forms, users."),
        ({"exclude_columns": {"cases": ["case_id"]}}, "case_id is the key of cases", "Hash it"),
        ({"hash_columns": {"cases": ["case_nam"]}}, "no column case_nam", "Did you mean case_name"),
        ({"exclude_columns": {"cases": ["propertys.x"]}}, "no column propertys", "properties"),
    ],
)
def test_what_contradicts_the_known_streams_is_explained(settings, cause, remedy):
    found = column_rules.find_conflict(settings, CATALOG, ["users"])

    assert found is not None
    assert cause in found[0]
    assert remedy in found[1]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("hash_columns", {"cases": ["case_id", "a.b", "*", "properties.x"]}),
        ("exclude_columns", {"f*": ["x"], "forms": ["unknown.until.discovered"], "users": ["x"]}),
    ],
)
def test_rules_that_may_hold_are_accepted(name, rules):
    assert column_rules.find_conflict({name: rules}, CATALOG, ["users"]) is None
    assert column_rules.find_conflict({name: {"any": ["x"]}}, {}) is None


def test_names_of_streams_and_columns_are_no_addresses():
    rules = {name: {"servers": ["host", "url.path"]} for name in column_rules.NAMES}

    assert Addresses().among(rules) == {}


RULED = (
    {"exclude_columns": {"cases": ["properties.phone"], "f*": ["x"]}},
    {"hash_columns": {"cases": ["y"]}},
)


ALL = ["cases", "forms"]


def known(before=None, found=None, loaded=None, *, is_read=False, settings=RULED, streams=ALL):
    evidence = Evidence(
        before=before or {},
        found=found or {},
        loaded=loaded or {},
        streams=streams,
        is_read=lambda _: is_read,
    )
    return column_rules.known(settings, evidence)


@pytest.mark.parametrize(
    ("before", "found", "expected"),
    [
        ({}, {}, {}),
        ({"cases.y": False}, {}, {"cases.y": False}),
        # A read in which nothing of it came neither sets a warning nor clears one.
        ({"cases.y": False}, {"f*.x": True}, {"cases.y": False, "f*.x": True}),
        ({"cases.y": True}, {"cases.y": False}, {"cases.y": True}),
        ({"cases.y": False}, {"cases.y": True}, {"cases.y": True}),
        ({"cases.gone": False}, {"cases.other": False}, {}),
        # What an earlier rule excluded is in no row, so it is remembered.
        ({"cases.gone": True}, {"cases.y": True}, {"cases.gone": True, "cases.y": True}),
    ],
)
def test_a_rule_that_matched_once_is_no_mistake(before, found, expected):
    assert known(before, found) == expected
    assert known(before, found, is_read=True) == expected


@pytest.mark.parametrize(
    ("before", "loaded", "is_read", "expected"),
    [
        ({}, True, False, True),  # a sparse property, of which this increment had no record
        ({}, False, False, False),  # no row ever had it
        ({}, None, False, None),  # nothing is loaded, or it could not be read
        ({}, None, True, False),  # the run itself has read everything
        ({"cases.y": False}, None, False, False),  # a typing error stays named
        ({"cases.y": False}, True, False, True),  # what an earlier release named wrongly
    ],
)
def test_an_increment_names_a_rule_only_if_loaded_rows_lack_what_it_names(
    before, loaded, is_read, expected
):
    rows = {} if loaded is None else {"cases.y": loaded}

    assert known(before, {"cases.y": False}, rows, is_read=is_read).get("cases.y") is expected


@pytest.mark.parametrize(
    ("earlier", "rule", "expected"),
    [
        ("properties.phone", "properties.phnoe", False),
        ("properties.phone", "properties.*phone*", None),
        ("properties.phone", "properties.**.phone", None),
        ("properties.phone", "properties", None),
        ("properties.*phone*", "properties.phone", None),
        ("properties.*phone*", "properties.*phnoe*", False),
        ("properties", "properties.phone", None),
        ("properties.address", "properties.address.street", None),
        ("properties.address.street", "properties.address.town", False),
    ],
)
def test_rows_may_lack_what_a_rule_names_for_the_sake_of_another_rule(earlier, rule, expected):
    settings = [{"exclude_columns": {"cases": [rule]}}]
    name, matched = f"cases.{rule}", {f"cases.{earlier}": True}
    found = known(matched, {name: False}, {name: False}, settings=settings)

    assert found.get(name) is expected
    both = [{"exclude_columns": {"cases": [rule, earlier]}}]
    assert known({}, matched | {name: False}, is_read=True, settings=both).get(name) is expected


def test_only_rules_that_nothing_has_matched_are_looked_up_in_the_rows():
    found = {"cases.y": False, "f*.x": True, "cases.gone": False}

    assert column_rules.doubted(RULED, found) == {"cases.y": ("cases", "y")}
    assert column_rules.doubted(RULED, found, {"cases.y": True}) == {}


def test_rules_for_a_stream_that_the_source_lacks_match_nothing():
    assert known(streams=["cases", "users"]) == {"f*.x": False}
    assert known(streams=[]) == {}
    odd = [{"exclude_columns": {"a[b]*": ["c"]}}]
    assert known(streams=["a[b]c"], settings=odd) == {}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, None),
        ({}, {"exclude_columns": {"a": ["x"]}}, "keep their values"),
        ({}, {"hash_columns": {"a": ["x"]}}, "keep their values"),
        ({"exclude_columns": {"a": ["x"]}}, {}, "lack the values that were excluded"),
        ({"hash_columns": {"a": ["x"]}}, {}, "keep the hashes"),
        (
            {"exclude_columns": {"a": ["x"]}},
            {"hash_columns": {"a": ["x"]}},
            "lack the values that were excluded",
        ),
        (
            {"exclude_columns": {"a": ["x"]}},
            {"exclude_columns": {"a": ["y"]}},
            "keep their values and lack the values that were excluded",
        ),
        ({"hash_columns": {"a": ["x"]}}, {"exclude_columns": {"a": ["x"]}}, "keep the hashes"),
        (
            {"exclude_columns": {"a": ["x.y"]}},
            {"exclude_columns": {"a": ["x"]}},
            "keep their values",
        ),
        (
            {"exclude_columns": {"a": ["x.*"]}},
            {"exclude_columns": {"a": ["x.y"]}},
            "lack the values that were excluded",
        ),
        (
            {"exclude_columns": {"a": ["x"]}, "hash_columns": {"a": ["y"]}},
            {"hash_columns": {"a": ["z"]}},
            "keep their values, lack the values that were excluded and keep the hashes",
        ),
    ],
)
def test_what_a_change_of_rules_leaves_in_loaded_rows_is_told(before, after, expected):
    assert column_rules.effect_on_rows(before, after) == expected


def test_rules_that_matched_nothing_are_named_within_bounds():
    assert column_rules.unmatched_text({}) is None
    assert column_rules.unmatched_text({"cases.a": True}) is None
    text = column_rules.unmatched_text({"cases.a": True, "forms.z": False, "cases.b": False})
    assert text.startswith("exclude/hash rules matched nothing: cases.b, forms.z. What they")
    many = column_rules.unmatched_text({f"cases.{number:03}": False for number in range(400)})
    assert "cases.009 and 390 more. " in many


def test_names_that_no_loaded_row_has_may_be_mistyped():
    text = column_rules.unseen_text("cases.properties.phnoe", "phnoe", {"phone", "age"})

    assert text == "No row that is loaded has cases.properties.phnoe. Did you mean phone?"
    assert column_rules.unseen_text("a.b.*x") == "No row that is loaded has a.b.*x."
    assert column_rules.unseen_text("a.b.c", "c", set()) == "No row that is loaded has a.b.c."
