"""Checks of the programs that runs start, for ``scout doctor``."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from sqlalchemy import select

from scout_control.api.views import Finding
from scout_control.errors import SettingsError
from scout_control.meltano import executables
from scout_control.meltano.process import MELTANO
from scout_control.store.models import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scout_control.installation.installation import Installation

TIMEOUT_SECONDS = 60
# As runs start them. `dbt --version` would ask PyPI for newer versions; to load what runs need of
# dbt takes half the time of its command line.
DBT = "import dbt.adapters.postgres; from dbt.version import __version__; print(__version__)"
PROGRAMS: dict[str, tuple[str, Sequence[str]]] = {
    "meltano": ("meltano", (str(MELTANO), "--version")),
    "dbt": ("dbt-core", ("-P", "-c", DBT)),
}


def check(installation: Installation) -> Iterator[Finding]:
    """Check Meltano, dbt, and the program of each source type."""
    for name, (distribution, arguments) in PROGRAMS.items():
        version = _version(arguments)
        remedy = f"Install it: {executables.install_command(distribution)}"
        yield Finding(
            check=name,
            is_well=version is not None,
            finding=version or "does not start",
            remedy="" if version else remedy,
        )
    with installation.store.begin_at_any_version() as session:
        in_use = set(session.scalars(select(Source.source_type)))
    for source_type in installation.plugins.source_types():
        yield _program(installation, source_type.name, is_used=source_type.name in in_use)


def _program(installation: Installation, name: str, *, is_used: bool) -> Finding:
    """Check the program of a source type; one that no source is of may be missing."""
    try:
        program = installation.plugins.program(name)
    except SettingsError as error:
        finding = error.cause if is_used else "not installed, and no source uses it"
        remedy = error.remedy if is_used else ""
        return Finding(check=name, is_well=not is_used, finding=finding, remedy=remedy)
    is_well = os.access(program, os.X_OK)
    finding = program if is_well else f"the program {program} was not found"
    remedy = "" if is_well else "Correct its executable in meltano.yml, or install it there."
    return Finding(check=name, is_well=is_well, finding=finding, remedy=remedy)


def _version(arguments: Sequence[str]) -> str | None:
    """Return the version that a program of our environment prints, or None if it does not start."""
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with constant arguments
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    words = (done.stdout or done.stderr).split()
    return next((word.strip(",") for word in words if word[:1].isdigit()), "starts")
