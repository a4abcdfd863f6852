"""What is particular to CommCare Connect: addresses, versions, and words for what it refuses.

It knows no stream.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tap_common.client import ErrorResponse
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    ForbiddenError,
    NotFoundError,
    UnexpectedResponseError,
)

ACCOUNT_INDEX_PATH = "/export/opp_org_program_list/"
TOKEN_PATH = "/o/token/"  # noqa: S105 - a path
HEADERS = {"Accept": "application/json; version=2.0"}
"""Without the version most lists answer in CSV."""

LARGEST_PAGE = 5000
USUAL_PAGE = 1000
"""What the server gives when nobody asks for a size."""


def path(opportunity: int, resource: str = "") -> str:
    """Return the path of an opportunity, or of one of its lists."""
    return f"/export/opportunity/{opportunity}/" + (f"{resource}/" if resource else "")


def account(base_url: str) -> str:
    """Return by what name throttling and refusals are told."""
    return urlsplit(base_url).hostname or base_url


def explain(refusal: ErrorResponse) -> ApiError:
    """Return the error for an answer of Connect that is neither data nor a passing failure."""
    where = refusal.where
    if refusal.status == 401:
        return CredentialRefusedError(
            f"{refusal.domain} refused the access token (HTTP 401).",
            "Give a new token.",
        )
    if refusal.status == 403:
        return ForbiddenError(
            f"The token may not read {where} (HTTP 403).",
            "Grant the scope export, as a user and not as a client alone.",
        )
    if refusal.status in {404, 410}:
        return NotFoundError(
            f"{where} is not there for this account (HTTP {refusal.status}).",
            "The membership may have ended: nothing that was read before is removed. Check"
            " base_url if it was never read.",
        )
    if 300 <= refusal.status < 400:
        return NotFoundError(
            f"{where} answered with a redirect (HTTP {refusal.status}).",
            "Set base_url to the address of the server itself, with its scheme.",
        )
    return UnexpectedResponseError(
        f"{where} refused the request (HTTP {refusal.status}).",
        "Check the settings; otherwise look for a newer version of this tap.",
    )
