"""Conversion of values to JSON that Postgres can store, and of what people write."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn


def to_storable_text(text: str) -> str:
    """Return a text that Postgres can store: without NUL and lone surrogates."""
    return text.replace("\0", "").encode(errors="replace").decode()


def to_json_value(value: Any) -> Any:
    """Return a JSON value that Postgres can store; a number that JSON lacks is a text."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, dict):
        return {to_storable_text(str(name)): to_json_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(each) for each in value]
    if isinstance(value, Decimal) or (isinstance(value, float) and not math.isfinite(value)):
        return f"{Decimal(value):f}"  # NaN, Infinity, and not 1E-7
    return value if isinstance(value, int | float | bool | None) else to_storable_text(str(value))


def written_value(text: str) -> Any:
    """Return a value that a person wrote: what is valid JSON is decoded, all else is text."""
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return text


def _reject_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads as JSON and Postgres does not."""
    raise ValueError(name)
