"""Errors as JSON, the same on the command line and in the REST interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.rules.statuses import code

if TYPE_CHECKING:
    from scout_control.errors import ControlError


def error_document(error: ControlError) -> dict[str, Any]:
    """Return the document that stands in place of a result."""
    document: dict[str, Any] = {
        "code": code(error),
        "reason": error.reason,
        "message": error.cause,
        "remedy": error.remedy,
    }
    if error.details:
        document["details"] = list(error.details)
    return {"success": False, "error": document}
