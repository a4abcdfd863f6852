"""The base of all views."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scout_control.rules.json_values import to_json_value


class View:
    """Base of all views, which are dataclasses."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation."""
        return {name: to_json_value(value) for name, value in asdict(self).items()}  # type: ignore[call-overload]  # every view is a dataclass
