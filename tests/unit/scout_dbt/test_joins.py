"""Joins between generated tables, as text and as SQL."""

from __future__ import annotations

import pytest
from scout_dbt.planning.joins import identifier, joins
from scout_dbt.planning.tables import Column, Model, RecordKind, Reference, Table, ValueType

INDEX = Column(
    key="index parent",
    name="parent_case_id",
    path=("parent", "case_id"),
    value_type=ValueType.TEXT,
    comment="",
)


def model(name, kind, scope, **more):
    table = Table(name=name, record_kind=kind, scope=scope, **more)
    return Model(table=table, sql="", keys=("domain", "case_id"))


MODELS = (
    model("case_visit", RecordKind.CASE, "visit", indices=(INDEX,)),
    model("case_pregnancy", RecordKind.CASE, "pregnancy", indices=(INDEX,)),
    model("form_a", RecordKind.FORM, "http://x/a"),
)
TO_ALL_CASES = Reference(
    table="case_visit",
    columns=("domain", "parent_case_id"),
    to_table="stg_commcare__cases",
    to_columns=("domain", "case_id"),
)
PRESENT = {"case_visit", "case_pregnancy", "form_a", "stg_commcare__cases"}


def found(*, forms=None, links=(), present=PRESENT):
    return joins([TO_ALL_CASES], MODELS, forms or {}, links, present)


def test_a_case_is_joined_to_the_table_of_its_parents_type():
    [join] = found(links=[("visit", "parent", "pregnancy"), ("visit", "host", "gone")])

    assert join.text == "case_visit.parent_case_id = case_pregnancy.case_id"
    assert join.sql == (
        "select *\n"
        "from case_visit as this\n"
        "join case_pregnancy as other\n"
        "  on other.domain = this.domain and other.case_id = this.parent_case_id\n"
        "limit 100;"
    )


def test_the_domain_is_compared_only_where_it_is_a_part_of_the_keys():
    models = [Model(table=each.table, sql="", keys=("case_id",)) for each in MODELS]
    links = [("visit", "parent", "pregnancy")]
    [join] = joins([], models, {}, links, PRESENT)

    assert "  on other.case_id = this.parent_case_id\n" in join.sql


def test_a_case_type_may_refer_to_itself_and_to_several_types():
    links = [("visit", "parent", "visit"), ("visit", "parent", "pregnancy")]

    assert [join.tables for join in found(links=links)] == [
        ("case_visit", "case_visit"),
        ("case_visit", "case_pregnancy"),
    ]


def test_without_a_known_type_a_case_is_joined_to_all_cases():
    assert [join.text for join in found()] == [
        "case_visit.parent_case_id = stg_commcare__cases.case_id"
    ]


def test_a_form_is_joined_to_its_cases_through_the_links_between_both():
    forms = {"http://x/a": {"pregnancy", "gone"}}
    assert len(found(forms=forms)) == 1  # the table of links does not exist

    join, _ = found(forms=forms, present={*PRESENT, "stg_commcare__form_cases"})
    assert join.tables == ("form_a", "case_pregnancy")
    assert join.text == (
        "form_a.form_id = stg_commcare__form_cases.form_id, "
        "stg_commcare__form_cases.case_id = case_pregnancy.case_id"
    )
    assert "join stg_commcare__form_cases as link\n  on link.domain = this.domain" in join.sql


def test_only_tables_that_exist_are_joined():
    assert found(present={"case_visit"}) == []


@pytest.mark.parametrize(
    ("name", "sql"),
    [("edd", "edd"), ("order", '"order"'), ("A", '"A"'), ('a"b', '"a""b"'), ("é", '"é"')],
)
def test_names_are_quoted_only_where_they_need_it(name, sql):
    assert identifier(name) == sql
