"""Connecting an account at a source in a browser: from the start there to the way back.

Both ends are the operations of ``Access.credentials``; this keeps what lies between them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from scout_control.access import authorizations
from scout_control.credentials.oauth import AuthorizationRequest

if TYPE_CHECKING:
    from scout_control.access.access import Access
    from scout_control.api.views import Credential
    from scout_control.installation.installation import Installation

SOURCE, PROJECT, NEXT, PERSON = "source", "project", "next", "person"


@dataclass(frozen=True, kw_only=True)
class Connected:
    """An account that was connected, and where the browser goes next."""

    credential: Credential
    next_page: str


def begin(
    installation: Installation,
    access: Access,
    browser: str,
    source: str,
    *,
    project: str | None,
    redirect_uri: str,
    next_page: str,
) -> str:
    """Return where to send a browser whose person is to connect an account.

    Args:
        installation: The installation.
        access: The installation, as the person may use it.
        browser: What the browser holds: the value of its cookie.
        source: The source.
        project: The project that is to own the credential; by default the person.
        redirect_uri: Where the source sends the browser back to.
        next_page: Where it goes from there; one of our paths.

    Raises:
        SettingsError: The source cannot be connected by OAuth.
    """
    request = access.credentials.authorization_request(source, redirect_uri, project=project)
    person = access.identity.person
    fields = asdict(request) | {SOURCE: source, PROJECT: project, NEXT: next_page, PERSON: person}
    authorizations.keep(installation, browser, request.state, fields, person=person)
    return request.url


def complete(
    installation: Installation, access: Access, browser: str, redirect_url: str
) -> Connected:
    """Store the credential that a browser came back with.

    Raises:
        SettingsError: This browser did not begin this authorization.
        CredentialRefusedError: The source rejected the client or the code.
        RunFailedError: Authorization was denied.
    """
    begun = authorizations.take(installation, browser, redirect_url)
    if begun.pop(PERSON, None) != access.identity.person:
        raise authorizations.unknown()
    source, project, next_page = (begun.pop(name) for name in (SOURCE, PROJECT, NEXT))
    credential = access.credentials.complete_authorization(
        source, AuthorizationRequest(**begun), redirect_url, project=project
    )
    return Connected(credential=credential, next_page=next_page)
