"""Runs the demo's pipe without Meltano: configuration files for tap and target, and the command.

The files contain the sandbox's API key, so no other account can read them. Real keys belong in
``scout credentials connect``.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "manual_pipe"


def write(home: Path, tap: Mapping[str, Any], database_url: str) -> Path:
    """Write both files and return their folder."""
    folder = home / "manual-pipe"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = {"database_url": database_url, "default_target_schema": SCHEMA}
    for name, config in (("tap.json", tap), ("target.json", target)):
        (folder / name).touch(0o600)
        (folder / name).write_text(json.dumps(config, indent=2) + "\n")
    return folder


def command(tap: str, programs: Path, folder: Path) -> str:
    """Return the shell command that pipes the tap into the target."""
    steps = ((tap, "tap.json"), ("target-scout-postgres", "target.json"))
    return " | ".join(
        shlex.join([f"{programs}/{program}", "--config", f"{folder}/{config}"])
        for program, config in steps
    )
