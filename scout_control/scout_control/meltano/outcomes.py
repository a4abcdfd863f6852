"""Translates exit codes and log lines into the errors of ``errors``."""

from __future__ import annotations

import re
import signal as signal_names
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scout_control.errors import (
    CONNECT,
    RECONNECT,
    ConflictError,
    CredentialRefusedError,
    DataRefusedError,
    NetworkError,
    PermissionDeniedError,
    RunError,
    RunFailedError,
    RunPausedError,
    SettingsError,
)
from scout_control.meltano.log import EXTRACTOR, LOADER
from scout_control.meltano.reports import OWN_PLUGINS
from scout_control.rules import failure_reasons
from scout_control.rules.quotation import quoted

if TYPE_CHECKING:
    from collections.abc import Collection

    from scout_control.errors import ControlError
    from scout_control.meltano.log import PluginError, RunLog

KINDS: dict[int, type[ControlError]] = {
    2: SettingsError,
    65: DataRefusedError,
    75: RunPausedError,
    77: CredentialRefusedError,
}
KEPT = "Committed rows are kept."
NOT_STARTED = re.compile(r"Executable '[^']*' could not be started: .*")  # by plugin_launcher
# What our taps print when they run alone, where no one knows the exact command.
RECONNECT_ALONE = re.compile(r" ?A person must reconnect(?: \(with scout: [^)]*\))?\.")
# What they say of a run, where what failed is a test.
OF_A_RUN = re.compile(
    r" ?\brun again (?:later|after [^\s;]+)(?:; the run resumes[^.]*)?\."
    r"| ?\bCheck base_url and the network\.| ?\bmax_retry_seconds limits[^.]*\.",
    re.IGNORECASE,
)
OUT_OF_MEMORY = "If it happens again, this machine may lack memory."
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
    CredentialRefusedError: f"Committed rows are kept. {RECONNECT}",
    RunFailedError: "Committed rows are kept. Run again to resume.",
    NetworkError: "Committed rows are kept. Run again to resume.",
    PermissionDeniedError: "Committed rows are kept. At the source, grant the account access.",
    ConflictError: "Committed rows are kept. Run again when the other run has ended.",
}


@dataclass(frozen=True, kw_only=True)
class Quoting:
    """What is needed to quote the message of a plugin, and to say what to do about it."""

    secrets: Collection[str] = field(default=(), repr=False)
    """What the plugins were given and no message may show."""
    reconnect: str = CONNECT
    """The command that connects the account again."""

    def quote(self, error: PluginError) -> str:
        """Return the message of a plugin, quoted."""
        is_ours = error.plugin in OWN_PLUGINS or bool(NOT_STARTED.match(error.text))
        text = quoted(error.text, self.secrets, may_quote_records=not is_ours)
        text = RECONNECT_ALONE.sub("", text)
        return text if is_ours else f"{error.plugin}: {text.rstrip('.')}."


NOTHING_SECRET = Quoting()


def failure(log: RunLog, returncode: int = 1, quoting: Quoting = NOTHING_SECRET) -> ControlError:
    """Return the error of a failed run.

    The exit code of the extractor decides before that of the loader: a loader fails in the wake of
    its extractor, but Meltano reports an extractor whose loader failed as a success.

    Args:
        log: The log of the process.
        returncode: Meltano's own exit code.
        quoting: How the message of a plugin is quoted.
    """
    failed = [kind for kind in (EXTRACTOR, LOADER) if log.exit_codes.get(kind)]
    kind = (failed or [EXTRACTOR])[0]
    if failed == [EXTRACTOR, LOADER] and not _says_why(log, kind) and log.last_error(LOADER):
        kind = LOADER
    code, message = log.exit_codes.get(kind, 0), log.last_error(kind)
    if not failed and message and not message.is_error:
        message = None  # Meltano itself failed, whatever the tap wrote last
    error = KINDS.get(code, RunFailedError)
    if error is RunPausedError and log.resume_at:
        return error(f"The source is rate-limiting until {log.resume_at}.", KEPT)
    if code < 0 or not message:
        return _without_message(log, kind, returncode, message, quoting)
    if error is RunFailedError:
        error = _reason(message) or error
    return error(quoting.quote(message), _remedy(error, message, quoting))


def _says_why(log: RunLog, kind: str) -> bool:
    """Return whether the exit code or a message of a plugin that failed says why it did."""
    code = log.exit_codes.get(kind, 0)
    return code < 0 or code in KINDS or log.last_error(kind) is not None


def _reason(message: PluginError) -> type[ControlError] | None:
    found = failure_reasons.of(message.text)
    # Ours say by their exit code that a credential was refused.
    is_wrong = found is CredentialRefusedError and message.plugin in OWN_PLUGINS
    return None if is_wrong else found


def _without_message(
    log: RunLog, kind: str, returncode: int, message: PluginError | None, quoting: Quoting
) -> ControlError:
    """Return the error of a plugin that was killed, or that did not say why it failed."""
    code = log.exit_codes.get(kind, 0)
    error = KINDS.get(code, RunFailedError)
    remedy = REMEDIES.get(error, REMEDIES[RunFailedError])
    remedy = remedy.format(resume_at=log.resume_at or "a later time")
    if not code and (signal := _signal(returncode)):
        return RunFailedError(f"Meltano was killed by signal {signal}.", remedy)
    cause = _cause(log, kind)
    if message:
        cause = f"{cause} Its last message was: {quoting.quote(message)}"
    return error(cause, f"{remedy} {OUT_OF_MEMORY}" if code == -signal_names.SIGKILL else remedy)


def _remedy(error: type[ControlError], message: PluginError, quoting: Quoting) -> str:
    """Return what to do; a message of our plugins ends with it, except for the command."""
    if error is CredentialRefusedError:
        return f"{KEPT} A person must reconnect: {quoting.reconnect}"
    if NOT_STARTED.match(message.text):
        return f"Install {message.plugin}, or correct its executable in meltano.yml."
    if message.plugin in OWN_PLUGINS:
        return KEPT
    remedy = REMEDIES.get(error, REMEDIES[RunFailedError])
    return remedy.format(resume_at="a later time")


def of_a_test(text: str) -> str:
    """Return why a test failed, without what only holds for a run, and what is advised anyhow."""
    return OF_A_RUN.sub("", text).strip()


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
