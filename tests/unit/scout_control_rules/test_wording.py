"""Counts in sentences."""

from __future__ import annotations

import pytest
from scout_control.rules.wording import counted


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ["row"], "0 rows"),
        (1, ["row"], "1 row"),
        (2, ["row"], "2 rows"),
        (1234567, ["row"], "1,234,567 rows"),
        (1, ["query", "queries"], "1 query"),
        (0, ["query", "queries"], "0 queries"),
    ],
)
def test_a_count_has_the_noun_that_suits_it(number, nouns, text):
    assert counted(number, *nouns) == text
