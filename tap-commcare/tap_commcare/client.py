"""The conventions of CommCare HQ's APIs: paths, links to the next page, and error responses.

This module does not know about streams.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit

from tap_common.client import ErrorResponse
from tap_common.errors import (
    ApiDisabledError,
    ApiError,
    CredentialRefusedError,
    ForbiddenError,
    NotFoundError,
    RequestRejectedError,
    UnexpectedResponseError,
)

VERSION = re.compile(r"v\d+(\.\d+)?")

# Texts in a 401 response (403 in older releases) that mean that no credential would be accepted.
API_DISABLED = (
    ("subscription", "The plan of {domain} does not include API access.",
     "Ask the owner of the project space to change the subscription."),
    ("cut off", "API access of {domain} was cut off after too many requests.",
     "Ask Dimagi's support to restore it."),
)  # fmt: skip


def to_error(response: ErrorResponse) -> ApiError:
    """Return the exception for an error response that a retry would not change."""
    domain, location = response.domain, response.location
    if response.status in {401, 403} and (disabled := _api_disabled(response)) is not None:
        return disabled
    if response.status == 401:
        return _unauthorized(response)
    if response.status == 403:
        return ForbiddenError(
            f"The account may not read {location} (HTTP 403).",
            f"An administrator of {domain} must give its role Access APIs and the permission for"
            " this data. If all streams fail this way, the account is not a member of this project"
            " space, or the setting domain is misspelt.",
        )
    if response.status in {404, 410}:
        older = (
            " For a server without this API, set case_api to v1." if "/case/v2" in location else ""
        )
        return NotFoundError(
            f"{location} does not exist (HTTP {response.status}).",
            f"Check base_url and the domain {domain}.{older}",
        )
    if 300 <= response.status < 400:
        return NotFoundError(
            f"{location} redirects (HTTP {response.status}).",
            "Set base_url to the address of the server itself.",
        )
    return RequestRejectedError(
        f"{location} rejected the request (HTTP {response.status}).",
        "Check the settings, or check for a newer version of this tap.",
    )


def _api_disabled(response: ErrorResponse) -> ApiError | None:
    text = response.text.lower()
    for words, cause, remedy in API_DISABLED:
        if words in text:
            return ApiDisabledError(cause.format(domain=response.domain), remedy)
    return None


def _unauthorized(response: ErrorResponse) -> ApiError:
    # HQ responds with 401 and these words if the account may not read the resource. Another
    # credential would not help, and other streams of the domain may be readable.
    if "not authorized" in response.text.lower():
        return ForbiddenError(
            f"The account may not read {response.location} (HTTP 401).",
            f"Check the spelling of the setting domain, now {response.domain}, and the account's"
            " membership and permissions there.",
        )
    host = urlsplit(response.url).hostname
    return CredentialRefusedError(
        f"{host} refused the credential for {response.domain} (HTTP 401).",
        "Check the user name and the key, its expiry, its domain and its allowed addresses.",
    )


def path(domain: str, resource: str) -> str:
    """Return the path of a resource, such as ``case/v2``."""
    return f"/a/{quote(domain, safe='')}/api/{resource}/"


def next_path(link: object, requested: str) -> str | None:
    """Return path and query of the next page; None after the last page.

    Only the query of the link is used, so that no link can send the credential to another host.

    Args:
        link: The value of ``next`` in the page: an absolute URL, a path, a bare query, or an object
            with a cursor. It is missing, null or empty on the last page.
        requested: Path and query of this page.

    Raises:
        UnexpectedResponseError: It is not a link, or points to another list or to the same page.
    """
    if link is None or link == "":
        return None
    if isinstance(link, dict) and isinstance(link.get("cursor"), str):
        link = "?cursor=" + quote(link["cursor"], safe="")
    if not isinstance(link, str):
        raise UnexpectedResponseError("its next page is not a link.")
    try:
        parts = urlsplit(urljoin("http://host" + requested, link))
    except ValueError:
        raise UnexpectedResponseError("its next page is not a link.") from None
    here = urlsplit(requested)
    is_link = parts.scheme in {"http", "https"} and bool(parts.query)
    if not is_link or _resource(parts.path) != _resource(here.path):
        raise UnexpectedResponseError("its next page is not a page of this list.")
    following = f"{here.path}?{parts.query}"
    if following == requested:
        raise UnexpectedResponseError("its next page is itself.")
    return following


def stored_page(address: object, first: str) -> str:
    """Return a page address from the state; check that it is in the same list as ``first``.

    An edited state could otherwise make the tap read another domain that the credential can access.

    Raises:
        UnexpectedResponseError: The address is not in that list.
    """
    text = str(address)
    if not text.startswith(urlsplit(first).path + "?"):
        raise UnexpectedResponseError("the stored page belongs to another list.")
    return text


def check_domain(found: object, domain: str) -> None:
    """Raise UnexpectedResponseError if a row is from another domain than was requested."""
    if found is not None and found != domain:
        raise UnexpectedResponseError(f"it contains data of another project space than {domain}.")


def _resource(url_path: str) -> tuple[str, ...]:
    """Return the resource that a path names, without the host's prefix and the API version."""
    segments = url_path.rpartition("/api/")[2].split("/")
    return tuple(part for part in segments if part and not VERSION.fullmatch(part))
