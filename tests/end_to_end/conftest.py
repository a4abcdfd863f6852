"""The whole pipeline: sandbox, `meltano run` as control starts it, Postgres, dbt."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
from commcare_sandbox import Sandbox
from psycopg2 import sql
from psycopg2.extras import RealDictCursor
from scout_control.installation import embedded_postgres
from scout_control.rules.naming import DatasetIdentity, OwnerKind
from support.executor import LOAD, Job, Result, work
from support.logins import at_database_of

ROOT = Path(__file__).parents[2]
CASES, FORMS = 400, 150
SEED = 71  # of the secrets, too: no other test has the same ones


@dataclass
class Pipeline:
    """One dataset of one sandbox, which a test can run repeatedly."""

    server_url: str
    superuser_url: str
    """The same database, as the superuser."""
    meltano_url: str
    sandbox: Sandbox
    dataset: DatasetIdentity
    places: list = field(default_factory=list)

    def job(self, *, transform: bool = False, **changes) -> Job:
        usual = {
            "dataset": self.dataset,
            "server_url": self.server_url,
            "meltano_url": self.meltano_url,
            "project_root": ROOT,
            "source": {
                "TAP_COMMCARE_BASE_URL": self.sandbox.url,
                "TAP_COMMCARE_DOMAIN": self.sandbox.domain,
                "TAP_COMMCARE_USERNAME": self.sandbox.username,
            },
            "secrets": {"TAP_COMMCARE_API_KEY": self.sandbox.api_key},
            "blocks": (*LOAD, "dbt-postgres:build") if transform else LOAD,
        }
        return Job(**usual | changes)

    def run(self, on_start=None, **job) -> Result:
        def start(place, run):
            self.places.append(place)
            if on_start:
                on_start(place, run)

        return work(self.job(**job), start, on_progress=lambda _: None, timeout=400)

    def rows(self, table: str) -> list[dict]:
        """Return a table of the dataset schema in the JSON format of the sandbox."""
        with psycopg2.connect(self.superuser_url) as opened:
            cursor = opened.cursor(cursor_factory=RealDictCursor)
            cursor.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(self.dataset.schema, table))
            )
            found = [dict(row) for row in cursor.fetchall()]
        opened.close()
        return found

    def read_in(self, result: Result) -> dict[str, int]:
        """Return how many rows of each stream a run has committed."""
        loads = [row for row in self.rows("_scout_loads") if row["run_id"] == result.ended.run_id]
        return {row["stream"]: row["rows"] for row in loads}


@pytest.fixture(scope="session")
def server_url(control_postgres: str) -> str:
    return embedded_postgres.create_database(control_postgres, "pipeline")


@pytest.fixture(scope="session")
def meltano_url(control_postgres: str) -> str:
    return embedded_postgres.create_database(control_postgres, "meltano")


@pytest.fixture
def pipeline(postgres: str, server_url: str, meltano_url: str) -> Iterator[Pipeline]:
    dataset = DatasetIdentity(
        owner_kind=OwnerKind.PROJECT,
        owner_id=uuid.uuid4().hex,
        project_id="p",
        source_id="s",
        source_type="commcare",
    )
    with Sandbox(cases=CASES, forms=FORMS, seed=SEED) as sandbox:
        superuser_url = at_database_of(postgres, server_url)
        yield Pipeline(server_url, superuser_url, meltano_url, sandbox, dataset)
