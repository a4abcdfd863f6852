"""Everything that can go wrong here, sorted by who can put it right.

* ControlError
  - SettingsError .......... the deployer; nothing was started (exit 2)
  - ConflictError .......... nobody: somebody else moved first, or something still depends on it
  - NotFoundError .......... the caller, who named something that is not there (exit 3)
  - ServerError ............ whoever runs the database or the machine
  - OwnershipError ......... nobody: the dataset schema belongs to another owner, and stays theirs
  - CredentialMissingError . the owner of the dataset, by connecting an account (exit 77)
  - RunError ............... sorted again by what happens next
    - CredentialRefusedError  the owner of the login, who must reconnect (exit 77)
    - RunPausedError ........ time: run again after the moment it names (exit 75)
    - DataRefusedError ...... whoever can change the data or its shape (exit 65)
    - RunFailedError ........ nobody yet: the next run goes on where this one stopped
    - RunInterruptedError ... nobody: somebody asked for it (exit 130 or 143)
"""

from __future__ import annotations

from typing import ClassVar, Self

CONNECT = "scout credentials connect"
RECONNECT = f"A person must reconnect: {CONNECT}"
"""How every message of exit code 77 says what to do; the source and its owner follow."""
FIRST_CONNECT = f"A person must connect one (as to reconnect): {CONNECT}"


class ControlError(Exception):
    """A failure with its cause and its remedy, both whole sentences fit to show to people."""

    exit_code: ClassVar[int] = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy


class SettingsError(ControlError):
    """A setting is missing or wrong; nothing was started."""

    exit_code = 2


class ConflictError(ControlError):
    """What was asked for does not fit what is there now."""


class CredentialMissingError(ControlError):
    """No account is connected for the source and the owner; nothing was started."""

    exit_code = 77


class NotFoundError(ControlError):
    """What the caller named does not exist."""

    exit_code = 3


class ServerError(ControlError):
    """A server that is needed does not answer or cannot do what it must."""

    @classmethod
    def of_postgres(cls, error: Exception, state: str | None) -> Self:
        """Say that Postgres failed with this SQLSTATE, without its words."""
        return cls(
            f"Postgres failed ({type(error).__name__}, SQLSTATE {state or 'none'}).",
            "Look into its log, then run again.",
        )


class OwnershipError(ControlError):
    """The dataset schema belongs to another owner."""


class RunError(ControlError):
    """A run ended otherwise than complete."""


class CredentialRefusedError(RunError):
    """The source refused the login; only a person can renew it."""

    exit_code = 77


class RunPausedError(RunError):
    """The source asked for a longer wait than allowed; what came before is kept."""

    exit_code = 75


class DataRefusedError(RunError):
    """The data does not fit."""

    exit_code = 65


class RunFailedError(RunError):
    """A run failed; what it committed is kept, and the next one continues there."""


class RunInterruptedError(RunError):
    """Somebody ended the run."""

    exit_code = 143
