"""Checks that the file systems of an installation can be written and have space."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scout_control.api.views import Finding
from scout_control.installation.installation import POSTGRES
from scout_control.meltano import workdir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.installation.installation import Installation

MEGABYTE = 1024 * 1024
LEAST_DATA_BYTES = 500 * MEGABYTE
LEAST_TEMPORARY_BYTES = 64 * MEGABYTE
"""A run's files are small: configurations, catalogs and logs of the plugins."""


def check(installation: Installation) -> Iterator[Finding]:
    """Check the folders of the installation, of runs, and of the embedded server."""
    settings = installation.settings
    folders = {settings.make_home(): ("the installation", LEAST_DATA_BYTES)}
    data = settings.home / POSTGRES
    if not settings.database_url and data.exists():
        folders[data] = ("the embedded Postgres", LEAST_DATA_BYTES)
    for folder in (workdir.parent_directory(), Path(tempfile.gettempdir())):
        folders.setdefault(folder, ("temporary files", LEAST_TEMPORARY_BYTES))
    for folder, (what, least) in folders.items():
        yield finding(folder, what, least)


def finding(folder: Path, what: str, least_bytes: int) -> Finding:
    """Return what is the case with one folder.

    Args:
        folder: The folder.
        what: What it is for.
        least_bytes: How much space it needs.
    """
    try:
        free = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        said = f"{folder} of {what} cannot be written: {error.strerror}"
        return Finding(check="disk", is_well=False, finding=said, remedy=_remedy(folder))
    is_well = free >= least_bytes
    return Finding(
        check="disk",
        is_well=is_well,
        finding=f"{free // MEGABYTE:,} MB are free in {folder} ({what})",
        remedy="" if is_well else f"{_remedy(folder)} At least {least_bytes // MEGABYTE} MB.",
    )


def _remedy(folder: Path) -> str:
    return f"Free space on the file system of {folder}, and let this account write there."
