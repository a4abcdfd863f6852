"""What ``scout query`` reads and prints, without a database."""

from __future__ import annotations

import csv
import io

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.cli import query
from scout_control.rules.query_limits import explain_query

SOME = [["a", 1], ["b", None]]


class Input(io.TextIOWrapper):
    def __init__(self, raw, *, is_terminal=False):
        super().__init__(io.BytesIO(raw), encoding="ascii")
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal


def test_a_statement_comes_from_the_argument_a_file_or_stdin(tmp_path, monkeypatch):
    file = tmp_path / "a.sql"
    file.write_text("select 'é'", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", Input(b"select 2"))

    assert query.read_statement("select 1", None) == "select 1"
    assert query.read_statement(None, file) == "select 'é'"
    assert query.read_statement(None, None) == "select 2"


@pytest.mark.parametrize(
    ("statement", "raw", "is_terminal", "message"),
    [
        (None, b"", True, "Give a STATEMENT"),
        (None, b" \n", False, "empty"),
        ("", b"", False, "empty"),
        (None, b"select '\xff'", False, "UTF-8"),
    ],
)
def test_what_is_no_statement_is_refused(statement, raw, is_terminal, message, monkeypatch):
    monkeypatch.setattr("sys.stdin", Input(raw, is_terminal=is_terminal))

    with pytest.raises(click.UsageError, match=message):
        query.read_statement(statement, None)


def test_two_statements_are_refused(tmp_path):
    with pytest.raises(click.UsageError, match="either"):
        query.read_statement("select 1", tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", '""'),
        ('a "b", c', '"a ""b"", c"'),
        ("two\nlines", '"two\nlines"'),
        (1.5, "1.5"),
        (True, "true"),
        ({"é": [1, None]}, '"{""é"": [1, null]}"'),
        ([1, 2], '"[1, 2]"'),
    ],
)
def test_values_in_csv(value, text):
    assert query.as_csv(["first", "value"], [["x", value]]) == f"first,value\nx,{text}\n"


def test_csv_tells_null_from_an_empty_text_as_postgres_does():
    rows = [[None, "", "x"], ["", None, None]]
    assert query.as_csv(["a", "b", ""], rows) == 'a,b,""\n,"",x\n"",,\n'
    assert query.as_csv(["a"], [[None], [""], ["\\."], ["a\rb"]]) == ('a\n\n""\n"\\."\n"a\rb"\n')


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_csv_is_read_back_as_it_was(rows):
    printed = query.as_csv(["a", "b"], rows)

    assert list(csv.reader(io.StringIO(printed, newline=""))) == [["a", "b"], *rows]


def test_csv_without_rows_has_its_header():
    assert query.as_csv(["a", "a,b"], []) == 'a,"a,b"\n'


@pytest.mark.parametrize(
    ("columns", "is_terminal", "is_wide"), [(6, True, False), (5, True, True), (5, False, False)]
)
def test_a_table_wider_than_the_terminal_is_too_wide(columns, is_terminal, is_wide, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout", Input(b"", is_terminal=is_terminal))

    assert query.is_too_wide(["ab", "n"], [["abc", 1], ["b", 2]]) is is_wide
    assert not query.is_too_wide(["a long title"], [])


NAMES = ["case_id", "a  b", "a_b", "case_id", "case_id (2)", "\x1b[31m", "\n"]


@pytest.mark.parametrize("output", ["vertical", "table"])
def test_names_of_columns_are_printed_exactly(output, capsys):
    query._show(NAMES, [[*"1234567"]], output)
    text = capsys.readouterr().out

    names = ("case_id ", "a  b ", "a_b ", "\\x1b[31m ", "\\n")
    assert [name for name in names if name not in text] == []
    assert [value for value in "1234567" if value not in text.split()] == []
    assert "\x1b" not in text


def test_repeated_columns_are_numbered():
    assert query.unique(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("EXPLAIN SELECT 1", "EXPLAIN SELECT * FROM (\nSELECT 1\n) AS q"),
        ("explain analyse verbose a", "EXPLAIN (analyse, verbose) SELECT * FROM (\na\n) AS q"),
        ("EXPLAIN (COSTS off, WAL) a", "EXPLAIN (COSTS off, WAL) SELECT * FROM (\na\n) AS q"),
        ("EXPLAIN (SELECT 1)", "EXPLAIN SELECT * FROM (\n(SELECT 1)\n) AS q"),
        ("/* EXPLAIN */ SELECT 1", None),
        ("SELECT 'EXPLAIN'", None),
        ("EXPLAINED", None),
    ],
)
def test_explain_wraps_the_statement_like_any_other(statement, expected):
    assert explain_query(statement.encode()) == (expected and expected.encode())
