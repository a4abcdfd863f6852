"""A store with a project and a source, and its commands in this process."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from scout_control.api.scout import Scout
from scout_control.cli.main import main
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.store import migrate
from support.workers import environment_of

ROOT = Path(__file__).parents[3]


@dataclass
class Commands:
    """Runs commands of an installation."""

    environment: dict[str, str]

    def __call__(self, *words, code=0):
        """Run a command that ends with this code; return its result, or its messages."""
        done = CliRunner().invoke(main, [*words, "--json"], env=self.environment)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if code == 0 else done.stderr

    def text(self, *words, code=0):
        """Run a command that ends with this code; return what people see of it."""
        done = CliRunner().invoke(main, words, env=self.environment)
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def settings(control_postgres, tmp_path):
    return Settings(
        project_root=ROOT,
        home=tmp_path,
        database_url=embedded_postgres.create_database(
            control_postgres, f"control_{uuid.uuid4().hex[:10]}"
        ),
        encryption_keys=generate(),
    )


@pytest.fixture
def scout(settings):
    with Scout(settings) as opened:
        migrate.migrate(opened.installation.store)
        with opened.installation.store.begin() as session:
            session.connection().exec_driver_sql(
                "INSERT INTO scout_control.connections (name) VALUES ('default')"
            )
        opened.projects.create("river")
        opened.sources.add("hq", "commcare", config={"domain": "river-health"})
        yield opened


@pytest.fixture
def run(scout, settings):
    return Commands(environment_of(settings))
