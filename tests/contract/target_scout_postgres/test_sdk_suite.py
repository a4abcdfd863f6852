"""The SDK's own suite for targets, on a real Postgres."""

from __future__ import annotations

import uuid

import pytest
from singer_sdk.testing import get_target_test_class
from target_scout_postgres.target import TargetScoutPostgres

SETTINGS = {
    "database_url": "postgresql://set-by-the-fixture/postgres",
    "default_target_schema": f"data_sdk_{uuid.uuid4().hex[:12]}",
}


@pytest.fixture(autouse=True, scope="module")
def _address(postgres: str) -> None:
    SETTINGS["database_url"] = postgres


TestSdkSuite = get_target_test_class(TargetScoutPostgres, config=SETTINGS)
