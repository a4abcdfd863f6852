"""What the end of a run means: from exit codes to the kinds of failure of ``errors``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.errors import (
    CredentialRefusedError,
    DataRefusedError,
    RunError,
    RunFailedError,
    RunPausedError,
    SettingsError,
)
from scout_control.rules.meltano_log import EXTRACTOR, LOADER

if TYPE_CHECKING:
    from scout_control.errors import ControlError
    from scout_control.rules.meltano_log import RunLog

KINDS: dict[int, type[ControlError]] = {
    2: SettingsError,
    65: DataRefusedError,
    75: RunPausedError,
    77: CredentialRefusedError,
}
KEPT = "What was committed is kept."
REMEDIES: dict[type[ControlError], str] = {
    SettingsError: "Nothing was loaded. Correct the setting, then run again.",
    DataRefusedError: "Correct the data, or set on_invalid_record to reject; then run again.",
    RunPausedError: "What was committed is kept. Run again at {resume_at}: it goes on from there.",
    CredentialRefusedError: (
        "What was committed is kept. "
        "A person must reconnect: scout credentials connect; then run again."
    ),
    RunFailedError: "What was committed is kept. Run again: it goes on from there.",
}


def failure(log: RunLog, returncode: int = 1) -> ControlError:
    """Return the error that a failed run amounts to; the return code is Meltano's own.

    The extractor's code is looked at first, because a loader fails in its wake and not the other
    way round: Meltano reports an extractor that lost its reader as ended well.
    """
    failed = [kind for kind in (EXTRACTOR, LOADER) if log.exit_codes.get(kind)]
    kind = failed[0] if failed else EXTRACTOR
    error = KINDS.get(log.exit_codes.get(kind, 0), RunFailedError)
    if error is RunPausedError and log.resume_at:
        return error(f"The source asks to wait until {log.resume_at}.", KEPT)
    if told := log.said(kind):  # the plugin's words end with what to do, but know no command
        return error(told, REMEDIES[error] if error is CredentialRefusedError else KEPT)
    remedy = REMEDIES.get(error, REMEDIES[RunFailedError])
    if returncode < 0:
        return RunFailedError(f"Meltano was killed by signal {-returncode}.", remedy)
    return error(_plain_cause(log, kind), remedy.format(resume_at=log.resume_at or "a later time"))


def transform_failure(log: RunLog) -> RunError:
    """Return the error of a run whose data is loaded and whose models failed."""
    return RunFailedError(
        f"The data is loaded, but dbt failed: {log.transform_error}",
        "Correct the model that dbt names, then run again.",
    )


def _plain_cause(log: RunLog, kind: str) -> str:
    code = log.exit_codes.get(kind)
    who = {EXTRACTOR: "The extractor", LOADER: "The loader"}[kind]
    if code is None:
        return log.complaint or "Meltano ended without saying why."
    if code < 0:
        return f"{who} was killed by signal {-code}."
    return f"{who} ended with exit code {code}."
