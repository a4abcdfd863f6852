"""Case types and forms from rows of applications and profiles of data."""

from __future__ import annotations

import pytest
from scout_dbt.dataset import applications, introspection
from scout_dbt.dataset.applications import Applications
from scout_dbt.dataset.introspection import ScopeStats
from scout_dbt.dataset.profiling import to_profile
from scout_dbt.planning.tables import PathProfile, Question

EDD = Question(path=("edd",), type="Date")
APPLICATIONS = Applications(
    definitions=[
        ("north", "http://x/visit", "App", "Visit", "person", [{"case_type": "pregnancy"}]),
        ("north", "http://x/survey", "App", "Survey", None, None),
    ],
    case_types=[
        ("north", "person", ["name", "edd"]),
        ("south", "person", ["dob"]),
        ("north", "household", None),
    ],
    questions={"http://x/visit": [EDD]},
)


def test_questions_belong_to_the_case_types_that_their_form_opens_or_updates():
    assert APPLICATIONS.questions_by_case_type() == {"person": [EDD], "pregnancy": [EDD]}


def test_case_types_of_applications_and_of_data_are_put_together():
    profile = PathProfile(is_scalar=True, max_bytes=9)
    found = {
        case.name: case
        for case in applications.case_types(
            APPLICATIONS,
            {"person": ScopeStats(2, 7, ("west",)), "": ScopeStats(1, 7)},
            {"person": {("edd",): profile}},
            {"person": {("parent",): PathProfile(is_object=True)}},
        )
    }

    assert list(found) == ["", "household", "person"]
    person = found["person"]
    assert person.domains == ["north", "south", "west"]
    assert person.properties == {"name", "edd", "dob"}
    assert person.profiles == {"edd": profile}
    assert (person.indices, person.questions) == (["parent"], [EDD])


@pytest.mark.parametrize(
    ("row", "path", "profile"),
    [
        (
            (["a", "#text"], False, False, True, False, 4),
            ("a",),
            PathProfile(is_object=True, is_scalar=True, max_bytes=4),
        ),
        ((["a"], True, False, None, False, None), ("a",), PathProfile(is_list=True)),
        (
            (["case"], False, True, None, True, None),
            ("case",),
            PathProfile(is_object=True, is_case_block=True),
        ),
    ],
)
def test_the_text_of_an_element_belongs_to_the_element(row, path, profile):
    assert to_profile(list(row)) == (path, profile)


def test_a_profile_keeps_what_it_ever_showed():
    merged = PathProfile(is_list=True, max_bytes=3)
    merged.merge(PathProfile(is_scalar=True, max_bytes=2))

    assert merged == PathProfile(is_list=True, is_scalar=True, max_bytes=3)


def test_a_question_starts_below_the_root_of_its_form():
    row = ("/data/visits/dose", "Int", "input", "Dose", False, "/data/visits", [{"value": 1}, "x"])
    question = introspection.to_question(row)

    assert (question.path, question.repeat) == (("visits", "dose"), ("visits",))
    assert question.options == (("1", None),)
    assert introspection.to_question((None,) * 8).path == ()
    [odd] = introspection.to_question((*row[:6], [{"label": "x"}, 1, {"value": ""}], {})).options
    assert odd == ("", None)


def test_a_form_works_with_the_case_types_of_its_modules():
    assert APPLICATIONS.case_types_of_forms() == {
        "http://x/visit": {"person", "pregnancy"},
        "http://x/survey": set(),
    }
