"""Everything that can go wrong while reading an API, sorted by who can put it right.

* ApiError
  - SettingsError ......... whoever configures the tap; nothing was started
  - LoginRefusedError ..... a person, by connecting again
  - AccessClosedError ..... the owner of the plan or Dimagi's support; the login is fine
  - ForbiddenError ........ an administrator of the domain, by a permission
  - MissingError .......... whoever configures the tap: there is no such thing
  - RejectedError ......... whoever configures the tap, or a developer
  - PausedError ........... nobody: run again after the time it names
  - UnavailableError ...... nobody: run again later
  - ShapeError ............ a developer: the API answered in another shape
  - InternalError ......... a developer: a mistake of this program
  - OutputClosedError ..... whoever reads the output: they went away first
  - InterruptedRunError ... nobody: somebody sent a signal

A message never holds a secret, a body or a record's value. It must not know any stream.
"""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path


class FailureScope(enum.IntEnum):
    """How much of a run a failure spoils."""

    STREAM = 1
    DOMAIN = 2
    RUN = 3


RECONNECT = "A person must reconnect (with scout: scout credentials connect)."


class ApiError(Exception):
    """A failure with its cause and its remedy, both fit to show to people."""

    exit_code = 1
    reach = FailureScope.STREAM
    status = "failed"
    """What the streams are that it spoils: failed or skipped."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause} {remedy}".strip())
        self.cause = cause
        self.remedy = remedy


class SettingsError(ApiError):
    """A setting is missing or wrong; nothing was started."""

    exit_code = 2
    reach = FailureScope.RUN


class CredentialRefusedError(ApiError):
    """The credential is refused: a person must reconnect. The message always says so."""

    exit_code = 77
    reach = FailureScope.DOMAIN

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause, f"{RECONNECT} {remedy}".strip())


class ApiDisabledError(ApiError):
    """The API is closed for this domain, for a reason that no credential changes."""

    reach = FailureScope.DOMAIN


class ForbiddenError(ApiError):
    """The account may not read this part."""


class NotFoundError(ApiError):
    """The server knows nothing under this address."""


class RequestRejectedError(ApiError):
    """The server understood the request, and would not do what it asks."""


class UnavailableError(ApiError):
    """The server failed for longer than the settings allow to try again."""


class UnreachableError(UnavailableError):
    """There was no connection to the server for longer than the settings allow."""

    reach = FailureScope.RUN


class ReadTimeoutError(UnreachableError):
    """The server took a request and did not answer; it may be that request's fault alone."""


class UnexpectedResponseError(ApiError):
    """The API answered in a shape that cannot be read without guessing."""

    exit_code = 65


class InternalError(ApiError):
    """A mistake of this program; its place in the code is named, never the values there."""

    def __init__(self, error: Exception) -> None:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "an unknown place"
        if trace is not None:
            place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        super().__init__(f"Internal error: {type(error).__name__} at {place}.", "Please report it.")


class RateLimitError(ApiError):
    """The source asked for a longer wait than the settings allow."""

    exit_code = 75
    reach = FailureScope.DOMAIN
    status = "skipped"

    def __init__(self, cause: str, remedy: str, resume_at: datetime) -> None:
        super().__init__(cause, remedy)
        self.resume_at = resume_at


class OutputClosedError(ApiError):
    """Whoever reads the messages has gone."""

    reach = FailureScope.RUN


class InterruptedRunError(ApiError):
    """A signal asked the run to end."""

    reach = FailureScope.RUN

    def __init__(self, signum: int) -> None:
        super().__init__(f"Interrupted by signal {signum}; the state is complete so far.")
        self.signum = signum
        self.exit_code = 128 + signum
