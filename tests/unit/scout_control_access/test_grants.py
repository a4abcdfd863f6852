"""What a person may do, as a page asks it of many objects at once."""

from __future__ import annotations

import pytest
from scout_control.access.grants import Grants
from scout_control.rules.permissions import TABLE, Decision, Relation, Role, Scope, decide
from scout_control.store.visibility import Viewer


def grants(*roles, scope=Scope.FULL, **projects):
    viewer = Viewer(person_id="ann", roles=frozenset({Role.PERSON, *roles}))
    return Grants(viewer=viewer, projects=projects, scope=scope)


OWNERS = {
    Relation.PROJECT: {"project": "river"},
    Relation.OWN: {"project": "river", "user": "ann"},
    Relation.OTHER: {"project": "river", "user": "ben"},
}


@pytest.mark.parametrize("relation", OWNERS)
@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_in_a_project_the_role_there_counts(relation, role):
    mine = grants(river=role)

    for operation in TABLE:
        decision = decide(operation, {Role.PERSON, role}, relation)
        assert mine.may(operation, **OWNERS[relation]) is (decision is Decision.ALLOWED), operation


def test_in_another_project_it_does_not():
    assert not grants(lake=Role.ADMIN).may("links.add", project="river")
    assert grants(Role.OPERATOR, lake=Role.MEMBER).may("links.add", project="river")
    assert not grants(lake=Role.ADMIN).may("datasets.query", project="river", user="ann")


def test_what_belongs_to_no_project_is_of_the_installation_or_of_a_person():
    assert grants(lake=Role.ADMIN).may("sources.list")  # who is an admin anywhere
    assert not grants(lake=Role.MEMBER).may("would_expire")
    assert grants(Role.OPERATOR).may("would_expire")
    assert grants().may("credentials.save", user="ann")
    assert not grants(Role.OPERATOR).may("credentials.save", user="ben")


def test_nothing_reaches_further_than_the_sign_in():
    assert not grants(scope=Scope.WRITE).may("tokens.create", user="ann")
    assert not grants(scope=Scope.READ, river=Role.ADMIN).may("links.add", project="river")
