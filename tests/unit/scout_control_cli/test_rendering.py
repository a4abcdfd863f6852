"""Tables, records and progress as people see them: in a terminal, in a pipe, in any language."""

from __future__ import annotations

import io
import json
import sys
import unicodedata

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scout_control.cli import output, progress
from scout_control.cli.base import json_option, parse_settings, read_secret
from scout_control.cli.output import format_cell, format_counts
from scout_control.rules.statuses import Phase
from scout_control.runs.context import ProgressEvent

ROWS = [
    {"name": "cases", "rows": 1500, "at": "2026-11-28T10:00:00Z"},
    {"name": "नदी", "rows": None, "at": None},
    {"name": "\x1b[31mred\nline", "rows": 0, "at": ""},
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=8,
)


class Terminal(io.StringIO):
    """Text that was printed to a terminal."""

    def isatty(self):
        return True


@pytest.fixture(params=["pipe", "terminal"])
def printed(request, monkeypatch):
    """What is printed, by a function of no arguments, to a pipe or to a terminal."""

    def run(show):
        stream = Terminal() if request.param == "terminal" else io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("COLUMNS", "200")
        show()
        monkeypatch.undo()
        return stream.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")

    return run


def test_a_table_has_its_titles_and_one_line_for_each_row(printed):
    lines = printed(lambda: output.print_table(ROWS, ("name", "rows", "at"))).splitlines()

    assert [line.split()[0] for line in lines] == ["name", "cases", "नदी", "\\x1b[31mred\\nline"]
    assert lines[1].split() == ["cases", "1500", "2026-11-28", "10:00:00Z"]
    assert lines[2].split() == ["नदी", "-", "-"]


def test_a_table_without_rows_says_so(printed):
    assert printed(lambda: output.print_table([], ("name",))) == "None yet.\n"
    assert printed(lambda: output.print_table([], ("name",), "Nothing is left.")) == (
        "Nothing is left.\n"
    )


def test_a_column_that_no_row_has_is_empty(printed):
    assert printed(lambda: output.print_table([{"a": 1}], ("a", "b_c"))).split() == [
        *("a", "b", "c"),
        *("1", "-"),
    ]


def test_titles_of_a_table_are_escaped_too(printed):
    text = printed(lambda: output.print_table([{"a": 1}], ("a",), titles=["\x1b[31m"]))

    assert "\x1b[31m" not in text
    assert "\\x1b[31m" in text


@pytest.mark.parametrize("record", [{}, {"a": None, "b": "", "c": {}, "d": []}])
def test_a_record_without_values_prints_nothing(printed, record):
    assert printed(lambda: output.print_record(record)).strip() == ""


def test_a_record_leaves_out_what_is_empty_and_keeps_what_is_zero(printed):
    record = {"run_id": "7", "rows": 0, "is_active": False, "error": None, "streams": []}
    lines = printed(lambda: output.print_record(record)).splitlines()

    assert [line.split() for line in lines] == [
        ["run", "id", "7"],
        ["rows", "0"],
        ["is", "active", "no"],
    ]


def test_a_long_cell_is_one_line_in_a_pipe(capsys):
    output.print_table([{"a": "x" * 5000, "b": "two\nlines and  spaces"}], ("a", "b"))
    _, line = capsys.readouterr().out.splitlines()

    assert line.split() == ["x" * 5000, "two\\nlines", "and", "spaces"]


def test_columns_of_a_pipe_are_aligned(capsys):
    output.print_table([{"a": "long name", "b": 1}, {"a": "b", "b": 22}], ("a", "b"))

    assert capsys.readouterr().out == "a          b\nlong name  1\nb          22\n"


@given(VALUES)
def test_every_value_is_one_line_without_control_characters(value):
    text = format_cell(value)

    assert not {unicodedata.category(each) for each in text} & {"Cc", "Cs", "Zl", "Zp"}
    assert text != "" or value == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (False, "no"),
        (0, "0"),
        ("", ""),
        ("0", "0"),
        ({"b": [1, None], "a": {"c": True}}, "a c yes, b 1, -"),
        ([[], {}], "-, -"),
        (("a",), "a"),
        ("2026-11-28T10:00:00Z later", "2026-11-28T10:00:00Z later"),
        ("2026-11-28T10:00:00+05:30", "2026-11-28T10:00:00+05:30"),
        ("9999-99-99T99:99:99Z", "9999-99-99 99:99:99Z"),
        ({"\x1b": "\x9b"}, "\\x1b \\x9b"),
        (1e300, "1e+300"),
    ],
)
def test_a_cell_reads_as_a_person_would_write_it(value, text):
    assert format_cell(value) == text


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({}, ""),
        ({"a": {"fetched": 0, "total": 10}}, ""),
        ({"a": {"fetched": 10, "total": 10}}, "10 of 10"),
        ({"a": {"fetched": 11, "total": 10}}, "11"),  # the source grew meanwhile
        ({"a": {"fetched": 1, "total": None}}, "1"),
        ({"a": {"fetched": 5, "total": 9}, "b": {"fetched": 0, "total": 0}}, "5 of 9"),
        ({"a": {"fetched": 1_234_567, "total": 7_654_321}}, "1,234,567 of 7,654,321"),
    ],
)
def test_a_total_is_shown_only_while_it_can_be_true(counts, text):
    assert format_counts(counts) == text


