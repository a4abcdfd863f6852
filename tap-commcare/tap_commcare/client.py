"""What is particular to CommCare HQ: addresses, limits, and words for what it refuses.

It knows no stream.
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

# The server's own words for a 401, in older releases 403, that no other credential would change.
CLOSED = (
    ("subscription", "The plan of {domain} does not include API access.",
     "Ask the owner of the project space to change the subscription."),
    ("cut off", "API access of {domain} was cut off after too many requests.",
     "Ask Dimagi's support to open it again."),
)  # fmt: skip


def explain(refusal: ErrorResponse) -> ApiError:
    """Return the error for an answer of HQ that is neither data nor a passing failure."""
    domain, where = refusal.domain, refusal.where
    if refusal.status in {401, 403} and (closed := _closed(refusal)) is not None:
        return closed
    if refusal.status == 401:
        return _explain_401(refusal)
    if refusal.status == 403:
        return ForbiddenError(
            f"The account may not read {where} (HTTP 403).",
            f"An administrator of {domain} must give its role Access APIs and the permission for"
            " this data. If all streams fail so, the account is no member of this project space,"
            " or the setting domain is misspelt.",
        )
    if refusal.status in {404, 410}:
        older = " For a server without this API set case_api to v1." if "/case/v2" in where else ""
        return NotFoundError(
            f"{where} does not exist (HTTP {refusal.status}).",
            f"Check base_url and the domain {domain}.{older}",
        )
    if 300 <= refusal.status < 400:
        return NotFoundError(
            f"{where} answered with a redirect (HTTP {refusal.status}).",
            "Set base_url to the address of the server itself.",
        )
    return RequestRejectedError(
        f"{where} refused the request (HTTP {refusal.status}).",
        "Check the settings; otherwise look for a newer version of this tap.",
    )


def _closed(refusal: ErrorResponse) -> ApiError | None:
    said = refusal.error.lower()
    for words, cause, remedy in CLOSED:
        if words in said:
            return ApiDisabledError(cause.format(domain=refusal.domain), remedy)
    return None


def _explain_401(refusal: ErrorResponse) -> ApiError:
    if "not authorized" in refusal.error.lower():
        return ForbiddenError(
            f"The account may not read {refusal.where} (HTTP 401).",
            f"Check the spelling of the setting domain, now {refusal.domain}, and the account's"
            " membership and permissions there.",
        )
    return CredentialRefusedError(
        f"{urlsplit(refusal.url).hostname} refused the credential for {refusal.domain} (HTTP 401).",
        "Check the user name and the key, its expiry, its domain and its allowed addresses.",
    )


def path(domain: str, resource: str) -> str:
    """Return the path of a resource, such as ``case/v2``."""
    return f"/a/{quote(domain, safe='')}/api/{resource}/"


def next_path(link: object, asked: str) -> str | None:
    """Return path and query of the next page; None after the last.

    Args:
        link: What the page calls ``next``: an absolute URL, a path, a bare query, an object with
            a cursor; nothing or null at the end.
        asked: Path and query of the page itself.

    Raises:
        ShapeError: It cannot be followed, or leads out of the list or to the same page.
    """
    if link is None or link == "":
        return None
    if isinstance(link, dict) and isinstance(link.get("cursor"), str):
        link = "?cursor=" + quote(link["cursor"], safe="")
    if not isinstance(link, str):
        raise UnexpectedResponseError("its next page is no link.")
    try:
        parts = urlsplit(urljoin("http://host" + asked, link))
    except ValueError:
        raise UnexpectedResponseError("its next page is no link.") from None
    here = urlsplit(asked)
    is_link = parts.scheme in {"http", "https"} and bool(parts.query)
    if not is_link or _resource(parts.path) != _resource(here.path):
        raise UnexpectedResponseError("its next page is no page of this list.")
    following = f"{here.path}?{parts.query}"
    if following == asked:
        raise UnexpectedResponseError("its next page is itself.")
    return following


def place(held: object, first: str) -> str:
    """Return the address of a page that a state holds, if it is a page of this list.

    The credential may reach other project spaces than the one that the state is of.

    Raises:
        ShapeError: It is the address of something else.
    """
    asked = str(held)
    if not asked.startswith(urlsplit(first).path + "?"):
        raise UnexpectedResponseError("the place is in another list.")
    return asked


def _resource(path: str) -> tuple[str, ...]:
    """Return what a path is about, by whatever address and version of the API it is reached."""
    segments = path.rpartition("/api/")[2].split("/")
    return tuple(part for part in segments if part and not VERSION.fullmatch(part))


def check_domain(found: object, domain: str) -> None:
    """Raise UnexpectedResponseError for a row of another domain: what was asked for was ignored."""
    if found is not None and found != domain:
        raise UnexpectedResponseError(f"it holds data of another project space than {domain}.")
