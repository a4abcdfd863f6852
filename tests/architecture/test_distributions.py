"""Each program can be installed alone, outside the workspace, and runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
INDEX_OPTIONS = {"UV_HTTP_RETRIES": "8", "UV_HTTP_TIMEOUT": "120"}
CASES = """
    CREATE TABLE cases (domain text, case_id text, case_type text, case_name text,
        external_id text, owner_id text, date_opened timestamptz, last_modified timestamptz,
        server_last_modified timestamptz, indexed_on timestamptz, closed boolean,
        date_closed timestamptz, properties jsonb, indices jsonb, PRIMARY KEY (domain, case_id));
    INSERT INTO cases (domain, case_id, case_type, properties)
        VALUES ('d', '1', 'person', '{"village": "Devpur"}')
"""
PROGRAMS = {
    "tap-commcare": ("tap-common", "tap-commcare"),
    "tap-commcare-connect": ("tap-common", "tap-commcare-connect"),
    "target-scout-postgres": ("target-scout-postgres",),
}


def execute(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(c) for c in command],
        **({"env": os.environ | INDEX_OPTIONS} | options),
        capture_output=True,
        text=True,
        check=False,
    )


def run(*command: object, **options: Any) -> str:
    """Run a command that must succeed; return what it prints."""
    done = execute(*command, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_installed_alone_and_without_the_workspace(program, tmp_path):
    python = tmp_path / "bin" / "python"
    folders = [ROOT / folder for folder in PROGRAMS[program]]

    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path)
    run(UV, "pip", "install", "--quiet", "--no-sources", "--python", python, *folders)

    assert run(tmp_path / "bin" / program, "--version").startswith(f"{program} v")


def test_scout_dbt_generates_and_builds_models_without_a_checkout(
    tmp_path, postgres, connection, dataset_schema
):
    """The wheel contains the dbt project; the working folder has models of users only."""
    python, folder = tmp_path / "venv/bin/python", tmp_path / "empty"
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT / "transform")
    [wheel] = tmp_path.glob("*.whl")
    run(UV, "pip", "install", "--quiet", "--no-sources", "--python", python, wheel)
    (folder / "models/custom").mkdir(parents=True)
    mine = "select count(*)::int as n from {{ ref('case_person') }}"
    (folder / "models/custom/mine.sql").write_text(mine)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {dataset_schema}")
        cursor.execute(f"SET search_path TO {dataset_schema}")
        cursor.execute(CASES)

    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": postgres,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": dataset_schema,
    }
    run(tmp_path / "venv/bin/scout-dbt", "run", env=environment, cwd=folder)

    with connection.cursor() as cursor:
        cursor.execute("SELECT n, (SELECT village FROM case_person) FROM mine")
        assert cursor.fetchall() == [(1, "Devpur")]
    assert list((tmp_path / "venv").rglob("dbt_project/target")) == []


@pytest.mark.parametrize("tap", ["tap-commcare", "tap-commcare-connect"])
def test_a_tap_requires_a_version_of_tap_common_that_no_public_index_accepts(tap):
    common = tomllib.loads((ROOT / "tap-common" / "pyproject.toml").read_text())["project"]
    project = tomllib.loads((ROOT / tap / "pyproject.toml").read_text())["project"]

    assert f"{common['name']}=={common['version']}" in project["dependencies"]
    assert Version(common["version"]).local
    assert f"pip install ./tap-common ./{tap}" in (ROOT / tap / "README.md").read_text()
    assert f"\npip_url: ./tap-common ./{tap} " in (ROOT / tap / f"{tap}.yml").read_text()


def test_a_tap_without_tap_common_is_not_completed_from_an_index(tmp_path):
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path)
    python = tmp_path / "bin" / "python"

    done = execute(
        UV, "pip", "install", "--no-sources", "--dry-run", "--python", python, ROOT / "tap-commcare"
    )

    assert done.returncode != 0
    assert "commcare-tap-common" in done.stderr
