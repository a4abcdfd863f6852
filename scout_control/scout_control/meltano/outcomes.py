"""Translates exit codes and log lines into the errors of ``errors``."""

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
KEPT = "Committed rows are kept."
KILLED = 128  # what a shell, and parent_death, add to the number of a signal
LAST_SIGNAL = 64
# When its own tables fail, Meltano logs the text of SQLAlchemy, which may quote an address.
DATABASE_ERROR = re.compile(
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
NOT_REACHABLE = "The store's database could not be reached, so Meltano stopped."
REMEDIES: dict[type[ControlError], str] = {
    SettingsError: "Nothing was loaded. Correct the setting, then run again.",
    DataRefusedError: "Correct the data, or set on_invalid_record to reject; then run again.",
    RunPausedError: "Committed rows are kept. Run again at {resume_at} to resume.",
    CredentialRefusedError: f"Committed rows are kept. {RECONNECT}; then run again.",
    RunFailedError: "Committed rows are kept. Run again to resume.",
}


def failure(log: RunLog, returncode: int = 1) -> ControlError:
    """Return the error of a failed run.

    The exit code of the extractor decides before that of the loader: a loader fails in the wake of
    its extractor, but Meltano reports an extractor whose loader failed as a success.

    Args:
        log: The log of the process.
        returncode: Meltano's own exit code.
    """
    failed = [kind for kind in (EXTRACTOR, LOADER) if log.exit_codes.get(kind)]
    kind = failed[0] if failed else EXTRACTOR
    error = KINDS.get(log.exit_codes.get(kind, 0), RunFailedError)
    if error is RunPausedError and log.resume_at:
        return error(f"The source is rate-limiting until {log.resume_at}.", KEPT)
    if message := log.last_error(kind):
        # A plugin's message ends with its remedy, but cannot name the command that reconnects.
        return error(message, REMEDIES[error] if error is CredentialRefusedError else KEPT)
    remedy = REMEDIES.get(error, REMEDIES[RunFailedError])
    if not failed and (signal := _signal(returncode)):
        return RunFailedError(f"Meltano was killed by signal {signal}.", remedy)
    return error(_cause(log, kind), remedy.format(resume_at=log.resume_at or "a later time"))


def is_partial(log: RunLog, error: ControlError) -> bool:
    """Return whether a failed run has loaded some of its streams to their end.

    Not when the loader failed too, nor when the credential was refused: that needs a person,
    however much was loaded before.
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
    why = without_sqlalchemy_text(log.transform_error or "")
    return RunFailedError(
        f"The data was loaded, but dbt failed: {why.rstrip('.')}.",
        "Correct the model that dbt names, then run again.",
    )


def without_sqlalchemy_text(message: str) -> str:
    """Return an error of Meltano; one of its database is replaced: it may quote an address."""
    found = DATABASE_ERROR.match(message)
    if found is None:
        return message
    kind = found["kind"]
    if kind is None or kind in LOST_DATABASE:
        return NOT_REACHABLE
    return f"The database of the store refused Meltano's own tables ({kind}); see: scout doctor."


def _signal(returncode: int) -> int:
    """Return the signal that ended a process, from its exit code or its shell's; 0 for none."""
    signal = -returncode if returncode < 0 else returncode - KILLED
    return signal if 0 < signal <= LAST_SIGNAL else 0


def _cause(log: RunLog, kind: str) -> str:
    code = log.exit_codes.get(kind)
    who = {EXTRACTOR: "The extractor", LOADER: "The loader"}[kind]
    if code is None:
        return without_sqlalchemy_text(log.meltano_error or "Meltano logged no error.")
    if code < 0:
        return f"{who} was killed by signal {-code}."
    return f"{who} ended with exit code {code}."
