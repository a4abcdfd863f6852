"""What the end of a run means: from exit codes to the kinds of failure of ``errors``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scout_control.errors import (
    RECONNECT,
    CredentialRefusedError,
    DataRefusedError,
    RunError,
    RunFailedError,
    RunPausedError,
    SettingsError,
)
from scout_control.meltano.log import EXTRACTOR, LOADER

if TYPE_CHECKING:
    from scout_control.errors import ControlError
    from scout_control.meltano.log import RunLog

KINDS: dict[int, type[ControlError]] = {
    2: SettingsError,
    65: DataRefusedError,
    75: RunPausedError,
    77: CredentialRefusedError,
}
KEPT = "What was committed is kept."
KILLED = 128  # what a shell, and parent_death, add to the number of a signal
# What Meltano says when its own tables fail it is SQLAlchemy's text, which may quote an address.
OF_A_DATABASE = re.compile(
    r"^\((?:psycopg2?|sqlite3)\.(?:errors\.)?(?P<kind>\w+)\)"
    r"|^This Session's transaction|^Can't reconnect until|^QueuePool limit"
)
LOST_DATABASE = frozenset(
    {
        "OperationalError",
        "InterfaceError",
        "DatabaseError",
        "AdminShutdown",
        "CrashShutdown",
        "CannotConnectNow",
        "ConnectionFailure",
        "ConnectionDoesNotExist",
        "TooManyConnections",
    }
)
NOT_REACHABLE = "The database of the store was not reachable, so Meltano could not go on."
REMEDIES: dict[type[ControlError], str] = {
    SettingsError: "Nothing was loaded. Correct the setting, then run again.",
    DataRefusedError: "Correct the data, or set on_invalid_record to reject; then run again.",
    RunPausedError: "What was committed is kept. Run again at {resume_at}: it goes on from there.",
    CredentialRefusedError: f"What was committed is kept. {RECONNECT}; then run again.",
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
    if not failed and (signal := _signal(returncode)):
        return RunFailedError(f"Meltano was killed by signal {signal}.", remedy)
    return error(_plain_cause(log, kind), remedy.format(resume_at=log.resume_at or "a later time"))


def is_partial(log: RunLog, error: ControlError) -> bool:
    """Tell whether a run that failed has brought some of its streams home whole.

    Only what the loader ended well is home. A login that was refused needs a person, whatever came
    before.
    """
    is_loaded = not log.exit_codes.get(LOADER)
    return (
        is_loaded
        and bool(log.exit_codes.get(EXTRACTOR))
        and {"completed", "failed"} <= set(log.streams.values())
        and not isinstance(error, CredentialRefusedError)
    )


def transform_failure(log: RunLog) -> RunError:
    """Return the error of a run whose data is loaded and whose models failed."""
    why = in_plain_words(log.transform_error or "")
    return RunFailedError(
        f"The data is loaded, but dbt failed: {why.rstrip('.')}.",
        "Correct the model that dbt names, then run again.",
    )


def in_plain_words(complaint: str) -> str:
    """Say what Meltano complains of; where that is its database, without SQLAlchemy's words."""
    found = OF_A_DATABASE.match(complaint)
    if found is None:
        return complaint
    kind = found["kind"]
    if kind is None or kind in LOST_DATABASE:
        return NOT_REACHABLE
    return f"The database of the store refused Meltano's own tables ({kind}); see: scout doctor."


def _signal(returncode: int) -> int:
    """Return which signal ended a process, as it or its shell tells; 0 when none did."""
    return -returncode if returncode < 0 else max(0, returncode - KILLED)


def _plain_cause(log: RunLog, kind: str) -> str:
    code = log.exit_codes.get(kind)
    who = {EXTRACTOR: "The extractor", LOADER: "The loader"}[kind]
    if code is None:
        return in_plain_words(log.complaint or "Meltano ended without saying why.")
    if code < 0:
        return f"{who} was killed by signal {-code}."
    return f"{who} ended with exit code {code}."
