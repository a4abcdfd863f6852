"""Puts the dbt project into the wheel, so that scout-dbt runs where there is no checkout.

A build hook instead of ``force-include``: that copies the files into editable installations, too,
where the copy would go stale beside the project that scout-dbt uses there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DBT_PROJECT = (
    *("dbt_project.yml", "profiles.yml", "macros", "tests"),
    *("models/staging", "models/relations"),  # models/custom belongs to an installation
)


class DbtProjectHook(BuildHookInterface[Any]):
    """Includes the dbt project as ``scout_dbt/dbt_project``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files of the dbt project to a wheel that is not editable."""
        if version != "editable":
            for name in DBT_PROJECT:
                path = str(Path(self.root, name))
                build_data["force_include"][path] = f"scout_dbt/dbt_project/{name}"
