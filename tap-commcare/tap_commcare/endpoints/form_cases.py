"""Finds what a form does to cases: its case blocks, at any depth of the form. Pure.

A block is an object with a case id under a key ``case``; a repeated element makes a list of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Trail = tuple[Any, str]
"""The path to a value: the trail of its parent, and its name or index there."""

ACTIONS = ("create", "update", "close", "index", "attachment")


@dataclass
class CaseAction:
    """The actions of a form on one case."""

    case_id: str
    path: str
    """JSON pointer to the first block of this case in the form."""
    is_created: bool = False
    is_updated: bool = False
    is_closed: bool = False


def case_actions(form: Any) -> list[CaseAction]:
    """Return what a form does to each case, in the order of their first blocks."""
    found: dict[str, CaseAction] = {}
    _walk(form, None, found)
    return list(found.values())


def _walk(value: Any, trail: Trail | None, found: dict[str, CaseAction]) -> None:
    """Find the case blocks in an object or a list."""
    if type(value) is list:
        for index, inner in enumerate(value):
            if type(inner) is dict or type(inner) is list:
                _walk(inner, (trail, str(index)), found)
        return
    for name, inner in value.items():
        kind = type(inner)
        if kind is dict or kind is list:
            here = (trail, name)
            if name == "case":
                if kind is dict:
                    _add(inner, here, found)
                else:
                    for index, block in enumerate(inner):
                        if type(block) is dict:
                            _add(block, (here, str(index)), found)
            _walk(inner, here, found)


def _add(block: dict[str, Any], trail: Trail, found: dict[str, CaseAction]) -> None:
    case_id = _case_id(block)
    if case_id is None:
        return
    action = found.get(case_id)
    if action is None:
        action = found[case_id] = CaseAction(case_id, _pointer(trail))
    action.is_created |= _is_filled(block.get("create"))
    action.is_updated |= _is_filled(block.get("update"))
    action.is_closed |= _is_present(block.get("close"))


def _case_id(block: dict[str, Any]) -> str | None:
    """Return a block's case id; case blocks of version 1 have no ``@`` before it."""
    case_id = block.get("@case_id")
    if case_id is None and ("date_modified" in block or any(a in block for a in ACTIONS)):
        case_id = block.get("case_id")
    return case_id if type(case_id) is str and case_id else None


def _is_filled(element: Any) -> bool:
    return type(element) is dict and bool(element)


def _is_present(element: Any) -> bool:
    """Return whether an element is present; a closing element is empty."""
    return element is not None and element is not False


def _pointer(trail: Trail | None) -> str:
    """Return a trail as a JSON pointer (RFC 6901)."""
    if trail is None:
        return ""
    before, name = trail
    return f"{_pointer(before)}/{name.replace('~', '~0').replace('/', '~1')}"
