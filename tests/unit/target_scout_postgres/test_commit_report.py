"""What the target's log tells about committed rows, and how often."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from target_scout_postgres import logs
from target_scout_postgres.loading.commit_report import EXTRA, CommitReport
from target_scout_postgres.loading.load_log import Load, LoadStatus


def load(stream: str, rows: int) -> Load:
    return Load(stream, rows, 0, datetime.now(UTC), None, LoadStatus.RUNNING)


@pytest.fixture
def lines(monkeypatch):
    found = []
    monkeypatch.setattr(logs, "info", lambda text, extra: found.append((text, extra[EXTRA])))
    return found


@pytest.fixture
def is_program(monkeypatch):
    monkeypatch.setattr(logs, "is_structured", lambda: True)


def test_a_program_reads_at_most_one_line_a_second_with_the_latest_counts(lines, is_program):
    report = CommitReport()
    for now, rows in ((0.0, 10), (0.4, 20), (0.9, 30), (1.0, 40), (1.1, 50)):
        report.committed([load("cases", rows)], now)

    assert [counts for _, counts in lines] == [{"cases": 10}, {"cases": 40}]


def test_streams_of_a_commit_that_had_no_line_are_in_the_next_one(lines, is_program):
    report = CommitReport()
    report.committed([load("users", 3)], 0.0)
    report.committed([load("forms", 7)], 0.5)
    report.committed([load("cases", 9)], 1.5)

    assert lines[1] == ("committed: forms 7, cases 9", {"forms": 7, "cases": 9})


def test_the_end_of_a_run_always_has_a_line(lines, is_program):
    report = CommitReport()
    report.committed([load("cases", 1)], 0.0)
    report.committed([load("cases", 2)], 0.1, is_end=True)

    assert lines[-1][1] == {"cases": 2}


def test_people_read_a_line_every_ten_seconds_and_none_of_a_short_run(lines):
    report = CommitReport()
    for now in range(25):
        report.committed([load("cases", now)], float(now))

    assert [counts["cases"] for _, counts in lines] == [10, 20]


def test_a_commit_without_rows_has_no_line(lines, is_program):
    CommitReport().committed([], 0.0, is_end=True)

    assert lines == []
