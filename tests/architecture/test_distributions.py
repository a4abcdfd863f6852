"""Each program can be installed alone, outside the workspace, and runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
TIMEOUT = {"UV_HTTP_RETRIES": "8", "UV_HTTP_TIMEOUT": "120"}  # with the package index
PROGRAMS = ("tap-commcare", "tap-commcare-connect", "target-scout-postgres")


def run(*command: object) -> str:
    """Run a command and return its output."""
    done = subprocess.run(
        [str(c) for c in command],
        env=os.environ | TIMEOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_installed_alone_and_without_the_workspace(program, tmp_path):
    python = tmp_path / "bin" / "python"

    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path)
    run(UV, "pip", "install", "--quiet", "--no-sources", "--python", python, ROOT / program)

    assert run(tmp_path / "bin" / program, "--version").startswith(f"{program} v")
