"""Pictures of runs: their time, their rows, how old the data was, and which are missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from scout_control.api.views import Run
from scout_control.serve.page import charts, freshness

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def run(hours_ago, seconds=60, status="completed", phases=None, **tables):
    ended = NOW - timedelta(hours=hours_ago)
    sources = {name: {"rows_in_table": rows} for name, rows in tables.items()}
    return Run(
        run_id=str(hours_ago), dataset="river/hq", schema="s", alias=None, status=status,
        is_interrupted=False, phase="done", trigger="manual", attempt=1,
        started_at=ended - timedelta(seconds=seconds), completed_at=ended, resume_at=None,
        heartbeat_at=None, progress={}, activity={}, rows_loaded={}, error_code=None,
        error_message=None, transform_error=None,
        result={"sources": sources} | ({"phase_seconds": phases} if phases else {}),
    )  # fmt: skip


def test_durations_are_columns_the_oldest_run_first():
    chart = charts.durations([run(1, 30, "failed"), run(2, 60), run(3, 15)])

    assert [each.height for each in chart.shapes] == [30, 120, 60]
    assert [each.y for each in chart.shapes] == [90, 0, 60]
    assert [each.kind for each in chart.shapes] == ["work", "work", "failed"]
    assert chart.summary == "3 runs: from 15 s to 1:00, the latest 30 s."
    assert chart.shapes[-1].x + chart.shapes[-1].width <= chart.width


def test_the_phases_of_a_run_stand_on_each_other():
    phases = {"prepare": 10, "load": 20, "finish": 10}

    bottom, middle, top = charts.durations([run(1, phases=phases), run(2, 0.1)]).shapes[1:]

    assert [bottom.height, middle.height, top.height] == [30, 60, 30]
    assert [bottom.y, middle.y, top.y] == [90, 30, 0]
    assert [bottom.kind, middle.kind, top.kind] == ["prepare", "load", "finish"]
    assert "load 20 s of 40 s (completed)" in middle.label


@pytest.mark.parametrize("runs", [[], [run(1)]])
def test_without_two_runs_there_is_no_development(runs):
    assert charts.durations(runs) is None
    assert charts.rows(runs) == ()
    assert freshness.chart(runs, 24, NOW) is None


def test_the_shares_of_a_run_are_those_of_its_whole_time():
    shares = charts.shares(run(1, phases={"load": 30, "transform": 10}))

    assert [(each.name, each.share) for each in shares] == [("load", 0.75), ("transform", 0.25)]
    assert [each.x for each in charts.share_chart(run(1, phases={"load": 3, "finish": 1}))] == [
        0,
        450,
    ]
    assert charts.shares(run(1)) == ()
    assert charts.shares(run(1, phases={"load": 0.0})) == ()


def test_each_stream_has_a_picture_of_its_rows_the_largest_first():
    small, large = "users", "cases"
    runs = [run(1, cases=1200, users=3), run(2, cases=800, users=3), run(3, cases=400)]

    first, second = charts.rows(runs)

    assert (first.title, second.title) == (large, small)
    assert [each.height for each in first.shapes] == [40, 80, 120]
    assert first.summary == "1,200 rows, +800 since 2026-01-02."
    assert second.summary == "3 rows, unchanged."


def test_a_table_without_rows_is_still_seen_and_an_unknown_count_is_left_out():
    [chart] = charts.rows([run(1, cases=0), run(2, cases=0), run(3, cases=None)])

    assert [each.height for each in chart.shapes] == [1, 1]


def test_of_many_streams_the_largest_are_shown():
    many = {f"stream{number}": number for number in range(40)}

    assert len(charts.rows([run(1, **many), run(2, **many)])) == charts.MOST_STREAMS


@pytest.mark.parametrize(
    ("hours_ago", "interval", "missed"),
    [
        ([1, 25, 49], 24, []),
        ([1, 30, 54], 24, []),  # later than planned, since runs take time themselves
        ([1, 49, 73], 24, [1]),
        ([1, 73], 24, [2]),
        ([40, 64], 24, [1]),
        ([1, 2, 5, 6, 9], 1, [2, 2]),
        ([], 24, []),
    ],
)
def test_missing_runs_are_found_between_those_that_completed(hours_ago, interval, missed):
    found = freshness.gaps([run(each) for each in hours_ago], interval, NOW, is_paused=False)

    assert [each.missed for each in found] == missed


def test_a_run_that_failed_fills_no_gap_and_one_that_was_partial_does():
    failed = [run(1), run(25, status="failed"), run(49)]
    partial = [run(1), run(25, status="partial"), run(49)]

    [gap] = freshness.gaps(failed, 24, NOW, is_paused=False)

    assert (gap.begin, gap.end) == (NOW - timedelta(hours=49), NOW - timedelta(hours=1))
    assert (gap.length, gap.is_open) == ("2 days", False)
    assert freshness.gaps(partial, 24, NOW, is_paused=False) == ()


def test_while_the_schedule_is_paused_no_run_is_missing_now():
    assert freshness.gaps([run(90)], 24, NOW, is_paused=True) == ()
    [gap] = freshness.gaps([run(90)], 24, NOW, is_paused=False)
    assert gap.is_open


def test_data_grows_older_until_the_next_run_that_completed():
    runs = [run(12), run(24, status="failed"), run(36), run(48)]

    chart = freshness.chart(runs, 24, NOW)

    ages = [each for each in chart.shapes if each.kind == "age"]
    marks = [each for each in chart.shapes if each.kind != "age"]
    assert [each.height for each in ages] == [60, 120, 60]
    assert [(each.x, each.width) for each in ages] == [(0, 150), (150, 300), (450, 150)]
    assert [each.kind for each in marks] == ["mark", "mark", "failed", "mark"]
    assert chart.line == 0
    assert chart.summary == "The data is 12 hours old; at most it was 1 day old."


def test_without_a_run_that_completed_or_an_interval_less_is_shown():
    assert freshness.chart([run(1, status="failed"), run(2, status="failed")], 24, NOW) is None
    assert freshness.chart([run(1), run(2)], None, NOW).line is None
