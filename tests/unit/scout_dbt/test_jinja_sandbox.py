"""What the Jinja of models may use; tests/security/test_model_files.py attacks it through dbt."""

from __future__ import annotations

import re
from types import SimpleNamespace

import agate
import psycopg2.extensions
import pytest
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.postgres.relation import PostgresRelation
from dbt.artifacts.resources import FileHash
from scout_dbt.runner.jinja_sandbox import is_allowed

RELATION = PostgresRelation.create(database="d", schema="s", identifier="i")
TABLE = agate.Table([[1]], ["one"])


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        (RELATION, "identifier"),
        (RELATION, "include"),
        (TABLE, "rows"),
        (TABLE.columns[0], "values"),
        (AdapterResponse("SELECT 1"), "rows_affected"),
        ("text", "upper"),
        ({"a": 1}, "items"),
    ],
)
def test_values_relations_and_tables_may_be_used(instance, name):
    assert is_allowed(instance, name, getattr(instance, name))


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        (TABLE, "to_csv"),
        (agate.Table, "from_csv"),
        (re, "sys"),
        (psycopg2.extensions.connection, "lobject"),
        (SimpleNamespace(dsn="password"), "dsn"),
    ],
)
def test_files_modules_connections_and_unknown_objects_may_not(instance, name):
    assert not is_allowed(instance, name, getattr(instance, name, None))


def test_fields_of_a_record_may_be_read_and_its_methods_not_called():
    record = FileHash(name="sha256", checksum="0")

    assert is_allowed(record, "checksum", record.checksum)
    assert is_allowed(record, "to_dict", record.to_dict)
    assert not is_allowed(record, "from_contents", record.from_contents)
