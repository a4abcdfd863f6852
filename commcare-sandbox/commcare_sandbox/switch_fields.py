"""The field type of a switch, used by both halves."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def switch(default: Any, text: str) -> Any:
    """Return a dataclass field with a default and a help text."""
    return field(default=default, metadata={"help": text})
