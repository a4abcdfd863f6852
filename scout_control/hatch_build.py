"""Puts the workspace's meltano.yml into the wheel: the plugins and jobs of the product.

A build hook instead of ``force-include``: that copies the file into editable installations, too,
where the copy would go stale beside the file that is used there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "meltano.yml"


class MeltanoProjectHook(BuildHookInterface[Any]):
    """Includes it as ``scout_control/meltano/product/meltano.yml``, in an sdist as itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file to everything that is not an editable installation."""
        if version == "editable":
            return
        folder = Path(self.root)  # of an sdist, which holds a copy, or of the checkout
        source = next(each for each in (folder / NAME, folder.parent / NAME) if each.is_file())
        is_wheel = self.target_name == "wheel"
        target = f"scout_control/meltano/product/{NAME}" if is_wheel else NAME
        build_data["force_include"][str(source)] = target
