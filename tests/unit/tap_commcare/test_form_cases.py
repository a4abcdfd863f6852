"""Case blocks, at any place in a form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_commcare.endpoints.form_cases import case_actions

BLOCK = {"@case_id": "c1", "update": {"a": "1"}}


def told(form):
    return [
        (t.case_id, t.path, t.is_created, t.is_updated, t.is_closed) for t in case_actions(form)
    ]


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ({"case": BLOCK}, "/case"),
        ({"case": [BLOCK]}, "/case/0"),
        ({"g": {"h": {"case": BLOCK}}}, "/g/h/case"),
        ({"babies": [{"x": ""}, {"case": BLOCK}]}, "/babies/1/case"),
        ({"babies": {"case": BLOCK}}, "/babies/case"),
        ({"subcase_0": {"case": BLOCK}}, "/subcase_0/case"),
        ({"a/b~c": {"case": BLOCK}}, "/a~1b~0c/case"),
        ({"case": {"name": "a group called case", "case": BLOCK}}, "/case/case"),
    ],
)
def test_a_block_is_found_at_any_depth(form, path):
    assert told(form) == [("c1", path, False, True, False)]


@pytest.mark.parametrize(
    ("block", "flags"),
    [
        ({"create": {"case_name": "x"}}, (True, False, False)),
        ({"create": None, "update": {"a": "1"}}, (False, True, False)),
        ({"create": {"case_name": "x"}, "update": None}, (True, False, False)),
        ({"create": "", "update": ""}, (False, False, False)),
        ({"close": ""}, (False, False, True)),
        ({"close": None}, (False, False, False)),
        ({"update": {"x": ""}, "close": {}}, (False, True, True)),
        ({"index": {"parent": {"#text": "p"}}}, (False, False, False)),
    ],
)
def test_actions_follow_from_their_contents(block, flags):
    assert told({"case": {"@case_id": "c1", **block}}) == [("c1", "/case", *flags)]


def test_blocks_of_the_first_version_have_no_at_sign():
    old = {"case_id": "c1", "date_modified": "2013-09-21", "create": {"case_name": "x"}}

    assert told({"case": old}) == [("c1", "/case", True, False, False)]


@pytest.mark.parametrize(
    "form",
    [
        {"case": {"case_id": "an answer to a question"}},
        {"case": {"@case_id": ""}},
        {"case": ""},
        {"case": ["", None]},
        {"case_id": "c1", "update": {"a": "1"}},
        {},
    ],
)
def test_what_only_looks_like_a_block_is_none(form):
    assert told(form) == []


def test_several_blocks_of_one_case_are_one_touch():
    form = {
        "case": [{"@case_id": "c1", "create": {"a": "1"}}, {"@case_id": "c2", "close": ""}],
        "later": {"case": {"@case_id": "c1", "update": {"a": "2"}}},
    }

    assert told(form) == [
        ("c1", "/case/0", True, True, False),
        ("c2", "/case/1", False, False, True),
    ]


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from("ab") | st.just("case"), inner)
        ),
        max_leaves=30,
    )
)
def test_no_form_stops_it(value):
    assert told({"form": value}) == []
