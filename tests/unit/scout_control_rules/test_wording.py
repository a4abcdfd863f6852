"""Counts in sentences."""

from __future__ import annotations

from signal import SIGHUP, SIGINT, SIGTERM

import pytest
from scout_control.rules.wording import counted, interruption, listed


@pytest.mark.parametrize(
    ("signals", "text"),
    [
        ([], None),
        ([SIGINT], "interrupted by Ctrl-C"),
        ([int(SIGINT), int(SIGTERM)], "interrupted by Ctrl-C"),
        ([int(SIGTERM)], "interrupted by SIGTERM"),
        ([int(SIGHUP), int(SIGINT)], "interrupted by SIGHUP"),
    ],
)
def test_an_interruption_has_the_name_of_its_first_signal(signals, text):
    assert interruption(signals) == text


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


def test_of_many_names_only_the_first_are_listed():
    assert listed([]) == ""
    assert listed(list("abcde")) == "a, b, c, d, e"
    assert listed([f"p{number}" for number in range(39)]) == "p0, p1, p2, p3, p4 and 34 more"
    assert listed(list("abc"), 2) == "a, b and 1 more"
