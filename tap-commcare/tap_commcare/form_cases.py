"""Which cases a form touches: case blocks may stand anywhere in it. Pure.

A block is an object with a case id under a key ``case``; a repeated tag makes a list of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ACTIONS = ("create", "update", "close", "index", "attachment")


@dataclass
class Touch:
    """What a form does to one case."""

    case_id: str
    path: str
    """Where the first block of this case stands, as a JSON pointer into the form."""
    is_created: bool = False
    is_updated: bool = False
    is_closed: bool = False


def touches(form: Any) -> list[Touch]:
    """Return what a form does to each case, in the order in which they appear."""
    found: dict[str, Touch] = {}
    for path, case_id, block in blocks(form):
        touch = found.setdefault(case_id, Touch(case_id, path))
        touch.is_created |= _is_filled(block.get("create"))
        touch.is_updated |= _is_filled(block.get("update"))
        touch.is_closed |= _is_there(block.get("close"))
    return list(found.values())


def blocks(value: Any, path: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, case id and content of each case block at any depth."""
    if type(value) is dict:
        for name, inner in value.items():
            if type(inner) is dict or type(inner) is list:
                here = f"{path}/{_escaped(name)}"
                if name == "case":
                    yield from _blocks_of_case(inner, here)
                yield from blocks(inner, here)
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from blocks(inner, f"{path}/{index}")


def _blocks_of_case(value: Any, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    many = enumerate(value) if type(value) is list else [(None, value)]
    for index, block in many:
        if type(block) is dict:
            case_id = _case_id(block)
            if case_id:
                yield path if index is None else f"{path}/{index}", case_id, block


def _case_id(block: dict[str, Any]) -> str | None:
    """Return a block's case id; blocks of the first version have no ``@`` before it."""
    case_id = block.get("@case_id")
    if case_id is None and ("date_modified" in block or any(a in block for a in ACTIONS)):
        case_id = block.get("case_id")
    return case_id if type(case_id) is str and case_id else None


def _is_filled(action: Any) -> bool:
    return type(action) is dict and bool(action)


def _is_there(action: Any) -> bool:
    """Tell whether a closing element is there: it has nothing in it."""
    return action is not None and action is not False


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
