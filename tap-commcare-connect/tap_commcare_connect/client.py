"""The conventions of Connect's API: paths, the API version, and error responses.

This module does not know streams.
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
OAUTH_PATH = "/o/token/"
HEADERS = {"Accept": "application/json; version=2.0"}
"""Without the version most lists are returned as CSV."""

MAX_PAGE_ROWS = 5000
DEFAULT_PAGE_ROWS = 1000
"""The server's page size if none is requested."""


def path(opportunity: int, resource: str = "") -> str:
    """Return the path of an opportunity, or of one of its lists."""
    return f"/export/opportunity/{opportunity}/" + (f"{resource}/" if resource else "")


def account_name(base_url: str) -> str:
    """Return the name of the account in messages; rate limits count per account."""
    return urlsplit(base_url).hostname or base_url


def to_error(response: ErrorResponse) -> ApiError:
    """Return the exception for an error response that a retry would not change."""
    location = response.location
    if response.status == 401:
        return CredentialRefusedError(
            f"{response.domain} refused the access token (HTTP 401).",
            "Use a new token.",
        )
    if response.status == 403:
        return ForbiddenError(
            f"The token may not read {location} (HTTP 403).",
            "Grant the scope export, as a user and not as a client alone.",
        )
    if response.status in {404, 410}:
        return NotFoundError(
            f"{location} does not exist for this account (HTTP {response.status}).",
            "The membership may have ended; rows that were read before are kept. Check base_url if"
            " it was never readable.",
        )
    if 300 <= response.status < 400:
        return NotFoundError(
            f"{location} redirects (HTTP {response.status}).",
            "Set base_url to the address of the server itself, with its scheme.",
        )
    return UnexpectedResponseError(
        f"{location} rejected the request (HTTP {response.status}).",
        "Check the settings, or check for a newer version of this tap.",
    )
