"""All errors of reading an API, grouped by who can fix them.

* ApiError
  - SettingsError ............. the operator: a setting is missing or wrong; nothing was started
  - CredentialRefusedError .... the owner of the account: reconnect
  - ApiDisabledError .......... the owner of the subscription, or Dimagi's support
  - ForbiddenError ............ an administrator of the domain: grant a permission
  - NotFoundError ............. the operator: there is nothing at this address
  - RequestRejectedError ...... the operator or a developer
  - RateLimitError ............ wait: run again after the time that the error names
  - UnavailableError .......... wait: run again later
  - UnexpectedResponseError ... a developer: the API has changed
  - InternalError ............. a developer: a bug in this program
  - OutputClosedError ......... the operator: the target exited first
  - InterruptedRunError ....... no one: the run was asked to stop

A message never contains a secret, a response body or a value of a record.
"""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path


class FailureScope(enum.IntEnum):
    """How much of a run a failure ends."""

    STREAM = 1
    DOMAIN = 2
    RUN = 3


class StreamStatus(enum.StrEnum):
    """How the sync of one stream ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


RECONNECT = "A person must reconnect (with scout: scout credentials connect)."


class ApiError(Exception):
    """A failure with its cause and its remedy; both can be shown to users."""

    exit_code = 1
    scope = FailureScope.STREAM
    status = StreamStatus.FAILED
    """The status of the streams that it ends."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause} {remedy}".strip())
        self.cause = cause
        self.remedy = remedy


class SettingsError(ApiError):
    """A setting is missing or wrong; nothing was started."""

    exit_code = 2
    scope = FailureScope.RUN


class CredentialRefusedError(ApiError):
    """The server refused the credential; the message always asks to reconnect."""

    exit_code = 77
    scope = FailureScope.DOMAIN

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause, f"{RECONNECT} {remedy}".strip())


class ApiDisabledError(ApiError):
    """The API is closed for this domain, for a reason that no credential changes."""

    scope = FailureScope.DOMAIN


class ForbiddenError(ApiError):
    """The account lacks permission for this resource."""


class NotFoundError(ApiError):
    """The server has nothing at this address."""


class RequestRejectedError(ApiError):
    """The server understood the request and refused it."""


class UnavailableError(ApiError):
    """The server kept failing for longer than the settings allow for retries."""


class UnreachableError(UnavailableError):
    """The server could not be reached for longer than the settings allow for retries."""

    scope = FailureScope.RUN


class ReadTimeoutError(UnreachableError):
    """The server accepted a request and did not respond; only this request may be affected."""


class UnexpectedResponseError(ApiError):
    """The response cannot be read without guessing."""

    exit_code = 65


class InternalError(ApiError):
    """A bug in this program; the message names its place in the code, never the values there."""

    def __init__(self, error: Exception) -> None:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "an unknown place"
        if trace is not None:
            place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        super().__init__(f"Internal error: {type(error).__name__} at {place}.", "Please report it.")


class RateLimitError(ApiError):
    """The source asks for a longer wait than the settings allow."""

    exit_code = 75
    scope = FailureScope.DOMAIN
    status = StreamStatus.SKIPPED

    def __init__(self, cause: str, remedy: str, resume_at: datetime) -> None:
        super().__init__(cause, remedy)
        self.resume_at = resume_at


class OutputClosedError(ApiError):
    """The process that reads the messages has exited."""

    scope = FailureScope.RUN


class InterruptedRunError(ApiError):
    """A signal asked the run to stop."""

    scope = FailureScope.RUN

    def __init__(self, signum: int) -> None:
        super().__init__(f"Interrupted by signal {signum}; the state is complete up to here.")
        self.signum = signum
        self.exit_code = 128 + signum
