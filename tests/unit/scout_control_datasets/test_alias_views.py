"""What an alias schema shows of a dataset schema, and by which statements."""

from __future__ import annotations

import pytest
from scout_control.datasets.alias_views import (
    AliasView,
    Column,
    Relation,
    drop_view,
    to_be_read,
    to_relation,
    views_of,
)

NAMES = {"alias": "river_hq", "schema": "data_x", "reader": "data_x_ro"}


def a_relation(name: str = "things", *columns: Column, comment: str | None = None) -> Relation:
    columns = columns or (Column(name="id", type="text", is_kept=True),)
    return Relation(name=name, columns=columns, comment=comment)


def a_view(relation: Relation, **changes) -> AliasView:
    return AliasView(relation=relation, **{**NAMES, **changes})


def text_of(view: AliasView) -> str:
    return view.statements().as_string(None)


@pytest.mark.parametrize(
    ("present", "shown"),
    [
        ({"things"}, {"things"}),
        ({"cases", "stg_commcare__cases"}, {"stg_commcare__cases"}),
        ({"cases", "forms", "stg_commcare__cases", "case_patient"},
         {"forms", "stg_commcare__cases", "case_patient"}),
        ({"visits", "stg_connect__visits", "visit_screening"},
         {"stg_connect__visits", "visit_screening"}),
        ({"_scout_loads", "_scout_catalog", "_scout_rejects", "things"}, {"things"}),
        ({"_sdc_batches", "_sdc_rejected", "things"}, {"things"}),
        ({"case_a__dbt_tmp", "case_a__dbt_backup", "case_a"}, {"case_a"}),
        ({"scout_things", "sdc_a", "stg_a"}, {"scout_things", "sdc_a", "stg_a"}),
        ({"stg_a__b__c", "b__c", "c"}, {"stg_a__b__c", "c"}),
        (set(), set()),
    ],
)  # fmt: skip
def test_models_are_shown_and_streams_without_a_model(present, shown):
    found = to_be_read([a_relation(name) for name in sorted(present)])

    assert {each.name for each in found} == shown


def test_a_row_of_the_catalog_becomes_a_relation():
    row = ("t", "A table", [["id", "bigint", True, "The key"], ["m", "data_x.mood", False, None]])

    assert to_relation(row) == Relation(
        name="t",
        comment="A table",
        columns=(
            Column(name="id", type="bigint", is_kept=True, comment="The key"),
            Column(name="m", type="data_x.mood", is_kept=False),
        ),
    )


def test_the_view_reads_through_a_function_with_full_names_only():
    text = text_of(a_view(a_relation("t", Column(name="a", type="text", is_kept=True))))

    assert 'RETURNS TABLE ("a" text) LANGUAGE sql STABLE AS \'SELECT "t"."a" FROM' in text
    assert '"data_x"."t" AS t' in text
    assert "FROM PUBLIC" in text
    assert "SECURITY DEFINER" not in text


def test_a_type_that_a_writer_created_is_shown_as_text():
    text = text_of(a_view(a_relation("t", Column(name="m", type="data_x.mood", is_kept=False))))

    assert '("m" pg_catalog.text)' in text
    assert 'SELECT "t"."m"::pg_catalog.text FROM' in text
    assert "data_x.mood" not in text


@pytest.mark.parametrize("type_", ["bigint", "integer", "smallint", "date", "double precision"])
def test_a_type_into_which_postgres_rounds_is_checked(type_):
    text = text_of(a_view(a_relation("t", Column(name="n", type=type_, is_kept=True))))

    assert f"NULL::{type_}[]" in text


@pytest.mark.parametrize("type_", ["text", "numeric", "jsonb", "timestamp with time zone"])
def test_other_types_are_read_as_they_are(type_):
    text = text_of(a_view(a_relation("t", Column(name="n", type=type_, is_kept=True))))

    assert "CASE" not in text


def test_comments_are_copied():
    column = Column(name="a", type="text", is_kept=True, comment="100% it's \\ here")
    text = text_of(a_view(a_relation("t", column, comment="Rows")))

    assert """COMMENT ON VIEW "river_hq"."t" IS 'Rows'""" in text
    assert """COMMENT ON COLUMN "river_hq"."t"."a" IS  E'100% it''s \\\\ here'""" in text


@pytest.mark.parametrize(
    "changed",
    [
        a_view(a_relation("t2")),
        a_view(a_relation("t", Column(name="id", type="uuid", is_kept=True))),
        a_view(a_relation("t", Column(name="id", type="text", is_kept=False))),
        a_view(a_relation("t", Column(name="id", type="text", is_kept=True, comment="The key"))),
        a_view(a_relation("t", comment="Rows")),
        a_view(a_relation("t"), schema="data_y"),
        a_view(a_relation("t"), reader="data_y_ro"),
    ],
)
def test_whatever_changes_gives_the_function_another_name(changed):
    assert changed.function != a_view(a_relation("t")).function


def test_the_alias_may_be_renamed_without_making_views_again():
    assert a_view(a_relation("t"), alias="sales").function == a_view(a_relation("t")).function


def test_columns_keep_the_order_of_the_view_and_new_ones_come_last():
    columns = [Column(name=name, type="text", is_kept=True) for name in ("new", "b", "a", "id")]
    [view] = views_of([a_relation("t", *columns)], {"t": ["id", "a", "gone", "b"]}, NAMES)

    assert [each.name for each in view.relation.columns] == ["id", "a", "b", "new"]


def test_names_are_quoted():
    nasty = 'a"; DROP SCHEMA public; --'
    text = text_of(a_view(a_relation(nasty, Column(name=nasty, type="text", is_kept=True))))

    assert 'a""; DROP' in text
    assert 'a"; DROP' not in text.replace('a""; DROP', "")
    assert drop_view("river_hq", nasty).as_string(None) == (
        'DROP VIEW "river_hq"."a""; DROP SCHEMA public; --"'
    )
