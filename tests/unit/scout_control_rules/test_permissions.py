"""Who may do what: every operation, in every role, on every object, with every sign-in."""

from __future__ import annotations

import inspect
from itertools import product

import pytest
from scout_control.api.scout import Scout
from scout_control.installation.settings import Settings
from scout_control.rules.permissions import TABLE, Decision, Relation, Role, Scope, decide

INSTALLATION, PROJECT, OWN, OTHER = Relation
SIGNED_IN = frozenset(Role) - {Role.ANONYMOUS}
ROWS = (
    "datasets.query",
    "datasets.url",
    "datasets.describe",
    "datasets.touch",
    "models.describe",
    "models.show",
)
"""What returns rows, or a login that reads them."""
ENTRUSTS = ("datasets.share", "datasets.ensure", "credentials.save")


def operations(tmp_path):
    """Yield the name of each public method of the Python interface."""
    with Scout(Settings(project_root=tmp_path, home=tmp_path)) as scout:
        names = {each for each in dir(Scout) if not each.startswith("_")}
        for name in names:
            member = getattr(Scout, name)
            if inspect.isfunction(member):
                yield name
                continue
            part = type(getattr(scout, name))
            found = inspect.getmembers(part, inspect.isfunction)
            yield from (f"{name}.{each}" for each, _ in found if not each.startswith("_"))


def test_every_operation_of_the_python_interface_has_a_row_and_no_other_has(tmp_path):
    assert set(operations(tmp_path)) == set(TABLE)


@pytest.mark.parametrize("operation", TABLE)
def test_every_cell_is_what_its_row_says(operation):
    rule = TABLE[operation]
    for role, relation, scope in product(Role, Relation, Scope):
        is_named = role in rule.audience.get(relation, ())
        is_shown = role in TABLE[rule.view].audience.get(relation, ())

        decision = decide(operation, {role}, relation, scope)

        cell = (role, relation, scope)
        assert (decision == Decision.ALLOWED) == (is_named and scope >= rule.scope), cell
        assert (decision == Decision.HIDDEN) == (not is_named and not is_shown), cell


@pytest.mark.parametrize("operation", TABLE)
def test_a_further_role_takes_nothing_away(operation):
    order = [Decision.HIDDEN, Decision.FORBIDDEN, Decision.ALLOWED]
    for one, other, relation, scope in product(Role, Role, Relation, Scope):
        both = decide(operation, {one, other}, relation, scope)
        each = [decide(operation, {role}, relation, scope) for role in (one, other)]

        assert order.index(both) >= max(map(order.index, each)), (one, other, relation, scope)


@pytest.mark.parametrize(("operation", "relation"), list(product(TABLE, Relation)))
def test_without_a_sign_in_nothing_exists(operation, relation):
    assert decide(operation, (), relation) == Decision.HIDDEN
    assert decide(operation, {Role.ANONYMOUS}, relation) == Decision.HIDDEN


@pytest.mark.parametrize(("operation", "relation"), list(product(TABLE, (PROJECT, OTHER))))
def test_of_a_foreign_project_and_of_others_in_it_nothing_exists(operation, relation):
    for roles in ({Role.PERSON}, {Role.PERSON, Role.CONNECTIONS}):
        assert decide(operation, roles, relation) == Decision.HIDDEN


@pytest.mark.parametrize("operation", ROWS)
def test_rows_are_read_by_members_and_never_those_of_another_person(operation):
    assert decide(operation, {Role.PERSON, Role.MEMBER}, PROJECT) == Decision.ALLOWED
    assert decide(operation, {Role.PERSON, Role.MEMBER}, OWN) == Decision.ALLOWED
    for role, relation in product((Role.ADMIN, Role.OPERATOR), (OTHER,)):
        assert decide(operation, {Role.PERSON, role}, relation) == Decision.FORBIDDEN
    assert decide(operation, {Role.PERSON, Role.OPERATOR}, PROJECT) == Decision.FORBIDDEN


@pytest.mark.parametrize(("operation", "role"), list(product(ENTRUSTS, Role)))
def test_no_one_consents_or_shares_for_another(operation, role):
    assert decide(operation, {role}, OTHER) != Decision.ALLOWED


@pytest.mark.parametrize("operation", ["add", "update", "remove", "test"])
def test_connections_are_managed_by_that_permission_alone(operation):
    allowed = [
        role
        for role in Role
        if decide(f"connections.{operation}", {role}, INSTALLATION) == Decision.ALLOWED
    ]

    assert allowed == [Role.CONNECTIONS]


def test_a_token_makes_no_token_and_does_not_purge():
    operator = {Role.PERSON, Role.OPERATOR}

    assert decide("tokens.create", {Role.PERSON}, OWN, Scope.WRITE) == Decision.FORBIDDEN
    assert decide("tokens.create", {Role.PERSON}, OWN, Scope.FULL) == Decision.ALLOWED
    assert decide("purges.execute", operator, OTHER, Scope.WRITE) == Decision.FORBIDDEN


@pytest.mark.parametrize("operation", TABLE)
def test_a_token_for_reading_changes_nothing(operation):
    changes = ("add", "create", "update", "remove", "drop", "save", "revoke", "queue", "cancel")
    if operation.rpartition(".")[2] in changes:
        for role, relation in product(Role, Relation):
            assert decide(operation, {role}, relation, Scope.READ) != Decision.ALLOWED


@pytest.mark.parametrize("operation", TABLE)
def test_who_may_do_something_to_an_object_may_see_it(operation):
    rule = TABLE[operation]
    for relation, roles in rule.audience.items():
        if relation is not INSTALLATION:
            assert roles <= TABLE[rule.view].audience.get(relation, frozenset()), relation


def test_aliases_have_the_same_row():
    same = {
        "projects.add": "projects.create",
        "datasets.remove": "datasets.drop",
        "credentials.remove": "credentials.revoke",
        "credentials.ask": "credentials.authorization_request",
        "credentials.answer": "credentials.complete_authorization",
    }
    assert all(TABLE[one] == TABLE[other] for one, other in same.items())
