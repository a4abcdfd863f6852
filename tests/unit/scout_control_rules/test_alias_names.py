"""Names of alias schemas: typed without quotes, never those of others."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules.alias_names import KEYWORDS, candidates, find_error

ids = st.text(min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("river", "hq"), "river_hq"),
        (("Kenya Rivers", "HQ (live)"), "kenya_rivers_hq_live"),
        (("river", "hq", "ann@example.org"), "river_hq_ann_example_org"),
        (("2024-river", "hq"), "_2024_river_hq"),
        (("pg", "hq"), "_pg_hq"),
        (("data", "hq"), "_data_hq"),
        (("scout", "control"), "_scout_control"),
        (("current", "user"), "_current_user"),
        (("река", "user"), "_user"),
        (("Ünïcode", "hq"), "unicode_hq"),
        (("река", "源"), "dataset"),
        (("p" * 80, "s" * 80, "u" * 80), f"{'p' * 18}_{'s' * 18}_{'u' * 18}"),
    ],
)
def test_a_name_is_made_of_project_source_and_user(parts, name):
    assert next(candidates(parts)) == name


def test_a_taken_name_is_followed_by_numbered_ones():
    assert list(islice(candidates(("river", "hq")), 3)) == ["river_hq", "river_hq_2", "river_hq_3"]


@given(st.lists(ids, min_size=2, max_size=3))
def test_every_name_can_be_typed_whatever_the_ids_are(parts):
    names = list(candidates(parts))

    assert len(set(names)) == len(names) > 900
    for name in names:
        assert find_error(name) is None
        assert re.fullmatch(r"[a-z_][a-z0-9_]*", name)
        assert len(name) <= 63
        assert not name.startswith(("pg_", "data_"))
        assert name not in KEYWORDS


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "consist"),
        ("River", "consist"),
        ("river hq", "consist"),
        ("river-hq", "consist"),
        ('river"; drop schema public; --', "consist"),
        ("1river", "consist"),
        ("river\n", "consist"),
        ("rivière", "consist"),
        ("r" * 64, "longer"),
        ("pg_river", "begin"),
        ("data_river", "begin"),
        ("select", "reserved"),
        ("public", "reserved"),
        ("scout_control", "reserved"),
    ],
)
def test_a_name_that_people_choose_must_be_as_easy_to_type(name, why):
    assert why in (find_error(name) or "")


def test_a_good_name_has_no_error():
    assert find_error("sales_2024") is None
