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
SCALARS = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(SCALARS, lambda each: st.lists(each) | st.dictionaries(st.text(), each))


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


@pytest.mark.parametrize("levels", [0, 1, MOST_LEVELS])
def test_levels_are_counted(levels):
    value = json.loads("[" * (levels + 1) + "]" * (levels + 1))

    assert not has_more_levels(value, levels + 1)
    assert not has_more_levels(value, levels)
    assert has_more_levels([value], levels)
