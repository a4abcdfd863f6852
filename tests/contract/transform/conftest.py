"""A dataset schema, what the target loads into it, and dbt on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from support import preloaded

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent


@dataclass
class DatasetProject:
    """One dataset schema, and the programs that fill it."""

    connection: psycopg2.extensions.connection
    schema: str
    environment: dict[str, str] = field(repr=False)
    folder: Path
    project: Path

    def load(self, messages: str | bytes) -> None:
        text = messages if isinstance(messages, bytes) else messages.encode()
        subprocess.run(
            [PROGRAMS / "target-scout-postgres", "--config", "ENV"],
            env=self.environment,
            input=text,
            check=True,
            capture_output=True,
        )

    def load_nothing(self, streams: Iterable[dict[str, Any]]) -> None:
        """Load the tables of streams, without a row."""
        self.load(
            "\n".join(
                json.dumps(
                    {
                        "type": "SCHEMA",
                        "stream": stream["stream"],
                        "schema": stream["schema"],
                        "key_properties": stream["key_properties"],
                    }
                )
                for stream in streams
            )
        )

    def build(self, *options: str) -> subprocess.CompletedProcess[str]:
        return preloaded.run_dbt([PROGRAMS / "scout-dbt", "build", *options], self.environment)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(f'SET search_path TO "{self.schema}"')
            cursor.execute(statement)
            return list(cursor.fetchall())

    @property
    def views(self) -> list[str]:
        names = self.ask("SELECT viewname FROM pg_views WHERE schemaname = current_schema()")
        return sorted(name for (name,) in names)


@pytest.fixture
def world(postgres, connection, dataset_schema, tmp_path) -> DatasetProject:
    """An empty dataset schema, and a copy of the project that models can be added to."""
    project = tmp_path / "transform"
    shutil.copytree(ROOT / "transform", project, ignore=shutil.ignore_patterns("target", "logs"))
    environment = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": postgres,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": dataset_schema,
        "DBT_PROJECT_DIR": str(project),
        "DBT_PROFILES_DIR": str(project),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        "DBT_USE_COLORS": "false",
    }
    return DatasetProject(connection, dataset_schema, environment, tmp_path, project)
