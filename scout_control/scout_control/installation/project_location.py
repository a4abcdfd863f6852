"""Finds the project: the folder of the meltano.yml that everything here is about."""

from __future__ import annotations

import os
from pathlib import Path

from scout_control.meltano import project_file, trusted_files

VARIABLE = "SCOUT_PROJECT_ROOT"
DATA_HOME = "XDG_DATA_HOME"
NAME = "scout-sync"


def find() -> Path | None:
    """Return the project: the named one, the nearest one upwards, the checkout, or the user's."""
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute()
    here = Path.cwd()
    folders = [here, *here.parents]
    if project_file.is_checkout():
        folders.append(project_file.CHECKOUT)
    folders.append(default())
    return next((folder for folder in folders if is_project(folder)), None)


def default() -> Path:
    """Return the project of this user, which exists once ``scout init`` has made it."""
    data = Path(os.environ.get(DATA_HOME) or "")
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / NAME


def is_project(folder: Path) -> bool:
    """Return whether a folder has a meltano.yml, or a link by that name.

    A broken link counts: going on upwards would use a project that was not meant.
    """
    file = folder / trusted_files.PROJECT_FILE
    return file.is_file() or file.is_symlink()
