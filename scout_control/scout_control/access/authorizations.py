"""Authorizations in progress: what a browser began, until it comes back from another server.

What is needed then is kept in the store, so it does not matter which process the browser comes back
to. It is found by the state and by what only this browser holds, once, for a few minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scout_control.credentials.oauth import unique_parameters
from scout_control.errors import BusyError, SettingsError
from scout_control.installation import secret_context
from scout_control.rules import sessions
from scout_control.store import models
from scout_control.store import sessions as stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.installation.installation import Installation


def keep(
    installation: Installation,
    browser: str,
    state: str,
    fields: Mapping[str, Any],
    *,
    person: str | None = None,
) -> None:
    """Keep what an authorization was begun with.

    Args:
        installation: The installation.
        browser: What the browser holds: the value of its cookie.
        state: What comes back with it.
        fields: What to keep, as JSON values.
        person: Who began it, if they are signed in: it ends with their access.

    Raises:
        BusyError: Too many are in progress.
    """
    now, digest = datetime.now(UTC), sessions.digest(state)
    context = secret_context.of_authorization(digest)
    row = models.Authorization(
        state_hash=digest,
        browser_hash=sessions.digest(browser),
        person_id=person,
        secrets=installation.keyring.encrypt(fields, context),
        expires_at=now + sessions.AUTHORIZATION_EXPIRY,
    )
    with installation.store.begin() as session:
        if not stored.keep_authorization(session, row, now):
            raise BusyError("Too many sign-ins are in progress.", "Try again in ten minutes.")


def take(installation: Installation, browser: str, redirect_url: str) -> dict[str, Any]:
    """Return what the authorization was begun with that a redirect belongs to; it is used up.

    Raises:
        SettingsError: This browser began none such, it has expired, or it was completed before.
    """
    state = (unique_parameters(redirect_url) or {}).get("state", "")
    with installation.store.begin() as session:
        found = stored.take_authorization(session, state, browser, datetime.now(UTC))
    if found is None:
        raise unknown()
    context = secret_context.of_authorization(sessions.digest(state))
    return installation.keyring.decrypt(found, context)


def unknown() -> SettingsError:
    """Return the error for a redirect that belongs to nothing in progress here."""
    return SettingsError(
        "This browser began no such authorization, or it has expired or is complete.",
        f"Begin again, and finish within {sessions.AUTHORIZATION_EXPIRY.seconds // 60} minutes.",
    )