def an_event(phase, message="Loading cases", **counts):
    return ProgressEvent(phase=phase, message=message, progress=counts)


def test_progress_is_one_line_for_each_phase_outside_a_terminal(capsys):
    events = [
        an_event(Phase.PROVISIONING, "Provisioning data_x"),
        an_event(Phase.LOADING),
        an_event(Phase.LOADING, cases={"fetched": 5}),
        an_event(Phase.TRANSFORMING, "Running dbt transforms", cases={"fetched": 1500}),
        an_event(Phase.LOADING, "Loading \x1b[31m", cases={"fetched": 1500, "total": 2000}),
    ]
    with progress.shown_live() as show:
        for event in events:
            show(event)
    captured = capsys.readouterr()

    assert captured.out == ""  # stdout is for the result
    assert captured.err.splitlines() == [
        "Provisioning data_x",
        "Loading cases",
        "Running dbt transforms (1,500 records)",
        "Loading \\x1b[31m (1,500 of 2,000 records)",
    ]


@pytest.mark.parametrize("wants_json", [True, False])
def test_people_get_a_sentence_and_programs_one_document(wants_json):
    @json_option
    @click.command()
    def act():
        output.print_done("Done with \x1b[31m.", {"rows": 3})
        output.suggest("scout status")

    done = CliRunner().invoke(act, ["--json"] if wants_json else [])

    if wants_json:
        assert json.loads(done.stdout) == {"success": True, "rows": 3}
        assert done.stderr == ""
    else:
        assert done.stdout == "Done with \\x1b[31m.\n"
        assert done.stderr == "Next: scout status\n"


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("a=1", 1),
        ("a=true", True),
        ('a=["x", 1]', ["x", 1]),
        ("a=", ""),
        ("a=x=y", "x=y"),
        ("a=01", "01"),
        ('a="1"', "1"),
        ("a=2026-01-31", "2026-01-31"),
        ("a= 1", 1),
        ("a=null", None),
        ("a=NaN", "NaN"),  # no JSON, and Postgres would refuse it
        ("a=-Infinity", "-Infinity"),
        ("a=" + "[" * 100_000, "[" * 100_000),
    ],
    ids=lambda each: str(each)[:20],
)
def test_a_setting_is_json_if_it_can_be_and_text_otherwise(pair, value):
    found = parse_settings([pair])

    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_the_last_of_two_settings_of_a_name_counts():
    assert parse_settings(["a=1", "b=2", "a=3"]) == {"a": 3, "b": 2}


@pytest.mark.parametrize("pair", ["", "a", "a:1"])
def test_a_setting_without_a_value_is_refused(pair):
    with pytest.raises(click.UsageError, match="is not NAME=VALUE"):
        parse_settings([pair])


@pytest.mark.parametrize(
    ("line", "secret"),
    [("canary\n", "canary"), ("canary\r\n", "canary"), (" ca nary \n", " ca nary "), ("é", "é")],
)
def test_a_secret_is_a_whole_line(monkeypatch, line, secret):
    monkeypatch.setattr(sys, "stdin", io.StringIO(line + "\nmore\n"))

    assert read_secret("API key", None, from_stdin=True) == secret


@pytest.mark.parametrize("line", ["", "\n", "\r\n"])
def test_an_empty_secret_is_refused(monkeypatch, line):
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))

    with pytest.raises(click.UsageError, match="API key is empty"):
        read_secret("API key", None, from_stdin=True)


def test_a_secret_of_the_environment_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("MY_KEY", "canary")
    assert read_secret("API key", "MY_KEY", from_stdin=False) == "canary"
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(click.UsageError, match="MY_KEY is empty"):
        read_secret("API key", "MY_KEY", from_stdin=False)
