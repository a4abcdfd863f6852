"""What the demo prints: in a log file, on a terminal, and about its own runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from scout_control.api import views
from scout_control.demo import demo_file, display, walkthrough
from scout_control.demo.display import PlainDisplay, TerminalDisplay, display_for
from scout_control.demo.load import Loaded

STARTED = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def printed(console) -> str:
    return console.file.getvalue()


def test_the_display_suits_the_console(console):
    terminal = Console(file=io.StringIO(), force_terminal=True)

    assert isinstance(display_for(console), PlainDisplay)
    assert isinstance(display_for(terminal), TerminalDisplay)


def test_rows_are_printed_when_they_moved_and_not_more_often_than_every_few_seconds(
    console, monkeypatch
):
    now = 1000.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    plain = PlainDisplay(console)
    plain.rows({"cases": 1500}, {"cases": 3000})
    now += display.LINE_EVERY_SECONDS / 2
    plain.rows({"cases": 2000}, {"cases": 3000})  # too early
    now += display.LINE_EVERY_SECONDS
    plain.rows({"cases": 1500, "forms": 7}, {"cases": 3000})  # cases did not move
    now += display.LINE_EVERY_SECONDS
    plain.rows({"cases": 1500, "forms": 7}, {})

    assert printed(console).splitlines() == [
        "  0.0 s  In Postgres: cases 1,500 of 3,000",
        "  3.0 s  In Postgres: forms 7",
    ]


def test_the_next_run_begins_anew(console, monkeypatch):
    monkeypatch.setattr(display.time, "monotonic", lambda: 1000.0)
    plain = PlainDisplay(console)
    for _ in range(2):
        plain.rows({"cases": 5}, {})
        plain.done()

    assert printed(console).count("cases 5") == 2


def test_nothing_is_printed_before_the_first_row(console):
    plain = PlainDisplay(console)
    plain.rows({"cases": 0}, {"cases": 10})
    plain.rows({}, {"cases": 10})

    assert printed(console) == ""


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
    PlainDisplay(console).table("Title", ["column"], [[value]])

    cell = printed(console).splitlines()[-2].strip("│ ")
    assert cell == text


def test_numbers_are_aligned_to_the_right_and_text_to_the_left(console):
    PlainDisplay(console).table("Title", ["name", "rows"], [["a", 1], ["long", 10_000]])
    lines = printed(console).splitlines()

    assert lines[1] == "Title"
    assert "│ a    │      1 │" in lines
    assert "│ long │ 10,000 │" in lines


def test_a_table_without_rows_has_its_titles(console):
    PlainDisplay(console).table("Title", ["name", "rows"], [])

    assert "name" in printed(console)


def test_a_command_is_never_wrapped(console):
    PlainDisplay(console).say("scout query " + "x" * 300)

    assert len(printed(console).splitlines()) == 1


def test_bars_end_full_and_a_second_run_has_its_own():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    bars = TerminalDisplay(console)
    for rows in (50, 70):
        bars.rows({"cases\x1b]0;x\x07": rows, "forms": 1}, {"forms": 10})
        assert [task.total for task in bars._progress.tasks] == [None, 10]
        tasks = bars._progress.tasks
        bars.done()
        assert [(task.completed, task.total) for task in tasks] == [(rows, rows), (1, 1)]
    bars.done()  # also where nothing was shown

    assert "\x1b]0;x" not in printed(console)


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

    assert str(walkthrough._short(folder / "run.log")) == "run.log"
    assert str(walkthrough._short(tmp_path)) == "../.."
    assert str(walkthrough._short(type(tmp_path)("/usr"))) == "/usr"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"changes": {"a": [', "null"], ids=lambda text: text or "empty"
)
def test_a_history_that_was_cut_short_counts_as_none(tmp_path, content):
    (tmp_path / demo_file.FILE).write_text(content)

    assert demo_file.DemoFile.load(tmp_path) == demo_file.DemoFile()
