"""The form of every answer: ``success``, ``data`` or ``error``, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from scout_control import errors
from scout_control.rules.remedies import Surface, by_surface
from scout_control.rules.statuses import code

if TYPE_CHECKING:
    from pydantic import ValidationError

Data = TypeVar("Data")
CODES: tuple[tuple[type[errors.ControlError], str], ...] = (
    (errors.NetworkError, "CONNECTION_ERROR"),
    (errors.ServerUnavailableError, "CONNECTION_ERROR"),
)
"""Where a code differs from that of the command line; the first that fits."""
INTERNAL = errors.ControlError("Internal error.", "Try again; a person finds the cause in the log.")


class Failure(BaseModel):
    """Why there is no result, and what can be done."""

    code: str = Field(description="NOT_FOUND, VALIDATION_ERROR, PERMISSION_DENIED, ...")
    reason: str
    message: str
    remedy: str
    details: list[str] = []


class Envelope(BaseModel, Generic[Data]):
    """The answer of a tool."""

    model_config = ConfigDict(serialize_by_alias=True)

    success: bool
    data: Data | None = None
    error: Failure | None = None
    dataset_schema: str | None = Field(
        default=None,
        serialization_alias="schema",
        description="The schema of Postgres that the answer is about.",
    )
    timing_ms: int = 0


@dataclass(frozen=True)
class Answer:
    """What a tool found, and the dataset schema that it is about."""

    data: BaseModel
    schema: str | None = None


def error_code(error: errors.ControlError) -> str:
    """Return the code of an error."""
    known = (name for kind, name in CODES if isinstance(error, kind))
    return next(known, None) or code(error)


def success(answer: Answer, timing_ms: int) -> Envelope[Any]:
    """Return the envelope of a result."""
    return Envelope[Any](
        success=True, data=answer.data, dataset_schema=answer.schema, timing_ms=timing_ms
    )


def failure(error: errors.ControlError, timing_ms: int) -> Envelope[Any]:
    """Return the envelope of an error."""
    found = Failure(
        code=error_code(error),
        reason=error.reason,
        message=by_surface(error.cause, Surface.AGENTS),
        remedy=by_surface(error.remedy, Surface.AGENTS),
        details=[by_surface(each, Surface.AGENTS) for each in error.details],
    )
    return Envelope[Any](success=False, error=found, timing_ms=timing_ms)


def invalid_arguments(error: ValidationError) -> errors.SettingsError:
    """Return the error for arguments of a call, without their values: they may be anything."""
    reasons = [
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return errors.SettingsError(
        f"The arguments are invalid: {'; '.join(reasons[:10])}.",
        "Correct them; the input schema of the tool says what it takes.",
    )
