"""Values as JSON knows them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any


def storable(text: str) -> str:
    """Return a text as Postgres can hold it: without NUL, and without halves of surrogate pairs."""
    return text.replace("\0", "").encode(errors="replace").decode()


def to_json_value(value: Any) -> Any:
    """Return a value as JSON knows it, and as Postgres can hold it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, dict):
        return {storable(str(name)): to_json_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | bool | None) else storable(str(value))


plain = to_json_value
