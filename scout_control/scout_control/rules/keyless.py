"""Settings of the loader for streams without key and bookmark, which a link may set.

A dataset is a copy of its source, so such a stream is replaced unless the link says otherwise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYLESS_STREAMS, KEYLESS_OVERRIDES = NAMES = ("keyless_streams", "keyless_overrides")
CHOICES = ("append", "replace")
DEFAULT = "replace"


def find_error(settings: Mapping[str, Any]) -> str | None:
    """Return the error in the settings; None if they are valid."""
    options = " or ".join(CHOICES)
    if settings.get(KEYLESS_STREAMS, DEFAULT) not in CHOICES:
        return f"{KEYLESS_STREAMS} is {options}."
    overrides = settings.get(KEYLESS_OVERRIDES, {})
    if not isinstance(overrides, dict) or not all(how in CHOICES for how in overrides.values()):
        return f"{KEYLESS_OVERRIDES} gives streams {options}, as a JSON object."
    return None


def pop_loader_settings(settings: dict[str, Any]) -> dict[str, str]:
    """Remove these settings from those of a tap; return them as text for the loader."""
    return {
        KEYLESS_STREAMS: settings.pop(KEYLESS_STREAMS, DEFAULT),
        KEYLESS_OVERRIDES: json.dumps(settings.pop(KEYLESS_OVERRIDES, {})),
    }
