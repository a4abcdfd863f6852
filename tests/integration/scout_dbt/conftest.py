"""A dataset schema loaded from the sandbox, and scout-dbt on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from commcare_sandbox import Sandbox
from psycopg2 import sql
from scout_control.datasets import provision
from scout_control.rules.naming import DatasetIdentity, OwnerKind
from support import preloaded

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent


@dataclass
class DatasetProject:
    """One dataset schema, its roles, and a copy of the project that models can be added to."""

    url: str
    place: provision.ProvisionedSchema
    folder: Path
    project: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.defpath}",
            "HOME": str(self.folder),
            "TARGET_SCOUT_POSTGRES_DATABASE_URL": self.place.url(self.url),
            "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": self.place.schema,
            "TARGET_SCOUT_POSTGRES_READER_ROLE": self.place.reader,
            "TARGET_SCOUT_POSTGRES_CREATE_SCHEMA": "false",
            "TARGET_SCOUT_POSTGRES_OWNER": self.place.owner,
            "DBT_PROJECT_DIR": str(self.project),
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_USE_COLORS": "false",
        }

    def pipe(self, messages: bytes) -> None:
        """Let the target load Singer messages."""
        subprocess.run(
            [PROGRAMS / "target-scout-postgres", "--config", "ENV"],
            env=self.environment,
            input=messages,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def build(self, *more: str) -> subprocess.CompletedProcess[str]:
        command = [PROGRAMS / "scout-dbt", "build", "--exclude-resource-type", "unit_test", *more]
        return preloaded.run_dbt(command, self.environment)

    def ask(self, statement: str, *values: Any, role: str | None = None) -> list[tuple[Any, ...]]:
        opened = psycopg2.connect(self.url)
        try:
            with opened, opened.cursor() as cursor:
                role = role or self.place.writer
                cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
                path = sql.Identifier(self.place.schema)
                cursor.execute(sql.SQL("SET search_path TO {}").format(path))
                cursor.execute(statement, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            opened.close()


@dataclass
class Loaded(DatasetProject):
    """A world that is loaded from a sandbox."""

    sandbox: Sandbox

    def load(self) -> None:
        config = self.folder / "tap.json"
        config_of_tap = {"domain": self.sandbox.domain, "base_url": self.sandbox.url}
        config_of_tap |= {"username": self.sandbox.username, "api_key": self.sandbox.api_key}
        config.write_text(json.dumps(config_of_tap))
        read = subprocess.run(
            [PROGRAMS / "tap-commcare", "--config", config],
            env=self.environment,
            capture_output=True,
            check=True,
        )
        self.pipe(read.stdout)


@pytest.fixture(scope="module")
def world(postgres: str) -> Iterator[DatasetProject]:
    """An empty dataset schema."""
    folder = Path(tempfile.mkdtemp(prefix="scout-models-"))
    dataset = DatasetIdentity(
        owner_kind=OwnerKind.PROJECT,
        owner_id=uuid.uuid4().hex,
        project_id="p",
        source_type="commcare",
        source_id="s",
    )
    project = folder / "transform"
    shutil.copytree(ROOT / "transform", project, ignore=shutil.ignore_patterns("target", "logs"))
    yield DatasetProject(postgres, provision.provision(postgres, dataset), folder, project)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def loaded(world: DatasetProject) -> Iterator[Loaded]:
    """The default data of the sandbox, loaded and built once per file."""
    with Sandbox(cases=150, forms=120) as sandbox:
        found = Loaded(**vars(world), sandbox=sandbox)
        found.load()
        done = found.build()
        assert done.returncode == 0, done.stdout
        yield found
