"""Tables planned from questions and from profiles of the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml
from scout_dbt.planning.case_tables import CaseType
from scout_dbt.planning.form_tables import FormType, preferred_name_of
from scout_dbt.planning.record_types import RECORD_TYPES
from scout_dbt.planning.table_plan import STREAM_TABLES, AssignedNames, plan
from scout_dbt.planning.tables import PathProfile, Question

SOURCES = Path(__file__).parents[3] / "transform/models/staging"
SCALAR = PathProfile(is_scalar=True, max_bytes=3)


def tables(*, cases=(), forms=(), assigned=None):
    return {each.name: each for each in plan(cases, forms, assigned or AssignedNames())}


def form(**known):
    return FormType(**{"xmlns": "http://x/a", "preferred_name": "m_f", "title": "F"} | known)


def names(table):
    return {column.key: column.name for column in table.columns}


def test_nested_repeats_have_a_table_each_and_know_what_is_around_them():
    found = tables(
        forms=[
            form(
                questions=[
                    Question(path=("visits",), tag="repeat"),
                    Question(path=("visits", "drugs"), type="Repeat"),
                    Question(path=("visits", "drugs", "dose"), type="Int"),
                    Question(path=("visits", "on"), type="Date"),
                ]
            )
        ]
    )

    assert set(found) == {"form_m_f", "form_m_f__visits", "form_m_f__visits_drugs"}
    drugs = found["form_m_f__visits_drugs"]
    assert drugs.repeats == (("visits",), ("visits", "drugs"))
    assert [(each.name, each.path, each.value_type) for each in drugs.columns] == [
        ("dose", ("dose",), "integer")
    ]
    assert [each.name for each in found["form_m_f__visits"].columns] == ["on_"]


def test_a_list_in_the_data_makes_a_repeat_of_what_the_application_does_not_know():
    seen = {("x",): PathProfile(is_list=True, is_object=True), ("x", "y"): SCALAR}
    found = tables(forms=[form(profiles=seen)])

    assert [each.name for each in found["form_m_f__x"].columns] == ["y"]
    assert found["form_m_f"].columns == ()


def test_keys_with_dashes_dots_and_cases_have_a_column_each():
    keys = ["phone-number", "phone.number", "phone_number", "dob", "DOB", "k" * 300]
    found = tables(cases=[CaseType(name="a", profiles=dict.fromkeys(keys, SCALAR))])
    given = names(found["case_a"])

    assert set(given) == set(keys)
    assert len(set(given.values())) == len(keys)
    assert (given["phone_number"], given["dob"]) == ("phone_number", "dob")


def test_a_property_has_the_type_of_the_question_it_is_named_like_unless_they_differ():
    questions = [
        Question(path=("a", "edd"), type="Date"),
        Question(path=("edd",), type="Date"),
        Question(path=("size",), type="Int"),
        Question(path=("b", "size"), type="Text"),
    ]
    case = CaseType(
        name="a", properties=["edd", "size", "parent/name", "name"], questions=questions
    )
    columns = tables(cases=[case])["case_a"].columns

    assert [(each.name, each.value_type) for each in columns] == [("edd", "date"), ("size", "text")]


def test_more_columns_than_postgres_holds_are_split_and_stay_where_they_are():
    questions = [Question(path=(f"q{number}",), type="Text") for number in range(1700)]
    seen = {question.path: PathProfile(is_scalar=True, max_bytes=1) for question in questions}
    first = tables(forms=[form(questions=questions, profiles=seen)])
    assert len(first) > 1
    assert sum(len(each.columns) for each in first.values()) == 1700

    assigned = AssignedNames(
        tables={each.key: each.name for each in first.values()},
        columns={each.key: names(each) for each in first.values()},
    )
    more = [Question(path=("new",), type="Int"), *questions]
    second = tables(forms=[form(questions=more, profiles=seen)], assigned=assigned)

    for name, table in first.items():
        assert names(table).items() <= names(second[name]).items()
    assert [name for name, each in second.items() if "new" in names(each)] == [list(first)[-1]]


def test_two_forms_and_two_case_types_with_one_slug_have_a_table_each():
    found = tables(
        cases=[CaseType(name="Home visit"), CaseType(name="home-visit")],
        forms=[form(), replace(form(), xmlns="http://x/b")],
    )
    assert len(found) == 4
    assert {"case_home_visit", "form_m_f"} < set(found)


def test_a_form_that_no_application_knows_is_named_by_the_end_of_its_xmlns():
    assert preferred_name_of(None, None, "http://commcarehq.org/case_api") == "case_api"
    assert preferred_name_of("Mothers", "Delivery", "http://x/a") == "mothers_delivery"
    assert preferred_name_of(None, None, "") == "unknown"


def test_no_generated_table_has_the_name_of_a_stream():
    documents = [yaml.safe_load(file.read_text()) for file in SOURCES.glob("*/_*__sources.yml")]
    loaded = {each["name"] for one in documents for each in one["sources"][0]["tables"]}
    starts = tuple(f"{kind}_" for kind in RECORD_TYPES)

    assert {name for name in loaded if name.startswith(starts)} == STREAM_TABLES
    found = tables(cases=[CaseType(name="types")], forms=[form(preferred_name="questions")])
    assert not STREAM_TABLES & set(found)
    assert {name.rpartition("_")[0] for name in found} == {"case_types", "form_questions"}
