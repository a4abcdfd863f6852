"""Manages credentials, schedules, runs and retention around ``meltano run``."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would slow down the launcher of plugins
if TYPE_CHECKING:
    from scout_control.api.scout import Scout

__all__ = ["Scout"]


def __getattr__(name: str) -> object:
    """Import ``Scout`` on first use, so that importing a submodule does not load all of it."""
    if name == "Scout":
        from scout_control.api.scout import Scout

        return Scout
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
