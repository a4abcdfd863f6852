"""How lines of Meltano become lines of a run's log."""

from __future__ import annotations

import json

import pytest
from scout_control.meltano.log_lines import MAX_CHARACTERS, LogLine, readable


def of(**event) -> LogLine | None:
    return readable(json.dumps(event) + "\n")


def test_a_line_of_a_plugin_has_its_name_and_level():
    assert of(string_id="tap-hq", level="warning", event="waiting 5 s") == LogLine(
        level="warning", source="tap-hq", text="waiting 5 s"
    )


def test_lines_of_meltano_have_its_name_whether_json_or_not():
    found = [of(name="info", level="info", event="Reading state"), readable("plain text\n")]

    assert [(line.source, line.text) for line in found] == [
        ("meltano", "Reading state"),
        ("meltano", "plain text"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        json.dumps({"event": ""}),
        json.dumps({"name": "dbt-postgres", "event": "21:13:38"}),
        json.dumps({"event": "METRIC", "metric_info": {"value": 5}}),
        json.dumps({"event": "committed: cases 5", "committed_rows": {"cases": 5}}),
    ],
)
def test_counts_and_empty_lines_are_left_out(line):
    assert readable(line) is None


def test_the_end_of_a_block_says_how_it_ended():
    found = of(
        event="Block run completed",
        success=False,
        block_type="ExtractLoadBlocks",
        err="Extractor failed\nmore",
        duration_seconds=3.21,
    )

    assert found.text == (
        "Block run completed (ExtractLoadBlocks, failed after 3.2 s): Extractor failed"
    )


def test_the_time_that_dbt_prefixes_is_removed():
    assert of(name="dbt-postgres", event="21:13:35  1 of 2 OK").text == "1 of 2 OK"


def test_a_long_line_is_cut():
    line = readable("x" * 5000)

    assert len(line.text) < MAX_CHARACTERS + 50
    assert line.text.endswith("(3000 characters left out)")


@pytest.mark.parametrize("line", ["{", "[1]", "{not json", "[" * 100_000])
def test_lines_of_another_shape_are_kept_as_text(line):
    assert readable(line).text == line[:MAX_CHARACTERS] or "left out" in readable(line).text


def test_where_meltano_offers_help_is_no_line_of_a_run():
    text = "Need help fixing this problem? Visit https://melta.no/ for steps, or to\njoin Slack.\n"

    assert readable(json.dumps({"event": text, "level": "info"})) is None
    assert readable(text) is None
