"""Signing in at the OpenID Connect provider of the installation."""

from __future__ import annotations

import logging
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from scout_control.access import authorizations, sign_in
from scout_control.access.attempts import Attempts
from scout_control.api.changes import check_name
from scout_control.credentials import provider
from scout_control.credentials.provider import Provider, SignInRequest, failed
from scout_control.errors import NotFoundError, NotSignedInError, SettingsError
from scout_control.rules.identifiers import MAX_LENGTH
from scout_control.store import audit, models, people

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from scout_control.access.sign_in import BrowserSession
    from scout_control.installation.installation import Installation
    from scout_control.installation.openid_settings import OpenIDSettings

log = logging.getLogger(__name__)
NEXT = "next"
LIMITS: Mapping[str, Any] = {
    "of_address": 60,
    "in_total": 900,
    "told": "Too many sign-ins were begun.",
}
_begun: WeakKeyDictionary[Installation, Attempts] = WeakKeyDictionary()


def begin(installation: Installation, browser: str, redirect_uri: str, next_page: str) -> str:
    """Return where to send a browser that is to be signed in.

    Args:
        installation: The installation.
        browser: What the browser holds: the value of its cookie.
        redirect_uri: Where the provider sends it back to.
        next_page: Where it goes from there; one of our paths.

    Raises:
        NotFoundError: The installation has no provider.
        TooManyAttemptsError: Too many sign-ins were begun: each is kept for ten minutes.
        ServerUnavailableError: The provider does not answer.
    """
    _begun.setdefault(installation, Attempts(**LIMITS)).admit()
    request = _provider(installation).authorization_request(redirect_uri)
    authorizations.keep(installation, browser, request.state, asdict(request) | {NEXT: next_page})
    return request.url


def complete(
    installation: Installation, browser: str, redirect_url: str
) -> tuple[BrowserSession, str]:
    """Begin a session for a browser that the provider sent back; return it and the next page.

    Raises:
        NotSignedInError: The provider did not sign them in, or they are no person here.
        SettingsError: This browser did not begin this sign-in.
    """
    begun = authorizations.take(installation, browser, redirect_url)
    next_page = begun.pop(NEXT, None)
    if next_page is None:
        raise failed("The response belongs to something else")
    identity_provider = _provider(installation)
    claims = identity_provider.complete(SignInRequest(**begun), redirect_url)
    with installation.store.begin() as session:
        person_id = _person(session, identity_provider.settings, claims)
        return sign_in.as_person(session, person_id), next_page


def _provider(installation: Installation) -> Provider:
    settings = installation.settings.openid
    if settings is None:
        raise NotFoundError("No provider signs people in here.", "Sign in with a token.")
    return provider.of(settings)


def _person(session: Session, settings: OpenIDSettings, claims: dict[str, Any]) -> str:
    subject = claims.get(settings.subject_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_LENGTH:
        raise failed(f"The provider gave no claim {settings.subject_claim}")
    found = people.find_subject(session, settings.issuer, subject)
    if found is not None:
        return found.id
    if settings.new_person_claim is None:
        raise _unknown(settings, subject)
    return _add(session, settings, claims, subject)


def _unknown(settings: OpenIDSettings, subject: str) -> NotSignedInError:
    options = f"--issuer {quote(settings.issuer)} --subject {quote(subject)}"
    return NotSignedInError(
        "The provider knows you, and this installation does not.",
        f"Ask an operator to add you: scout people add ID {options}",
    )


def _add(session: Session, settings: OpenIDSettings, claims: dict[str, Any], subject: str) -> str:
    """Add a person who signs in for the first time.

    The data of the user with an id belongs to the person with that id: so one that is taken, or
    under which there is anything, is given by an operator only.
    """
    claim = str(settings.new_person_claim)
    person_id = claims.get(claim)
    try:
        check_name(person_id if isinstance(person_id, str) else "", "Your id", is_id=True)
    except SettingsError:
        raise failed(f"The claim {claim} of the provider cannot be the id of a person") from None
    person_id = str(person_id)
    is_taken = session.get(models.Person, person_id) is not None
    if is_taken or any(people.belongings(session, person_id)):
        raise _unknown(settings, subject)
    name = claims.get("name")
    is_name = isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_LENGTH
    row = models.Person(
        id=person_id,
        name=name if is_name else person_id,
        roles=[],
        issuer=settings.issuer,
        subject=subject,
        created_by=person_id,
    )
    session.add(row)
    with audit.acting_as(person_id):
        audit.record(session, "added", "person", person_id, user=person_id, by="provider")
    session.flush()
    return person_id
