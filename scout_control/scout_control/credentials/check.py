"""Tests a credential at its source: the tap reads one record with it."""

from __future__ import annotations

import subprocess
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.credentials import records, renewal
from scout_control.credentials.renewal import Renewal
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
    import uuid
    from collections.abc import Mapping

    from scout_control.credentials.records import Owner
    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType

TIMEOUT_SECONDS = 120
UNKNOWN_OPTION, RATE_LIMITED, REJECTED = 2, 75, 77


def check(installation: Installation, source_name: str, owner: Owner) -> None:
    """Test a credential; one with a refresh token is renewed, which tests it as well.

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
        _renew(installation, source_name, owner, credential.id)
        return
    with installation.store.begin() as session:
        names = audit.of_owner(source, owner.project_id, owner.user_id)
        processes = [source_type.name]
        audit.record(session, "checked", "credential", credential.id, **names, processes=processes)
    # Locked as in a run: a credential must not be renewed while a tap is using it.
    with try_locks(installation.store, credential_lock(credential.id)):
        settings = secret_context.tap_settings(source, source_type)
        exit_code = _run_tap(installation, source_type, settings, fields)
    if exit_code == REJECTED:
        with installation.store.begin() as session:
            records.invalidate(session, credential.id, "The source rejected the credential.")
        raise rejected_error(source_name, owner)
    if exit_code == RATE_LIMITED:
        raise RunPausedError(f"{source_name} is rate-limited.", "Try again later.")
    if exit_code:
        raise RunFailedError(
            f"{source_type.name} could not read from {source_name} (exit code {exit_code}).",
            f"Run the tap alone to see why: meltano invoke {source_type.name} --test",
        )


def missing_error(source: str, owner: Owner) -> CredentialMissingError:
    """Return the error for a credential that does not exist."""
    return CredentialMissingError(
        f"No account is connected for {source} {owner}.",
        f"{FIRST_CONNECT} {quote(source)} {owner}",
    )


def rejected_error(source: str, owner: Owner) -> CredentialRefusedError:
    """Return the error for a credential that the source rejects."""
    return CredentialRefusedError(
        f"{source} rejected the credential of {owner}.",
        f"{RECONNECT} {quote(source)} {owner}",
    )


def _renew(installation: Installation, source: str, owner: Owner, credential_id: uuid.UUID) -> None:
    outcome = renewal.renew(
        installation.store, installation.keyring, installation.plugins, credential_id
    )
    if outcome == Renewal.REJECTED:
        raise rejected_error(source, owner)
    if outcome == Renewal.FAILED:
        raise ServerError(f"{source} did not renew the token.", "Try again later.")


def _run_tap(
    installation: Installation,
    source_type: SourceType,
    settings: Mapping[str, object],
    fields: Mapping[str, str],
) -> int:
    """Run the tap with --test, or --discover if it has no --test; return its exit code."""
    tap_settings = dict(settings)
    # Settings that control resolves in a run, and that the tap itself does not have.
    tap_settings.pop(project.STREAMS_SETTING, None)
    keyless.pop_loader_settings(tap_settings)
    pipeline = Pipeline(
        project_root=installation.settings.project_root,
        blocks=(source_type.name,),
        dataset_schema="",  # a test keeps no state
        database_uri=installation.state_url,
        settings={
            source_type.variable(name): project.as_text(value)
            for name, value in tap_settings.items()
        },
        secrets={source_type.variable(name): value for name, value in fields.items()},
    )
    done = _invoke(pipeline, "--test")
    # --test is an option of the Meltano SDK; other taps can only list their streams.
    if done.returncode == UNKNOWN_OPTION and "--test" in done.stdout:
        done = _invoke(pipeline, "--discover")
    return done.returncode


def _invoke(pipeline: Pipeline, option: str) -> subprocess.CompletedProcess[str]:
    try:
        return process.invoke(pipeline, option, longest_seconds=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ServerError(
            f"{pipeline.blocks[0]} did not finish within {TIMEOUT_SECONDS} seconds.",
            "Try again later.",
        ) from None
