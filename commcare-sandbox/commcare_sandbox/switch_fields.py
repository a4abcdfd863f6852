"""How a switch is declared, so that both halves can declare their own."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def switch(default: Any, text: str) -> Any:
    """Declare a switch with its default and its help."""
    return field(default=default, metadata={"help": text})
