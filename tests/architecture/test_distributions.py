"""Each program can be installed alone, without the workspace, and runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
INDEX_OPTIONS = {"UV_HTTP_RETRIES": "8", "UV_HTTP_TIMEOUT": "120"}
PROGRAMS = {
    "tap-commcare": ("tap-common", "tap-commcare"),
    "tap-commcare-connect": ("tap-common", "tap-commcare-connect"),
    "target-scout-postgres": ("target-scout-postgres",),
}


def execute(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(c) for c in command],
        env=os.environ | INDEX_OPTIONS,
        capture_output=True,
        text=True,
        check=False,
    )


def run(*command: object) -> str:
    """Run a command that must succeed; return what it prints."""
    done = execute(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_installed_alone_and_without_the_workspace(program, tmp_path):
    python = tmp_path / "bin" / "python"
    folders = [ROOT / folder for folder in PROGRAMS[program]]

    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path)
    run(UV, "pip", "install", "--quiet", "--no-sources", "--python", python, *folders)

    assert run(tmp_path / "bin" / program, "--version").startswith(f"{program} v")


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
