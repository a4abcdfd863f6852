"""How values and datasets are shown in tables."""

from __future__ import annotations

import pytest
from scout_control.cli.output import dataset_row, format_cell, format_counts

DATASET = {"status": "ready", "run": None, "is_paused": False, "is_linked": True, "row_counts": {}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        ({"b": 1, "a": None}, "a -, b 1"),
        ([], "-"),
        ("2026-11-28T10:00:00.123Z", "2026-11-28 10:00:00Z"),
        ("\x1b[31mred", "\\x1b[31mred"),
    ],
)
def test_values_are_one_line_of_text(value, text):
    assert format_cell(value) == text


def test_totals_are_shown_only_if_all_streams_have_one():
    assert format_counts({"a": {"fetched": 10, "total": 20}}) == "10 of 20"
    assert format_counts({"a": {"fetched": 10, "total": 20}, "b": {"fetched": 1}}) == "11"
    assert format_counts({"a": {"fetched": 0}}) == ""


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ready"),
        ({"is_paused": True}, "ready (schedule paused)"),
        ({"run": {"status": "queued"}}, "ready (run queued)"),
        ({"is_linked": False}, "ready (unlinked)"),
        (
            {"run": {"status": "running", "phase": "load", "progress": {"a": {"fetched": 3}}}},
            "ready (load 3)",
        ),
    ],
)
def test_the_status_of_a_dataset_includes_that_of_its_run(changes, status):
    assert dataset_row(DATASET | changes)["status"] == status


def test_the_rows_of_a_dataset_are_summed():
    assert dataset_row(DATASET | {"row_counts": {"a": 1500, "b": 1, "c": None}})["rows"] == (
        "1,501 in 2 streams"
    )
