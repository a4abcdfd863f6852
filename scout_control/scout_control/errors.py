"""All errors, by who can resolve them.

* ControlError
  - SettingsError .......... the deployer; nothing was started (exit 2)
    - KeysUnusableError .... as before: no encryption key fits what is stored
    - UnconfirmedError ...... the caller, who removes something and could not be asked (exit 2)
  - ConflictError .......... the caller: the current state does not allow it; look, then retry
    - OutdatedError ........ as before; it has changed since the caller looked
  - BusyError .............. the caller, by waiting
  - NotSignedInError ....... the caller, who gave no valid token or session
  - TooManyAttemptsError ... the caller, by waiting: too many wrong tokens were sent
  - ForbiddenError ......... the caller, whose roles or token do not allow it
  - NotFoundError .......... the caller, who named something that does not exist (exit 3)
  - ServerError ............ the administrator of the database or the machine
    - ServerUnavailableError  as before; it does not answer
      - GivenServerError ... the caller, who gave its address and login
    - PrivilegeError ........ as before; its role lacks a privilege
  - QueryError ............. the author of an SQL statement
    - QueryTimeoutError ..... as before: the statement took too long
  - OwnershipError ......... the administrator: the schema belongs to another owner
  - CredentialMissingError . the owner of the dataset, by connecting an account (exit 77)
  - RunError ............... by what happens next
    - CredentialRefusedError  the owner of the credential, by reconnecting (exit 77)
    - RunPausedError ........ nothing to do: run again after the printed time (exit 75)
    - DataRefusedError ...... the maintainer of the data or its schema (exit 65)
    - RunFailedError ........ nothing to do yet: the next run resumes where this one stopped
      - NetworkError ........ as before, once the source or the network is available again
      - PermissionDeniedError an administrator of the source: grant the account access
    - RunInterruptedError ... nothing to do: the run was interrupted on request (exit 130 or 143)
"""

from __future__ import annotations

from typing import ClassVar, Self

CONNECT = "scout credentials connect"
RECONNECT = f"A person must reconnect: {CONNECT}"
"""The remedy of every message with exit code 77; the source and the owner follow."""
FIRST_CONNECT = f"A person must connect (or reconnect) an account: {CONNECT}"


class ControlError(Exception):
    """A failure with its cause and its remedy, both complete sentences."""

    exit_code: ClassVar[int] = 1
    details: tuple[str, ...] = ()
    """Further lines, where one sentence cannot hold all that is wrong."""
    reason: ClassVar[str] = "internal error"
    """A few words for logs and lists."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy


class SettingsError(ControlError):
    """A setting is missing or invalid; nothing was started."""

    exit_code = 2
    reason = "invalid setting"


class KeysUnusableError(SettingsError):
    """There is no encryption key, or none decrypts anything that is stored: no run can succeed."""

    reason = "no encryption key"


class UnconfirmedError(SettingsError):
    """Something is to be removed, and no one could be asked; nothing was changed."""

    reason = "confirmation required"


class ConflictError(ControlError):
    """The current state does not allow the request."""

    reason = "conflict"


class OutdatedError(ConflictError):
    """What a change was based on is not the present state any longer."""

    reason = "outdated"


class BusyError(ControlError):
    """Too many requests of the same kind are being answered already."""

    reason = "too many requests"


class CredentialMissingError(ControlError):
    """No account of the source is connected for the owner; nothing was started."""

    exit_code = 77
    reason = "no account connected"


class NotSignedInError(ControlError):
    """Who is asking is unknown: there is no valid token or session."""

    reason = "not signed in"


class TooManyAttemptsError(ControlError):
    """Too many wrong tokens were sent; nothing was looked up."""

    reason = "too many attempts"

    def __init__(self, cause: str, remedy: str, seconds: int = 60) -> None:
        super().__init__(cause, remedy)
        self.seconds = seconds


class ForbiddenError(ControlError):
    """The person may see the object, and may not do this to it."""

    reason = "not allowed"

    def __init__(self, cause: str, remedy: str, operation: str = "") -> None:
        super().__init__(cause, remedy)
        self.operation = operation


class NotFoundError(ControlError):
    """The named object does not exist."""

    exit_code = 3
    reason = "not found"


class QueryError(ControlError):
    """A query that failed; quotes Postgres, since the author of the query may read its message."""

    reason = "query rejected"


class QueryTimeoutError(QueryError):
    """A query that took longer than it may."""

    reason = "query timeout"


class ServerError(ControlError):
    """A server does not respond, or does not permit what is needed."""

    reason = "server not available"

    @classmethod
    def of_postgres(cls, error: Exception, state: str | None) -> Self:
        """Return the error for a failure of Postgres, without its message: that may quote data."""
        return cls(
            f"Postgres failed ({type(error).__name__}, SQLSTATE {state or 'none'}).",
            "See the Postgres log, then run again.",
        )


class ServerUnavailableError(ServerError):
    """A server does not answer, or rejects the login."""

    reason = "no connection"


class GivenServerError(ServerUnavailableError):
    """As before, for a database that the caller has just named; nothing was stored."""


class PrivilegeError(ServerError):
    """The role of a database lacks a privilege."""

    reason = "missing privilege"


class OwnershipError(ControlError):
    """The dataset schema belongs to another owner."""

    reason = "belongs to another owner"


class RunError(ControlError):
    """A run ended without completing."""


class CredentialRefusedError(RunError):
    """The source rejected the credential; its owner must reconnect."""

    exit_code = 77
    reason = "credential rejected"


class RunPausedError(RunError):
    """Rate-limited for longer than a run waits; committed data is kept."""

    exit_code = 75
    reason = "rate limit"


class DataRefusedError(RunError):
    """Invalid record, or unexpected API response."""

    exit_code = 65
    reason = "invalid data"


class RunFailedError(RunError):
    """A run failed; committed data is kept, and the next run resumes there."""

    reason = "failed"


class NetworkError(RunFailedError):
    """The source could not be reached; the next run resumes."""

    reason = "no connection"


class PermissionDeniedError(RunFailedError):
    """The account may not read what was requested; another run would fail in the same way."""

    reason = "missing permission"


class RunInterruptedError(RunError):
    """A run was interrupted on request."""

    exit_code = 143
    reason = "interrupted"
