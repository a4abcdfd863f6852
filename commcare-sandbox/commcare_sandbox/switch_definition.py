"""How a switch is defined: a dataclass field with a help text. Used for HQ and Connect."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def switch(default: Any, text: str) -> Any:
    """Return a dataclass field with a default and a help text."""
    return field(default=default, metadata={"help": text})
