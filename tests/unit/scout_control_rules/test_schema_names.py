"""Names of the schema of a project's own tables."""

from __future__ import annotations

import pytest
from scout_control.rules import naming, schema_names
from scout_control.store.singer_state import MELTANO_SCHEMA
from scout_control.store.version import SCHEMA

IDENTITY = naming.DatasetIdentity(
    owner_kind=naming.OwnerKind.PROJECT,
    owner_id="river",
    project_id="river",
    source_id="1",
    source_type="commcare",
)


@pytest.mark.parametrize(
    "name",
    [
        *(SCHEMA, MELTANO_SCHEMA, "information_schema", "Information_Schema"),
        *("pg_catalog", "pg_toast", "pg_temp", "pg_temp_3", "PG_mine", "$user"),
        IDENTITY.schema,
        *("", " ", " own", "own ", "a\0b", "a\nb", "a\u202eb", "\ud800", "a" * 64, "न" * 22),
    ],
)
def test_what_is_refused(name):
    assert schema_names.find_error(name).startswith("must")


def test_so_is_a_random_name_of_a_dataset():
    assert schema_names.find_error(naming.opaque_schema()).startswith("must")


@pytest.mark.parametrize(
    "name", ["public", "own", "data", "data_lake", "River Health", 'odd"name', "a" * 63, "नदी"]
)
def test_what_is_accepted(name):
    assert schema_names.find_error(name) is None
