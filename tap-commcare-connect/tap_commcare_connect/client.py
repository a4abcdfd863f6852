"""What is particular to CommCare Connect: addresses, versions, and words for what it refuses.

It knows no stream.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tap_common.client import Refusal
from tap_common.errors import (
    ApiError,
    ForbiddenError,
    LoginRefusedError,
    MissingError,
    ShapeError,
)

EVERYTHING = "/export/opp_org_program_list/"
TOKEN = "/o/token/"  # noqa: S105 - a path
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


def explain(refusal: Refusal) -> ApiError:
    """Return the error for an answer of Connect that is neither data nor a passing failure."""
    where = refusal.where
    if refusal.status == 401:
        return LoginRefusedError(
            f"{refusal.domain} refused the access token (HTTP 401).",
            "Give a new token.",
        )
    if refusal.status == 403:
        return ForbiddenError(
            f"The token may not read {where} (HTTP 403).",
            "Grant the scope export, as a user and not as a client alone.",
        )
    if refusal.status in {404, 410}:
        return MissingError(
            f"{where} is not there for this account (HTTP {refusal.status}).",
            "The membership may have ended: nothing that was read before is removed. Check"
            " base_url if it was never read.",
        )
    if 300 <= refusal.status < 400:
        return MissingError(
            f"{where} answered with a redirect (HTTP {refusal.status}).",
            "Set base_url to the address of the server itself, with its scheme.",
        )
    return ShapeError(
        f"{where} refused the request (HTTP {refusal.status}).",
        "Check the settings; otherwise look for a newer version of this tap.",
    )
