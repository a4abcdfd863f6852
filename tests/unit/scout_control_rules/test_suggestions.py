"""A mistyped name gets the known one that it probably means."""

from __future__ import annotations

import pytest
from scout_control.rules.suggestions import advice, closest, did_you_mean, near_paths

SETTINGS = ("domain", "domains", "case_types", "page_size", "base_url")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("domian", "domain"),
        ("Case_Types", "case_types"),
        ("pagesize", "page_size"),
        ("base-url", "base_url"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_most_similar_name_is_found(typed, meant):
    assert closest(typed, SETTINGS) == meant


def test_what_begins_with_a_name_is_meant_in_the_order_given():
    assert closest("ssl", ["description", "sslmode", "sslsni", "sslkey"]) == "sslmode"
    assert closest("case", ["case_plan", "cases"]) == "cases"
    assert closest("ss", ["sslmode"]) is None
    assert closest("ssl", {"sslmode", "sslkey"}) == "sslkey"  # a set has no order


def test_suggestions_name_only_what_is_similar():
    assert did_you_mean(["domian"], SETTINGS) == "Did you mean domain?"
    assert did_you_mean(["zzz"], SETTINGS) == ""
    assert did_you_mean(["zzz", "pagesize", "domian"], SETTINGS) == (
        "Did you mean domain instead of domian, page_size instead of pagesize?"
    )


def test_advice_ends_with_all_names():
    assert advice(["kye"], ["key", "act"]) == "Did you mean key? It has: act, key."
    assert advice(["zzz"], ["key"], "Use one of") == "Use one of: key."
    assert advice(["zzz"], []) == ""


PATHS = ["emb/connect", "emb/hq", "river/hq", "river/hq/ann", "lake/stock"]


@pytest.mark.parametrize(
    ("path", "known", "near"),
    [
        ("emb/nope", PATHS, "Did you mean emb/connect or emb/hq?"),
        ("rivr/hq", PATHS, "Did you mean river/hq or river/hq/ann or emb/hq?"),
        ("EMB/HQ", ["emb/hq"], "Did you mean emb/hq?"),
        ("stock", PATHS, "Did you mean lake/stock?"),  # its project is missing
        ("ann", PATHS, "Did you mean river/hq/ann?"),
        ("hill/other", PATHS, ""),
        ("", PATHS, ""),
        ("emb/nope", [], ""),
        ("a/bcdefg", [f"a/{number}" for number in range(9)], "Did you mean a/0 or a/1 or a/2?"),
    ],
)
def test_a_path_that_does_not_exist_leads_to_those_that_do(path, known, near):
    assert near_paths(path, known) == near
