"""Tests a credential at its source: the tap reads one record with it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.credentials import failed_tests, records, renewal, schedules
from scout_control.credentials.link_settings import check_link
from scout_control.credentials.renewal import Renewal
from scout_control.credentials.required_settings import error_for_owner
from scout_control.errors import (
    CONNECT,
    FIRST_CONNECT,
    RECONNECT,
    ControlError,
    CredentialMissingError,
    CredentialRefusedError,
    ServerError,
    ServerUnavailableError,
)
from scout_control.installation import secret_context
from scout_control.meltano import outcomes, project
from scout_control.meltano.invocation import invoke
from scout_control.meltano.process import Pipeline
from scout_control.rules import keyless
from scout_control.rules.credential_kinds import OAUTH
from scout_control.store import audit, lookups
from scout_control.store.locks import credential_lock, try_locks
from scout_control.store.models import Credential, Dataset, ProjectSource

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Container, Mapping

    from sqlalchemy.orm import Session

    from scout_control.credentials.records import Owner
    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType
    from scout_control.meltano.reports import Wait
    from scout_control.store.models import Source

TIMEOUT_SECONDS = 120
LONGEST_WAITS = {
    "max_retry_seconds": 30,
    "max_rate_limit_wait": 30,
    "read_timeout": 30,
    "connect_timeout": 10,
}
"""Settings of taps: the tap itself gives up, with its reason, before the test is ended."""
GIVING_UP = re.compile(r" \(giving up in [^)]*\)$")
TRY_LATER = "Try again later."
TEST, DISCOVER = "--test", "--discover"


def check(
    installation: Installation,
    source_name: str,
    owner: Owner,
    on_wait: Callable[[Wait], None] | None = None,
) -> None:
    """Test a stored credential; one with a refresh token is renewed, which tests it as well.

    Success makes one valid again that the source had rejected, and schedules its datasets.

    Raises:
        CredentialMissingError: There is no credential.
        CredentialRefusedError: The source rejects it.
        ControlError: The test could not be completed.
    """
    with installation.store.begin() as session:
        source = lookups.source(session, source_name)
        credential = lookups.credential(session, source.id, owner.project_id, owner.user_id)
    if credential is None:
        raise missing_error(source_name, owner)
    source_type = installation.plugins.source_type(source.source_type)
    context = secret_context.of_credential(credential, source, source_type)
    fields = installation.keyring.decrypt(credential.secrets, context)
    if credential.kind == OAUTH and fields.get("refresh_token"):
        if _renew(installation, source_name, owner, credential.id):
            _resume(installation, source, owner, credential)
        return
    with installation.store.begin() as session:
        names = audit.of_owner(source, owner.project_id, owner.user_id)
        processes = [source_type.name]
        audit.record(session, "checked", "credential", credential.id, **names, processes=processes)
    # Locked as in a run: a credential must not be renewed while a tap is using it.
    with try_locks(installation.store, credential_lock(credential.id)):
        error = test(installation, source, owner, fields, on_wait)
    if isinstance(error, CredentialRefusedError):
        with installation.store.begin() as session:
            records.invalidate(session, credential.id, error.cause)
    if error is not None:
        raise error
    _resume(installation, source, owner, credential)


def _resume(installation: Installation, source: Source, owner: Owner, tested: Credential) -> None:
    """Let runs use a credential again that its source has accepted just now."""
    if tested.is_valid:
        return
    is_renewed = tested.kind == OAUTH
    with installation.store.begin() as session:
        if records.accept(session, tested.id, None if is_renewed else tested.secrets):
            schedules.begin(session, source, owner)


def test(
    installation: Installation,
    source: Source,
    owner: Owner,
    fields: Mapping[str, str],
    on_wait: Callable[[Wait], None] | None,
) -> ControlError | None:
    """Let the tap read with these secrets; return the error, or None after success."""
    source_type = installation.plugins.source_type(source.source_type)
    with installation.store.begin() as session:
        link = _link(session, source, owner)
    settings = _settings(source_type, source, link)
    incomplete = error_for_owner(source_type, source, {*settings, *fields}, owner, link)
    if incomplete is not None:
        return incomplete  # the tap would say so, too, but not what to do about it here
    reconnect = f"{CONNECT} {quote(source.name)} {owner}"
    pipeline = _pipeline(installation, source_type, settings, fields, reconnect)
    error = _invoked(pipeline, on_wait)
    if error is None:
        return None
    if isinstance(error, CredentialRefusedError):
        return rejected_error(source.name, owner, error.cause)
    cause = f"The credential of {owner.named} for {source.name} could not be tested. {error.cause}"
    return type(error)(
        outcomes.of_a_test(cause), failed_tests.remedy(error, plugin=source_type.name)
    )


def _invoked(pipeline: Pipeline, on_wait: Callable[[Wait], None] | None) -> ControlError | None:
    """Let the tap test its settings; return the error, or None after success."""
    tell = on_wait and partial(_tell_rest, on_wait, time.monotonic() + TIMEOUT_SECONDS)
    try:
        done = invoke(pipeline, TEST, longest_seconds=TIMEOUT_SECONDS, on_wait=tell)
        # --test is an option of the Meltano SDK; other taps can only list their streams.
        if done.lacks_option:
            done = invoke(pipeline, DISCOVER, longest_seconds=TIMEOUT_SECONDS, on_wait=tell)
    except ServerError as late:
        return late
    return done.error


def _tell_rest(on_wait: Callable[[Wait], None], until: float, wait: Wait) -> None:
    """Tell a wait with the time that is left for the test: a tap tells that for each request."""
    reason = GIVING_UP.sub("", wait.reason)
    left = max(0.0, until - time.monotonic())
    on_wait(replace(wait, reason=f"{reason} (giving up in {left:.0f} s at the latest)"))


def tested(
    installation: Installation,
    source: Source,
    owner: Owner,
    kind: str,
    fields: Mapping[str, str],
    on_wait: Callable[[Wait], None] | None,
) -> dict[str, Any]:
    """Test secrets that are not stored yet; return the columns of a credential to store.

    A refresh token is tested by exchanging it, so the new tokens take its place.

    Raises:
        ControlError: The source rejects them, or the test could not be completed.
    """
    if kind == OAUTH and fields.get("refresh_token"):
        return _exchanged(installation, source, owner, fields)
    error = test(installation, source, owner, fields, on_wait)
    if error is not None:
        raise _not_stored(error)
    return {"fields": dict(fields)}


def _exchanged(
    installation: Installation, source: Source, owner: Owner, fields: Mapping[str, str]
) -> dict[str, Any]:
    client = renewal.oauth_client(source, installation.keyring, installation.plugins)
    try:
        tokens = client.refresh(fields["refresh_token"])
    except CredentialRefusedError as error:
        raise _not_stored(rejected_error(source.name, owner, error.cause)) from None
    except ControlError as error:
        raise _not_stored(error) from None
    exchanged = {
        "access_token": tokens.access_token,
        # A server that does not rotate omits it: the old one stays valid.
        "refresh_token": tokens.refresh_token or fields["refresh_token"],
    }
    return {
        "fields": exchanged,
        "token_expires_at": tokens.expires_at,
        "scopes": tokens.scopes,
    }


def _not_stored(error: ControlError) -> ControlError:
    """Return the error of a test before anything was stored."""
    remedy = error.remedy
    if not isinstance(error, CredentialRefusedError):
        remedy = f"{remedy} To store it without a test, add --no-test."
    return type(error)(f"{error.cause} Nothing was stored.", remedy)


def missing_error(source: str, owner: Owner) -> CredentialMissingError:
    """Return the error for a credential that does not exist."""
    return CredentialMissingError(
        f"No account of {owner.named} is connected for {source}.",
        f"{FIRST_CONNECT} {quote(source)} {owner}",
    )


def rejected_error(source: str, owner: Owner, why: str = "") -> CredentialRefusedError:
    """Return the error for a credential that the source rejects."""
    return CredentialRefusedError(
        f"{source} rejected the credential of {owner.named}. {why}".strip(),
        f"{RECONNECT} {quote(source)} {owner}",
    )


def _renew(installation: Installation, source: str, owner: Owner, credential_id: uuid.UUID) -> bool:
    """Renew a token; return False if nothing was asked, because a run is using it."""
    outcome = renewal.renew(
        installation.store,
        installation.keyring,
        installation.plugins,
        credential_id,
        may_be_rejected=True,
    )
    if outcome not in {Renewal.REJECTED, Renewal.FAILED}:
        return outcome is Renewal.RENEWED
    with installation.store.begin() as session:
        credential = session.get(Credential, credential_id)
    why = (credential.last_error if credential else None) or ""
    if outcome == Renewal.REJECTED:
        raise rejected_error(source, owner, why)
    raise ServerUnavailableError(f"{source} did not renew the token. {why}".strip(), TRY_LATER)


def _settings(
    source_type: SourceType, source: Source, link: ProjectSource | None
) -> dict[str, Any]:
    """Return the settings that a run of this link would have."""
    settings = secret_context.tap_settings(source, source_type)
    if link is not None:
        check_link(source_type, link)  # else it could send the secrets elsewhere
        settings |= link.sync_config
    return settings


def _pipeline(
    installation: Installation,
    source_type: SourceType,
    given: Mapping[str, Any],
    fields: Mapping[str, str],
    reconnect: str,
) -> Pipeline:
    """Return what reads a source with the settings of a run."""
    settings = dict(given)
    # What control resolves for the tap in a run, and the tap does not have.
    settings.pop(project.STREAMS_SETTING, None)
    keyless.pop_loader_settings(settings)
    settings |= shorter_waits(settings, source_type.settings)
    return Pipeline(
        project_root=installation.settings.project_root,
        blocks=(source_type.name,),
        dataset_schema="",  # a test keeps no state
        database_uri=installation.state_url,
        settings={
            source_type.variable(name): project.as_text(value) for name, value in settings.items()
        },
        secrets={source_type.variable(name): value for name, value in fields.items()},
        reconnect=reconnect,
    )


def shorter_waits(settings: Mapping[str, Any], known: Container[str]) -> dict[str, Any]:
    """Return the limits of waits for a test: those that are set, where they are lower."""
    waits: dict[str, Any] = {}
    for name, longest in LONGEST_WAITS.items():
        given = settings.get(name)
        is_lower = isinstance(given, int | float) and given < longest
        if name in known and not is_lower:
            waits[name] = longest
    return waits


def _link(session: Session, source: Source, owner: Owner) -> ProjectSource | None:
    """Return a link of the owner: a domain, for example, may be set there only."""
    links = select(ProjectSource).where(
        ProjectSource.source_id == source.id, ProjectSource.is_active
    )
    if owner.project_id is not None:
        links = links.where(ProjectSource.project_id == owner.project_id)
        return session.scalars(links).first()
    theirs = select(Dataset.project_source_id).where(Dataset.user_id == owner.user_id)
    links = links.where(ProjectSource.credential_mode == "user")
    is_theirs = ProjectSource.id.in_(theirs)  # else one that they may be about to agree to
    return session.scalars(links.order_by(is_theirs.desc(), ProjectSource.created_at)).first()
