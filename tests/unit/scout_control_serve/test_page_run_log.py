"""The log of a run: its first error, and the lines around it."""

from __future__ import annotations

import pytest
from scout_control.api.views import LogLine
from scout_control.serve.page import run_log


def test_the_first_error_of_a_log_is_found():
    lines = [
        LogLine(at="", level=level, source="tap", text="")
        for level in ("info", "warning", "error", "critical")
    ]

    assert run_log.first_failing(lines) == 2
    assert run_log.first_failing(lines[:2]) is None


@pytest.mark.parametrize(
    ("count", "first", "places"),
    [
        (10, None, (0, 9)),
        (1000, None, (600, 999)),
        (1000, 0, (0, 399)),
        (1000, 100, (50, 449)),
        (1000, 990, (600, 999)),
    ],
)
def test_of_a_long_log_the_lines_around_the_first_error_are_shown(count, first, places):
    shown = run_log.shortened([str(number) for number in range(count)], first)

    assert (shown[0][0], shown[-1][0]) == places
    assert shown[0][1] == str(places[0])
