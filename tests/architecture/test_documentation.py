"""The documentation builds as a site without a warning, and its reference matches the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import reference  # noqa: E402 - a script, not a package


def test_the_generated_reference_is_up_to_date():
    outdated = [path.name for path, text in reference.pages().items() if path.read_text() != text]

    assert outdated == [], "run: make docs"


def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2"]
    done = subprocess.run(
        [*command, "-d", tmp_path / "trees", ROOT / "docs", tmp_path / "site"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "Quickstart" in (tmp_path / "site" / "index.html").read_text()
