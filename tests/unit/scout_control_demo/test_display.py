"""What the demo prints: in a log file, on a terminal, and about its own runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from scout_control.api import views
from scout_control.demo import commands, demo_file, walkthrough
from scout_control.demo.display import Display
from scout_control.demo.load import Loaded

STARTED = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def console(monkeypatch) -> Console:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Console(file=io.StringIO(), width=100)


def printed(console) -> str:
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (1234.56, "1,234.6"),
        (0.04, "0.0"),
        ("text", "text"),
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        ("नदी", "नदी"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("\x1b[31mred", "\\x1b[31mred"),
        (":smile:", ":smile:"),
    ],
)
def test_a_cell_shows_the_value_literally(console, value, text):
    Display(console).table("Title", ["column"], [[value]])

    cell = printed(console).splitlines()[-2].strip("│ ")
    assert cell == text


def test_numbers_are_aligned_to_the_right_and_text_to_the_left(console):
    Display(console).table("Title", ["name", "rows"], [["a", 1], ["long", 10_000]])
    lines = printed(console).splitlines()

    assert lines[1] == "Title"
    assert "│ a    │      1 │" in lines
    assert "│ long │ 10,000 │" in lines


def test_a_table_without_rows_has_its_titles(console):
    Display(console).table("Title", ["name", "rows"], [])

    assert "name" in printed(console)


def test_a_command_is_never_wrapped(console):
    Display(console).say("scout query " + "x" * 300)

    assert len(printed(console).splitlines()) == 1


def a_run(**values):
    given = dict.fromkeys(views.Run.__dataclass_fields__)
    return views.Run(**given | {"status": "completed"} | values)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({}, None),
        ({"transform_error": "model x"}, "model x"),
        ({"status": "failed", "error_message": "It broke."}, "It broke."),
        ({"status": "partial", "error_message": "It broke."}, "It broke."),
        ({"status": "partial", "error_message": "It broke.", "transform_error": "m"}, "m"),
        ({"status": "cancelled"}, "The run ended with the status cancelled."),
        ({"status": "queued"}, "The run ended with the status queued."),
    ],
)
def test_a_demo_succeeds_only_with_a_complete_run(values, error):
    assert Loaded(run=a_run(**values), loads=[], rows_when_killed=None).error == error


@pytest.mark.parametrize(
    ("completed_at", "seconds"),
    [(STARTED + timedelta(seconds=2.5), 2.5), (None, 0.0)],
)
def test_a_run_that_did_not_end_took_no_time(completed_at, seconds):
    run = a_run(started_at=STARTED, completed_at=completed_at)

    assert Loaded(run=run, loads=[], rows_when_killed=None).seconds == seconds


@pytest.mark.parametrize(
    ("counts", "text"),
    [({}, ""), ({"cases": 1}, "1 cases"), ({"a": 12345, "b": 0}, "12,345 a, 0 b")],
)
def test_counts_are_listed(counts, text):
    assert walkthrough._join(counts) == text


def test_a_path_is_shown_in_its_shorter_form(tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)

    assert str(commands.short(folder / "run.log")) == "run.log"
    assert str(commands.short(tmp_path)) == "../.."
    assert str(commands.short(type(tmp_path)("/usr"))) == "/usr"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"changes": {"a": [', "null"], ids=lambda text: text or "empty"
)
def test_a_history_that_was_cut_short_counts_as_none(tmp_path, content):
    (tmp_path / demo_file.FILE).write_text(content)

    assert demo_file.DemoFile.load(tmp_path) == demo_file.DemoFile()
