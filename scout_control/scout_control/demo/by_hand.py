"""The same pipe by hand: configuration files for tap and target, and the line that joins them.

The files hold the sandbox's key, so nobody else may read them. A real key never goes into one here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from scout_control.demo.world import World

SCHEMA = "by_hand"


def write(world: World) -> Path:
    """Write both files and return their folder."""
    folder = world.home / "by-hand"
    folder.mkdir(mode=0o700, exist_ok=True)
    tap = world.source.tap_file(world.sandbox)
    target = {"database_url": world.shown_url, "default_target_schema": SCHEMA}
    for name, config in (("tap.json", tap), ("target.json", target)):
        (folder / name).touch(0o600)
        (folder / name).write_text(json.dumps(config, indent=2) + "\n")
    return folder


def command(world: World, programs: Path, folder: Path) -> str:
    """Return the line to type."""
    return (
        f"{programs}/{world.source.blocks[0]} --config {folder}/tap.json"
        f" | {programs}/target-scout-postgres --config {folder}/target.json"
    )
