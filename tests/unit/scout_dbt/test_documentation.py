"""What the documentation page shows, from models alone: kinds of tables, subjects and questions."""

from __future__ import annotations

import pytest
from scout_dbt.dataset import documentation
from scout_dbt.planning.case_tables import CaseType
from scout_dbt.planning.form_tables import FormType
from scout_dbt.planning.record_types import RECORD_TYPES
from scout_dbt.planning.table_plan import AssignedNames, plan
from scout_dbt.planning.tables import Model, PathProfile, Question, RecordKind
from scout_dbt.project import yaml_docs

FORM = FormType(
    xmlns="http://x/a",
    preferred_name="visit",
    title="App > Mothers > Visit",
    form_name="Visit",
    questions=[
        Question(path=("edd",), type="Date", label="When is it due?"),
        Question(path=("signs",), type="MSelect", label="Signs", options=(("a", "A"), ("b", "B"))),
        Question(path=("kids",), tag="repeat", label="Children"),
        Question(path=("kids", "name"), type="Text"),
    ],
    profiles={
        ("case",): PathProfile(is_case_block=True),
        ("@version",): PathProfile(is_scalar=True),
        ("kids", "@id"): PathProfile(is_scalar=True),
    },
)
CASE = CaseType(name="pregnancy", properties=["edd"], indices=["parent"])
VISIT = FormType(
    record_kind=RecordKind.VISIT,
    xmlns="http://x/v",
    preferred_name="home",
    title="Home",
    profiles={("kids",): PathProfile(is_list=True), ("kids", "age"): PathProfile(is_scalar=True)},
)


def models(*, keys=None, cases=(CASE,), forms=(FORM,)):
    tables = plan(cases, forms, AssignedNames())
    return [
        Model(
            table=each,
            sql="",
            keys=(*(keys or (f"{each.record_kind}_id",)), *each.position_columns),
        )
        for each in tables
    ]


def subjects(kinds, present=None, groups=None):
    made = models()
    names = {each.table.name for each in made} if present is None else present
    return list(documentation._subjects(made, kinds, groups or {}, names))


def test_a_form_is_shown_with_all_its_tables_and_questions():
    [form] = subjects({RecordKind.FORM}, groups={"http://x/a": "App"})

    assert (form.title, form.group) == ("Visit", "App")
    assert form.tables == ("form_visit", "form_visit__kids")
    assert [(item.text, item.table, item.column) for item in form.items] == [
        ("When is it due?", "form_visit", "edd"),
        ("Signs", "form_visit", "signs"),
        ("name", "form_visit__kids", "name"),
    ]


def test_a_case_type_is_shown_with_its_properties():
    [case] = subjects({RecordKind.CASE})

    assert (case.title, case.group, case.tables) == ("pregnancy", "", ("case_pregnancy",))
    assert [(item.text, item.column) for item in case.items] == [("edd", "edd")]


def test_what_is_not_built_yet_is_not_shown():
    assert subjects({RecordKind.FORM}, present=set()) == []
    [form] = subjects({RecordKind.FORM}, present={"form_visit"})
    assert form.tables == ("form_visit",)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("case_a", documentation.GENERATED),
        ("cases", documentation.LOADED),
        ("stg_commcare__cases", documentation.STAGING),
        ("commcare_owners", documentation.STAGING),
        ("mine", documentation.OWN),
        ("case_of_mine", documentation.OWN),
    ],
)
def test_tables_are_shown_by_what_they_are_for(name, kind):
    assert documentation._kind(name, {"cases"}, {"case_a"}) == kind


@pytest.mark.parametrize("kind", RecordKind)
def test_tables_of_every_kind_refer_to_others_by_columns_that_they_have(kind):
    made = models(forms=(FORM, VISIT))
    base = {
        model.table.name: {
            *(each.name for each in RECORD_TYPES[model.table.record_kind].base_columns),
            *(each.name for each in model.table.indices),
        }
        for model in made
        if model.table.record_kind == kind
    }
    references = [each for each in yaml_docs.model_references(made) if each.table in base]

    assert references
    for each in references:
        assert base[each.table].issuperset(each.columns), each
        assert len(each.columns) == len(each.to_columns)


def test_the_domain_is_a_part_of_a_reference_where_it_is_a_part_of_the_key():
    [of_one] = [
        each
        for each in yaml_docs.model_references(models())
        if each.table == "case_pregnancy" and each.to_table == yaml_docs.CASES
    ]
    [of_several] = [
        each
        for each in yaml_docs.model_references(models(keys=("domain", "case_id")))
        if each.table == "case_pregnancy" and each.to_table == yaml_docs.CASES
    ]

    assert of_one.columns == ("parent_case_id",)
    assert (of_several.columns, of_several.to_columns) == (
        ("domain", "parent_case_id"),
        ("domain", "case_id"),
    )
    assert of_several.target == "stg_commcare__cases.case_id"


def test_entries_of_a_repeat_group_refer_to_their_form_by_its_key():
    made = models(keys=("form_id", "domain"))
    [entries] = [
        each for each in yaml_docs.model_references(made) if each.table == "form_visit__kids"
    ]

    assert (entries.to_table, entries.columns) == ("form_visit", ("domain", "form_id"))
    assert entries.column == "form_id"
