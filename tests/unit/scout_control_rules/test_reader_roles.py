"""Roles that a dataset cannot be shared with, by their names."""

from __future__ import annotations

import pytest
from scout_control.rules import naming, reader_roles

IDENTITY = naming.DatasetIdentity(
    owner_kind=naming.OwnerKind.PROJECT,
    owner_id="river",
    project_id="river",
    source_id="1",
    source_type="commcare",
)
UNNAMED = naming.DatasetIdentity(
    owner_kind=naming.OwnerKind.USER,
    owner_id="नदी",
    project_id="river",
    source_id="1",
    source_type="",
)
OWN = [role for schema in (IDENTITY.schema, UNNAMED.schema) for role in naming.roles_of(schema)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((role, "Scout made for itself") for role in OWN),
        ("pg_read_all_data", "of Postgres itself"),
        ("pg_monitor", "of Postgres itself"),
        ("pg_anything_of_a_later_version", "of Postgres itself"),
        ("public", "does not name one role"),
        ("none", "does not name one role"),
        ("", "is not the name of a role"),
        ("a" * 64, "is not the name of a role"),
        ("न" * 22, "is not the name of a role"),
        ("a\0b", "is not the name of a role"),
        ("a\nb", "is not the name of a role"),
        ("\ud800", "is not the name of a role"),
    ],
)
def test_what_cannot_be_shared_with(name, why):
    assert why in reader_roles.find_error(name)


def test_nor_with_roles_whose_names_are_random():
    for role in (*naming.roles_of(naming.opaque_schema()), naming.person_role()):
        assert "Scout made for itself" in reader_roles.find_error(role)


@pytest.mark.parametrize(
    "name",
    [
        "analysts",
        "ann@example.org",
        'odd"name',
        "Public",
        "data_team_ro",
        "data_ro",
        "a" * 63,
        "नदी",
    ],
)
def test_what_can(name):
    assert reader_roles.find_error(name) is None
