"""What the demo tells its user to type: ``make demo`` in a checkout, ``scout demo`` elsewhere."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.meltano import executables, project_file

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SOURCE = "commcare"
ELSEWHERE = ("SCOUT_DATABASE_URL", "SCOUT_ENCRYPTION_KEYS")
"""Variables that lead the commands to another installation than the demo's."""


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The commands as they have to be typed where the demo was started."""

    scout: str
    """The program, as a path unless its name is enough."""
    is_make: bool
    """Whether the working directory is the checkout, whose Makefile starts the demo."""
    source: str = DEFAULT_SOURCE

    @classmethod
    def here(cls, source: str) -> Commands:
        """Return the commands for the working directory and the environment."""
        return cls(
            scout=scout_command(short(executables.PROGRAMS / "scout"), os.environ),
            is_make=project_file.is_checkout() and Path.cwd() == project_file.CHECKOUT,
            source=source,
        )

    def demo(self, *options: str) -> str:
        """Return the command that starts the demo with these options."""
        is_other = self.source != DEFAULT_SOURCE
        if not self.is_make:
            chosen = ["--source", self.source] if is_other else []
            return " ".join([self.scout, "demo", *chosen, *options])
        words = ["make demo", *([f"SOURCE={self.source}"] if is_other else [])]
        joined = " ".join(options)
        if options:
            words.append(f'ARGS="{joined}"' if " " in joined else f"ARGS={joined}")
        return " ".join(words)


def scout_command(program: Path, environment: Mapping[str, str]) -> str:
    """Return how ``scout`` is started on the installation of the demo, in a shell as it is now."""
    found = shutil.which("scout", path=environment.get("PATH", os.defpath))
    name = "scout" if found and Path(found) == program.absolute() else quote(str(program))
    is_elsewhere = bool(environment.get(ELSEWHERE[0]))
    return f"env -u {' -u '.join(ELSEWHERE)} {name}" if is_elsewhere else name


def short(path: Path) -> Path:
    """Return the path relative to the working directory, if that is shorter."""
    relative = Path(os.path.relpath(path))
    return relative if len(str(relative)) < len(str(path)) else path
