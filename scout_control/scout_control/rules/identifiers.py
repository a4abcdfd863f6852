"""The form of the ids and names that people choose for projects, sources and connections.

Checked only when something is created: what exists stays valid.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LENGTH = 255


# What a name must not be, and the rest of the sentence that says so; the first match is reported.
RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name.strip(), "be empty"),
    (lambda name: "/" in name, "contain a slash, which separates project, source and user"),
    (
        lambda name: not name.isprintable(),
        "contain line breaks, control characters or invisible characters",
    ),
    (lambda name: name != name.strip(), "begin or end with a space"),
    (
        lambda name: name.startswith("-"),
        "begin with a hyphen: commands would take it for an option",
    ),
    (lambda name: len(name) > MAX_LENGTH, f"be longer than {MAX_LENGTH} characters"),
)


def find_error(name: str, what: str, *, is_id: bool = False) -> str | None:
    """Return what is wrong with a new name, or None.

    Args:
        name: The name.
        what: What it names, as messages call it.
        is_id: Whether objects are found by this alone; otherwise it must not look like a UUID,
            which commands would take for the id of an object.
    """
    for is_wrong, rest in RULES:
        if is_wrong(name):
            return f"{what} must not {rest}."
    if not is_id and _is_uuid(name):
        return f"{what} must not be a UUID, which commands would take for an id."
    return None


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
