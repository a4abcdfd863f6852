"""Errors as JSON, the same on the command line and in the REST interface but for the remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.rules.remedies import Surface, by_surface
from scout_control.rules.statuses import code

if TYPE_CHECKING:
    from scout_control.errors import ControlError


def error_document(error: ControlError, surface: Surface | None = None) -> dict[str, Any]:
    """Return the document that stands in place of a result.

    Args:
        error: The error.
        surface: Who reads it, if not a person at a shell.
    """

    def words(text: str) -> str:
        return text if surface is None else by_surface(text, surface)

    document: dict[str, Any] = {
        "code": code(error),
        "reason": error.reason,
        "message": words(error.cause),
        "remedy": words(error.remedy),
    }
    if error.details:
        document["details"] = [words(each) for each in error.details]
    return {"success": False, "error": document}
