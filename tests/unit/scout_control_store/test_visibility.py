"""Conditions made from the table of permissions, as the text of SQL."""

from __future__ import annotations

import re

import pytest
from scout_control.rules.permissions import TABLE, Relation, Role
from scout_control.store import visibility
from scout_control.store.visibility import Viewer
from sqlalchemy.dialects import postgresql

CONDITIONS = {
    "datasets": visibility.datasets,
    "credentials": visibility.credentials,
    "projects": visibility.projects,
    "links": visibility.links,
    "sources": visibility.sources,
    "members": visibility.members,
    "people": visibility.people,
    "tokens": visibility.tokens,
    "connections": visibility.installation,
}
PERSON = frozenset({Role.PERSON})


def sql(condition):
    """Return a condition with its values, in one line."""
    compiled = condition.compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    return " ".join(str(compiled).replace("scout_control.", "").split())


@pytest.mark.parametrize("operation", [each for each in TABLE if each.split(".")[0] in CONDITIONS])
def test_no_condition_lets_a_person_without_roles_see_what_is_shared(operation):
    condition = CONDITIONS[operation.split(".")[0]](Viewer("ann", PERSON), operation)
    text = sql(condition)

    names = set(re.findall(r"role IN \(([^)]*)\)", text))
    assert names <= {"'admin'", "'member'", "'admin', 'member'"}
    for alternative in text.split(" OR "):
        if alternative == "true":
            assert Role.PERSON in TABLE[operation].audience[Relation.INSTALLATION]
        else:  # restricted to what the person has, or nothing at all
            assert "'ann'" in alternative or "false" in alternative


@pytest.mark.parametrize("operation", ["datasets.list", "datasets.query", "datasets.drop"])
def test_the_projects_of_a_condition_are_those_with_a_role_of_the_row(operation):
    text = sql(visibility.datasets(Viewer("ann", PERSON), operation))
    shared, *_ = text.split(" OR ")
    roles = TABLE[operation].audience[Relation.PROJECT]

    assert "datasets.user_id IS NULL" in shared
    assert ("'member'" in shared) == (Role.MEMBER in roles)
    assert "'admin'" in shared


def test_an_operator_sees_every_dataset_without_a_membership():
    text = sql(visibility.datasets(Viewer("dan", PERSON | {Role.OPERATOR}), "datasets.list"))

    assert "members" not in text
    assert text == (
        "datasets.user_id IS NULL OR datasets.user_id = 'dan' OR datasets.user_id != 'dan'"
    )


def test_an_operator_reads_no_rows_by_that_role():
    text = sql(visibility.datasets(Viewer("dan", PERSON | {Role.OPERATOR}), "datasets.query"))

    assert text.count("members.person_id = 'dan'") == 2  # shared and own, as a member
    assert "!=" not in text


@pytest.mark.parametrize(
    ("roles", "expected"),
    [(PERSON, "people.id = 'ann'"), (PERSON | {Role.OPERATOR}, None)],
)
def test_people_see_themselves(roles, expected):
    text = sql(visibility.people(Viewer("ann", roles), "people.list"))

    assert text == (expected or "people.id = 'ann' OR people.id != 'ann'")


@pytest.mark.parametrize(
    ("user", "relation"),
    [
        (None, Relation.PROJECT),
        ("ann", Relation.OWN),
        ("ben", Relation.OTHER),
        ("", Relation.OTHER),
    ],
)
def test_whose_something_is_follows_from_its_user(user, relation):
    assert Viewer("ann", PERSON).relation(user) == relation
