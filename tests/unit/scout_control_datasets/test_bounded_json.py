"""JSON values of rows: what would exhaust the stack or the memory of who reads it stays text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.datasets.bounded_json import (
    MOST_CONTAINERS,
    MOST_LEVELS,
    BoundedJsonLoader,
    has_more_levels,
)

LOADER = BoundedJsonLoader(114, None)
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | TEXTS
VALUES = st.recursive(SCALARS, lambda each: st.lists(each) | st.dictionaries(TEXTS, each))


@given(VALUES)
def test_usual_values_are_loaded(value):
    assert LOADER.load(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "[" * 150 + "]" * 150,
        "[" * 6000 + "]" * 6000,
        '{"a":' * 150 + "1" + "}" * 150,
        "[" + "[]," * MOST_CONTAINERS + "1]",
        "1" + "0" * 6000,
    ],
)
def test_values_beyond_the_bounds_are_refused(text):
    with pytest.raises((ValueError, RecursionError)):
        LOADER.load(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "-1e400",
        "0.1234567890123456789",
        '[1, {"a": 1e-400}]',
        "123456789012345678.5",
        "-0",
        '{"a": 1, "b": {"c": 1, "c": 1}}',
        '"\\ud800"',
        '["\\udc00\\ud800"]',
        '{"\\ud800": 1}',
        '"a\\u0000b"',
    ],
)
def test_values_that_python_would_change_are_refused(text):
    with pytest.raises(ValueError, match=r"rounded|repeated|NUL|surrogates"):
        LOADER.load(text.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", 1.1),
        ("1e2", 100.0),
        ("5e-324", 5e-324),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("-0.0", -0.0),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("18446744073709551617", 18446744073709551617),
    ],
)
def test_numbers_and_texts_that_python_has_are_loaded(text, value):
    found = LOADER.load(text.encode())

    assert (type(found), repr(found)) == (type(value), repr(value))


@pytest.mark.parametrize("levels", [0, 1, MOST_LEVELS])
def test_levels_are_counted(levels):
    value = json.loads("[" * (levels + 1) + "]" * (levels + 1))

    assert not has_more_levels(value, levels + 1)
    assert not has_more_levels(value, levels)
    assert has_more_levels([value], levels)
