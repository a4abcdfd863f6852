"""What every endpoint says of itself in the OpenAPI document: its permission, and its errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from scout_control.rules.permissions import TABLE

EXTENSION = "x-permission"
SCOPES = {1: "read", 2: "write", 3: "sign-in"}


class Error(BaseModel):
    """What went wrong, and what to do."""

    code: str
    reason: str
    message: str
    remedy: str
    details: list[str] | None = None


class Failure(BaseModel):
    """The document of every error, as the commands print it with ``--json``."""

    success: bool = False
    error: Error


REASONS = {
    400: "The request cannot be read.",
    401: "No valid token was sent.",
    403: "The object is visible; the role or the token does not allow this.",
    404: "It does not exist, or may not be seen.",
    405: "The address does not answer this method.",
    409: "The present state does not allow this.",
    412: "It has changed since it was read: `If-Match` does not fit.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body is not JSON.",
    422: "A parameter, a field or a setting is invalid.",
    424: "The source or its server did not do what this depends on.",
    429: "Too many requests are being answered: try again later.",
    503: "The store does not answer.",
}
ALWAYS = (400, 401, 403, 404, 405, 409, 414, 422, 429, 503)
WITH_BODY = (412, 413, 415, 424)


FAILURE = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}


def offered(
    operation: str, *, name: str | None = None, changes: bool = False, is_stream: bool = False
) -> dict[str, Any]:
    """Return the arguments of a route for an operation of the table of permissions.

    Args:
        operation: A key of the table.
        name: The id of the operation here, where several endpoints have the same permission.
        changes: Whether something is sent or changed, which can fail in more ways.
        is_stream: Whether it answers with events; its errors are documents nevertheless.
    """
    statuses = sorted((*ALWAYS, *WITH_BODY)) if changes else ALWAYS
    form: dict[str, Any] = {"content": FAILURE} if is_stream else {"model": Failure}
    needs = SCOPES[TABLE[operation].scope]
    return {
        "operation_id": name or operation,
        "responses": {each: {**form, "description": REASONS[each]} for each in statuses},
        "openapi_extra": {EXTENSION: {"operation": operation, "scope": needs}},
    }
