"""Control around ``meltano run``: who, when, with which login, into which dataset schema."""

from __future__ import annotations

TYPE_CHECKING = False  # without typing, which takes longer to load than a launcher may
if TYPE_CHECKING:
    from scout_control.api.scout import Scout

__all__ = ["Scout"]


def __getattr__(name: str) -> object:
    """Load the Python interface when it is asked for: small commands start without it."""
    if name == "Scout":
        from scout_control.api.scout import Scout  # noqa: PLC0415 - loaded when it is asked for

        return Scout
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
