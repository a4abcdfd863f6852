"""Mistyped settings, variables and streams are named with what they probably mean."""

from __future__ import annotations

import pytest
from tap_common.suggestions import (
    closest,
    mistyped_variables,
    unknown_settings,
    with_suggestions,
)

KNOWN = ("domain", "domains", "case_types", "connect_timeout", "page_size", "base_url")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("domian", "domain"), ("caseTypes", "case_types"), ("Page_Size", "page_size"), ("x", None)],
)
def test_the_most_similar_name_is_found(typed, meant):
    assert closest(typed, KNOWN) == meant


def test_each_name_has_its_own_suggestion():
    assert with_suggestions(["xyz", "domian"], KNOWN) == "domian (did you mean domain?), xyz"
    assert with_suggestions(["domian"], KNOWN, 0.99) == "domian"
    assert len(with_suggestions(["x" * 5000], KNOWN)) == 100


def test_settings_of_other_plugins_and_of_meltano_are_known():
    of_others = ["stream_maps", "batch_config", "hard_delete", "_select", "stream_maps.cases.x"]

    assert unknown_settings([*KNOWN, *of_others, "domian", "xyz"], KNOWN) == ["domian", "xyz"]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TAP_COMMCARE_DOMIAN", "TAP_COMMCARE_DOMAIN"),
        ("TAP_COMMCARE_PAGESIZE", "TAP_COMMCARE_PAGE_SIZE"),
        ("TAP_COMMCARE_DOMAIN", None),
        ("TAP_COMMCARE_CONNECT_READ_TIMEOUT", None),
        ("TAP_COMMCARE_CONNECT_BASE_URL", None),
        ("TAP_COMMCARE_LOGLEVEL", None),
        ("TAP_COMMCARE__SELECT", None),
        ("DOMIAN", None),
    ],
)
def test_only_variables_that_are_very_similar_are_reported(variable, meant):
    found = mistyped_variables([variable], "TAP_COMMCARE_", KNOWN)

    assert found == ({} if meant is None else {variable: meant})
