"""Tries a login at its source, by letting the tap read one record with it."""

from __future__ import annotations

import subprocess
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.credentials import records, renewal
from scout_control.errors import (
    FIRST_CONNECT,
    RECONNECT,
    CredentialMissingError,
    CredentialRefusedError,
    RunFailedError,
    RunPausedError,
    ServerError,
)
from scout_control.installation import secret_context
from scout_control.meltano import process, project
from scout_control.meltano.process import Pipeline
from scout_control.rules import keyless
from scout_control.rules.credential_kinds import OAUTH
from scout_control.store import audit, lookups
from scout_control.store.locks import credential_lock, try_locks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.credentials.records import Owner
    from scout_control.installation.installation import Site
    from scout_control.meltano.project import SourceType

LONGEST_CHECK_SECONDS = 120
UNKNOWN_OPTION, PAUSED, REFUSED = 2, 75, 77


def check(site: Site, source: str, owner: Owner) -> None:
    """Try a login; one that rotates is renewed, which tries it too.

    Raises:
        CredentialMissingError: There is none.
        CredentialRefusedError: The source refuses it.
        ControlError: The source cannot be asked.
    """
    with site.store.begin() as session:
        found = lookups.source(session, source)
        credential = lookups.credential(session, found.id, owner.project_id, owner.user_id)
    if credential is None:
        raise missing(source, owner)
    source_type = site.plugins.source_type(found.source_type)
    context = secret_context.of_credential(credential, found, source_type)
    fields = site.keyring.decrypt(credential.secrets, context)
    if credential.kind == OAUTH and fields.get("refresh_token"):
        _renew(site, source, owner, credential.id)
        return
    with site.store.begin() as session:
        names = audit.of_owner(found, owner.project_id, owner.user_id)
        processes = [source_type.name]
        audit.record(session, "checked", "credential", credential.id, **names, processes=processes)
    with try_locks(site.store, credential_lock(credential.id)):
        code = _try(site, source_type, secret_context.settings_of(found, source_type), fields)
    if code == REFUSED:
        with site.store.begin() as session:
            records.refuse(session, credential.id, "The source refuses the login.")
        raise refused(source, owner)
    if code == PAUSED:
        raise RunPausedError(f"{source} asks to wait.", "Try again later.")
    if code:
        raise RunFailedError(
            f"{source_type.name} could not read from {source} (exit code {code}).",
            f"Try it by itself: meltano invoke {source_type.name} --test",
        )


def missing(source: str, owner: Owner) -> CredentialMissingError:
    """Return the error of a login that is not there."""
    return CredentialMissingError(
        f"No account is connected for {source} {owner}.",
        f"{FIRST_CONNECT} {quote(source)} {owner}",
    )


def refused(source: str, owner: Owner) -> CredentialRefusedError:
    """Return the error of a login that the source refuses."""
    return CredentialRefusedError(
        f"{source} refuses the login of {owner}.",
        f"{RECONNECT} {quote(source)} {owner}",
    )


def _renew(site: Site, source: str, owner: Owner, credential_id: object) -> None:
    outcome = renewal.renew(site.store, site.keyring, site.plugins, credential_id)  # type: ignore[arg-type]  # an id
    if outcome == "refused":
        raise refused(source, owner)
    if outcome == "failed":
        raise ServerError(f"{source} did not renew the login.", "Try again later.")


def _try(
    site: Site,
    source_type: SourceType,
    settings: Mapping[str, object],
    fields: Mapping[str, str],
) -> int:
    """Let the tap read a record; one that knows no ``--test`` lists its streams."""
    told = dict(settings)
    told.pop(project.STREAMS_SETTING, None)
    keyless.pop_loader_settings(told)
    pipeline = Pipeline(
        project_root=site.settings.project_root,
        blocks=(source_type.name,),
        dataset_schema="",  # a tap that is tried keeps no state
        database_uri=site.state_url,
        settings={
            source_type.variable(name): project.as_text(value) for name, value in told.items()
        },
        secrets={source_type.variable(name): value for name, value in fields.items()},
    )
    done = _invoke(pipeline, "--test")
    if done.returncode == UNKNOWN_OPTION and "--test" in done.stdout:
        done = _invoke(pipeline, "--discover")
    return done.returncode


def _invoke(pipeline: Pipeline, option: str) -> subprocess.CompletedProcess[str]:
    try:
        return process.invoke(pipeline, option, longest_seconds=LONGEST_CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        raise ServerError(
            f"{pipeline.blocks[0]} gave no answer within {LONGEST_CHECK_SECONDS} seconds.",
            "Try again later.",
        ) from None
