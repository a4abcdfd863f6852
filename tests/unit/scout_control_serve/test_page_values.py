"""Values and pictures as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from scout_control.api.views import Run
from scout_control.serve.page import charts, formats

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=45), "45 s ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5, minutes=59), "5 hours ago"),
        (timedelta(days=400), "400 days ago"),
        (-timedelta(minutes=30), "in 30 minutes"),
    ],
)
def test_a_moment_is_told_by_its_distance(passed, text):
    assert formats.ago(NOW - passed, NOW) == text
    assert formats.ago((NOW - passed).isoformat(), NOW) == text


def test_without_a_moment_it_never_was():
    assert (formats.ago(None), formats.moment(None)) == ("never", "")


def test_a_moment_is_written_in_utc_whatever_its_zone():
    assert formats.moment("2026-01-02T05:04:05+02:00") == "2026-01-02 03:04 UTC"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("text", "text"),
        (7, "7"),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        (NOW, "2026-01-02T03:04:05Z"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        ("x" * 400, "x" * 300 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_a_cell_shows_a_value_shortened(value, text):
    assert formats.cell(value) == text


def run(minutes, seconds, rows, status="completed"):
    started = NOW + timedelta(minutes=minutes)
    return Run(
        run_id=str(minutes), dataset="river/hq", schema="s", alias=None, status=status,
        is_interrupted=False, phase="done", trigger="manual", attempt=1, started_at=started,
        completed_at=started + timedelta(seconds=seconds), resume_at=None, heartbeat_at=None,
        progress={}, activity={}, rows_loaded={}, error_code=None, error_message=None,
        transform_error=None, result={"rows_in_tables": rows},
    )  # fmt: skip


def test_the_pictures_show_ended_runs_the_oldest_first():
    durations, rows = charts.of_runs([run(2, 30, 1200, "failed"), run(1, 60, 800), run(0, 15, 400)])

    assert [each.height for each in durations.columns] == [30, 120, 60]
    assert [each.y for each in durations.columns] == [90, 0, 60]
    assert [each.is_failed for each in rows.columns] == [False, False, True]
    assert rows.summary == "Rows in the tables, 3 runs: from 400 to 1,200, the latest 1,200."
    assert "2026-01-02 03:04 UTC: 15 s (completed)" in durations.columns[0].label
    last = durations.columns[-1]
    assert last.x + last.width <= durations.width


@pytest.mark.parametrize("runs", [[], [run(0, 15, 400)], [run(0, 1, None), run(1, 1, None)]])
def test_without_two_values_there_is_no_picture_of_them(runs):
    assert [each.title for each in charts.of_runs(runs)] in ([], ["Duration of runs"])


def test_a_value_of_zero_is_still_seen():
    [durations, rows] = charts.of_runs([run(1, 0, 0), run(0, 0, 0)])

    assert {each.height for each in rows.columns} == {1}
    assert durations.most == "0 s"
