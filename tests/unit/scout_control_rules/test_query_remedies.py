"""A rejected query gets the advice that fits its error, in any language of the server."""

from __future__ import annotations

import pytest
from scout_control.rules.query_remedies import (
    ONE_SELECT,
    Rejection,
    missing_name,
    needs_tables,
    position_in,
    remedy,
)

TABLES = ["case_visit", "forms", "Odd Table"]


def rejection(statement, sqlstate, at=None, **given):
    position = None if at is None else statement.index(at)
    return Rejection(
        statement=statement, sqlstate=sqlstate, dataset="river/hq", position=position, **given
    )


@pytest.mark.parametrize(
    ("statement", "at", "message", "meant"),
    [
        ("select * from case_visits", "case_v", '"case_visits" does not exist', "case_visit"),
        ("select * from Case_Visits", "Case_V", "«case_visits» existiert nicht", "case_visit"),
        ('select * from "Formsx"', '"F', '"Formsx"', "forms"),
        ("select * from nope . forme", "nope", '"nope.forme"', "forms"),
        ("select formss.id from forms", "formss", 'entry for table "formss"', "forms"),
        ("select forme.forms from a", "forme", 'entry for table "forme"', "forms"),
        ('select * from "odd table"', '"odd', '"odd table"', '"Odd Table"'),
    ],
)
def test_a_missing_table_is_named_with_what_may_be_meant(statement, at, message, meant):
    text = remedy(rejection(statement, "42P01", at, message=message), TABLES)

    assert text == (
        f"Did you mean {meant}? Look which tables it has: scout describe river/hq --tables"
    )


@pytest.mark.parametrize("at", [None, "zzz", "1"])
def test_without_a_similar_table_the_command_that_lists_them_remains(at):
    assert remedy(rejection("select 1 from zzz", "42P01", at), TABLES) == (
        "Look which tables it has: scout describe river/hq --tables"
    )


@pytest.mark.parametrize(
    ("statement", "commands"),
    [
        ("select x from forms", "scout describe river/hq --table forms"),
        ('select x from "Odd Table"', "scout describe river/hq --table 'Odd Table'"),
        (
            "select x from FORMS join data_x.case_visit using (a)",
            "scout describe river/hq --table forms; scout describe river/hq --table case_visit",
        ),
        ("select x from generate_series(1, 2)", "scout describe river/hq --tables"),
    ],
)
def test_a_missing_column_has_the_hint_of_postgres_and_the_tables_of_the_query(statement, commands):
    hint = 'Perhaps you meant to reference the column "forms.xy".'
    text = remedy(rejection(statement, "42703", "x", hint=hint), TABLES)

    assert text == f"{hint} Look which columns there are: {commands}"


@pytest.mark.parametrize(
    ("statement", "at", "place"),
    [
        ("selec 1", "selec", "line 1, column 1"),
        ("select 1;\nselect 2", ";", "line 1, column 9"),
        ("-- é\nselect\n  from where", "where", "line 3, column 8"),
    ],
)
def test_a_syntax_error_has_its_place(statement, at, place):
    assert remedy(rejection(statement, "42601", at)) == f"Look at {place}. {ONE_SELECT}"


def test_what_is_not_closed_shows_at_the_end():
    open_one = Rejection(statement="select (1;\n", dataset="a", sqlstate="42601", position=14)

    assert remedy(open_one).startswith("The fault shows at the end")


@pytest.mark.parametrize(
    ("sqlstate", "part"),
    [
        ("42501", "Only river/hq can be read. Name its tables without a schema"),
        ("42883", "Correct the statement. Look at line 1, column 8."),
        ("22P02", "Correct the value or the cast."),
        ("0A000", ONE_SELECT),
        ("25006", ONE_SELECT),
        ("55P03", "Try again in a minute"),
        ("42P02", "Correct the statement. Look at line 1, column 8."),
        ("08P01", "write values in place of parameters"),
        ("54000", "Correct the statement: ask for less"),
        ("54011", "Correct the statement: ask for less"),
        ("21000", "Correct the statement."),
        ("P0001", "Correct the statement."),
        ("23514", "Correct the statement."),
        ("53200", "Ask for less, or build smaller values. If it happens again"),
        ("53400", "Ask for less"),
        ("XX000", "Ask for less"),
        ("53300", "Try again. If it happens again, look for the cause: scout doctor"),
        ("57P03", "scout doctor"),
        (None, "scout doctor"),
    ],
)
def test_each_kind_of_error_has_its_own_advice(sqlstate, part):
    assert part in remedy(rejection("select f(1)", sqlstate, "f"))


def test_a_hint_to_change_the_server_is_not_for_the_author_of_a_query():
    hint = 'Increase the configuration parameter "max_stack_depth".'

    assert "max_stack_depth" not in remedy(rejection("select f(1)", "54001", hint=hint))


def test_a_dataset_is_quoted_in_commands():
    odd = Rejection(statement="", dataset="river/it's", sqlstate="42501")

    assert """scout describe 'river/it'"'"'s' --tables""" in remedy(odd)


def test_a_position_is_counted_in_what_the_author_wrote():
    wrapped = "EXPLAIN SELECT * FROM (\nselect x\n) AS q"

    assert position_in("select x", position=24, internal=None) == 7
    assert position_in("explain select x", position=None, internal=(wrapped, 32)) == 15
    assert position_in("select f()", position=None, internal=("SELECT 1 + ''", 8)) is None
    assert position_in("select x", position=None, internal=None) is None


def test_only_missing_names_need_the_tables():
    states = ["42P01", "3F000", "42703", "42601", "42501", None]

    assert [needs_tables(each) for each in states] == [True] * 3 + [False] * 3
    assert missing_name(rejection("select 1", "42P01")) is None
