"""What the log of a run says about views of the alias that could not be renewed."""

from __future__ import annotations

import pytest
from scout_control.datasets.alias_schema import OUT_OF_TIME
from scout_control.datasets.aliases import problems


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("55P03", "it is in use"),
        ("2BP01", "other objects depend on it"),
        (OUT_OF_TIME, "took too long"),
        ("42501", "SQLSTATE 42501"),
    ],
)
def test_each_view_is_named_with_the_reason(state, why):
    [sentence] = problems("river_hq", {"cases": state})

    assert sentence.startswith("river_hq.cases is as it was: ")
    assert why in sentence


@pytest.mark.parametrize(("count", "lines"), [(0, 0), (10, 10), (11, 11), (500, 11)])
def test_of_many_views_the_first_are_named(count, lines):
    sentences = problems("river_hq", {f"t{number:03}": "55P03" for number in range(count)})

    assert len(sentences) == lines
    assert ("other views" in "".join(sentences)) is (count > 10)
