"""Errors as responses: the documents of the command line, with a status of HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from scout_control import errors
from scout_control.rules.error_document import error_document

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[errors.ControlError], int], ...] = (
    (errors.NotSignedInError, 401),
    (errors.TooManyAttemptsError, 429),
    (errors.ForbiddenError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.OwnershipError, 409),
    (errors.CredentialMissingError, 409),
    (errors.CredentialRefusedError, 409),
    (errors.SettingsError, 422),
    (errors.RunPausedError, 409),
    (errors.ServerUnavailableError, 503),
    (errors.ControlError, 500),
)
"""By the first class that fits. 401 is about the sign-in here, never about that at a source."""


def status(error: errors.ControlError) -> int:
    """Return the status of HTTP for an error."""
    return next(number for kind, number in STATUSES if isinstance(error, kind))


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error with a document."""
    app.add_exception_handler(errors.ControlError, _control_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)


def _response(error: errors.ControlError, number: int | None = None) -> JSONResponse:
    return JSONResponse(
        error_document(error), status_code=number or status(error), headers=headers(error)
    )


def headers(error: errors.ControlError) -> dict[str, str]:
    """Return the headers that belong to an error."""
    if isinstance(error, errors.NotSignedInError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, errors.TooManyAttemptsError):
        return {"Retry-After": str(error.seconds)}
    return {}


def _control_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.ControlError):
        raise TypeError(error)
    return _response(error)


def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """Answer without the values that were sent: one of them may be a secret in the wrong place."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    places = [".".join(str(part) for part in each["loc"][1:]) for each in found]
    reasons = [f"{place}: {each['msg']}" for place, each in zip(places, found, strict=True)]
    return _response(
        errors.SettingsError(f"The request is invalid: {'; '.join(reasons)}.", "Correct it.")
    )


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    number = error.status_code if isinstance(error, HTTPException) else 500
    if number == 404:
        return _response(
            errors.NotFoundError("There is no such address.", "See: /api/openapi.json")
        )
    return _response(
        errors.SettingsError("The server does not answer such requests.", "See: /api/openapi.json"),
        number,
    )


def _internal_error(_request: Request, error: Exception) -> JSONResponse:
    log.error("internal_error type=%s", type(error).__name__)
    return _response(
        errors.ControlError("Internal error.", "See the log of the server, then try again.")
    )
