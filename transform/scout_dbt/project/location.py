"""Locates the dbt project: in the folder that the caller names, or shipped with this program."""

from __future__ import annotations

from pathlib import Path

PROJECT_FILE = "dbt_project.yml"
INSTALLED = Path(__file__).parents[1] / "dbt_project"
"""In a wheel; see hatch_build.py."""
CHECKOUT = Path(__file__).parents[2]


def shipped() -> Path:
    """Return the dbt project that comes with this program."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


def dbt_project(folder: Path) -> Path:
    """Return the dbt project for a folder: the folder itself, or the shipped one.

    A folder without a dbt_project.yml may hold ``models/custom`` only: so an installation from
    wheels keeps its own models outside of site-packages.
    """
    return folder if (folder / PROJECT_FILE).is_file() else shipped()
