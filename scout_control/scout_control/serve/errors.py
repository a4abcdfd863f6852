"""Errors as responses: the documents of the command line, with a status of HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, get_args

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from scout_control import errors
from scout_control.rules.error_document import error_document
from scout_control.rules.remedies import Surface
from scout_control.rules.suggestions import advice
from scout_control.serve.protection import wants_page
from scout_control.serve.sign_in import check_sign_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request

MOST_REASONS, LONGEST_PLACE = 10, 100
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FOR_PEOPLE_WITH_TOKENS = "/api/datasources/"
"""Where who is not signed in is told only that, whatever they ask for."""
UNKNOWN = "extra_forbidden"
"""What the framework calls a field that a body does not have."""
log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[errors.ControlError], int], ...] = (
    (errors.NotSignedInError, 401),
    (errors.TooManyAttemptsError, 429),
    (errors.ForbiddenError, 403),
    (errors.NotFoundError, 404),
    (errors.OutdatedError, 412),
    (errors.ConflictError, 409),
    (errors.BusyError, 429),
    (errors.OwnershipError, 409),
    (errors.CredentialMissingError, 409),
    (errors.CredentialRefusedError, 409),
    (errors.SettingsError, 422),
    (errors.QueryError, 422),
    (errors.RunPausedError, 409),
    (errors.RunError, 424),
    (errors.GivenServerError, 424),
    (errors.ServerUnavailableError, 503),
    (errors.ControlError, 500),
)
"""By the first class that fits. 401 is about the sign-in here, never about that at a source."""

HEADERS: tuple[tuple[type[errors.ControlError], Mapping[str, str]], ...] = (
    (errors.NotSignedInError, {"WWW-Authenticate": "Bearer"}),
    (errors.BusyError, {"Retry-After": "5"}),
    (errors.ServerUnavailableError, {"Retry-After": "10"}),
)
CAUSES = {
    400: "The request cannot be read.",
    405: "This address does not answer this method.",
    413: "The body is too large.",
}
"""Of errors that the framework finds."""


def status(error: errors.ControlError) -> int:
    """Return the status of HTTP for an error."""
    return next(number for kind, number in STATUSES if isinstance(error, kind))


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error with a document."""
    app.add_exception_handler(errors.ControlError, _control_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)


def _response(
    request: Request,
    error: errors.ControlError,
    number: int | None = None,
    more: Mapping[str, str] | None = None,
) -> JSONResponse:
    surface = Surface.PAGE if wants_page(request) else Surface.REST
    return JSONResponse(
        error_document(error, surface),
        status_code=number or status(error),
        headers={**headers(error), **(more or {})},
    )


def headers(error: errors.ControlError) -> Mapping[str, str]:
    """Return the headers that belong to an error."""
    if isinstance(error, errors.TooManyAttemptsError):
        return {"Retry-After": str(error.seconds)}
    return next((each for kind, each in HEADERS if isinstance(error, kind)), {})


def _control_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, errors.ControlError):
        raise TypeError(error)
    return _response(request, error)


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Answer without the values that were sent: one of them may be a secret in the wrong place."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    reasons = "; ".join(f"{_place(each['loc'])}: {_reason(each)}" for each in found[:MOST_REASONS])
    unknown = {str(each["loc"][-1])[:LONGEST_PLACE] for each in found if each["type"] == UNKNOWN}
    remedy = advice(sorted(unknown)[:MOST_REASONS], _fields(request), "The fields are")
    return _response(
        request,
        errors.SettingsError(
            f"The request is invalid: {reasons}.", (unknown and remedy) or "Correct it."
        ),
    )


def _fields(request: Request) -> Sequence[str]:
    """Return the fields of the body that the endpoint of a request takes."""
    route = request.scope.get("route")
    field = route.body_field if isinstance(route, APIRoute) else None
    kinds = [field.field_info.annotation, *get_args(field.field_info.annotation)] if field else []
    models = [each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)]
    return [name for each in models for name in each.model_fields]


def _place(location: Sequence[object]) -> str:
    """Return where something is, such as ``fields.password``; the whole body has no name."""
    names = ".".join(str(part) for part in location[1:])
    return names[:LONGEST_PLACE] or f"the {location[0]}"


def _reason(found: Mapping[str, Any]) -> str:
    if found["type"] == UNKNOWN:
        return "there is no such field"
    return str(found["msg"]).removeprefix("Value error, ")


def _http_error(request: Request, error: Exception) -> JSONResponse:
    number = error.status_code if isinstance(error, HTTPException) else 500
    kept = error.headers if isinstance(error, HTTPException) else None
    if number == 404 and request.url.path.startswith(FOR_PEOPLE_WITH_TOKENS):
        try:
            check_sign_in(request)
        except errors.ControlError as problem:
            return _response(request, problem)
    if number == 405:
        kept = {**(kept or {}), "Allow": ", ".join(_methods(request))}
    if number == 404:
        return _response(request, errors.NotFoundError("There is no such address.", _see(request)))
    cause = CAUSES.get(number, "The server does not answer such requests.")
    return _response(request, errors.SettingsError(cause, _see(request)), number, kept)


def _methods(request: Request) -> Sequence[str]:
    """Return what an address answers; the framework names those of one of its routes only."""
    scopes = {each: {**request.scope, "method": each} for each in METHODS}
    routes = request.app.router.routes
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


def _see(request: Request) -> str:
    """Return where programs, or people at a page, find what there is."""
    if wants_page(request):
        return "Use the links and buttons of the page."
    return "See: /api/openapi.json"


def _internal_error(request: Request, error: Exception) -> JSONResponse:
    log.error("internal_error type=%s", type(error).__name__)
    return _response(
        request,
        errors.ControlError("Internal error.", "See the log of the server, then try again."),
    )
