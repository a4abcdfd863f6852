"""Errors as responses: a status for each, one form, and nothing of what was sent."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from scout_control.rules.error_document import error_document
from scout_control.serve import errors as responses
from starlette.exceptions import HTTPException
from starlette.requests import Request

from scout_control import errors


def subclasses(kind):
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


NOWHERE = Request(
    {"type": "http", "method": "GET", "path": "/mcp", "headers": [], "app": FastAPI()}
)
API = Request({"type": "http", "path": "/api/datasources/", "headers": []})
KINDS = sorted(
    (each for each in subclasses(errors.ControlError) if each.__module__ == errors.__name__),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status_and_the_document_of_the_commands(kind):
    error = kind("It failed.", "Do this.")

    response = responses._control_error(API, error)

    assert 400 <= response.status_code <= 503
    assert json.loads(response.body) == error_document(error)
    assert json.loads(response.body)["error"]["remedy"] == "Do this."


def test_401_is_about_the_sign_in_here_alone_and_says_how():
    unknown = [kind for kind in KINDS if responses.status(kind("It failed.", "Do this.")) == 401]
    response = responses._control_error(API, errors.NotSignedInError("No.", "Sign in."))

    assert unknown == [errors.NotSignedInError]
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (errors.ForbiddenError, 403),
        (errors.NotFoundError, 404),
        (errors.ConflictError, 409),
        (errors.CredentialRefusedError, 409),
        (errors.SettingsError, 422),
        (errors.ServerUnavailableError, 503),
        (errors.ServerError, 500),
    ],
)
def test_the_status_follows_from_who_can_resolve_the_error(kind, number):
    assert responses.status(kind("It failed.", "Do this.")) == number


def test_an_invalid_request_names_the_place_and_not_the_value():
    error = RequestValidationError(
        [
            {
                "loc": ("body", "fields", "password"),
                "msg": "Too short",
                "type": "x",
                "input": "hunter2",
            }
        ]
    )

    response = responses._invalid_request(API, error)

    assert response.status_code == 422
    assert "fields.password: Too short" in json.loads(response.body)["error"]["message"]
    assert b"hunter2" not in response.body


@pytest.mark.parametrize("number", [400, 404, 405, 413, 415])
def test_errors_of_the_framework_have_the_same_form(number):
    response = responses._http_error(NOWHERE, HTTPException(number, "canary"))

    assert response.status_code == number
    assert json.loads(response.body)["success"] is False
    assert b"canary" not in response.body


def test_an_unexpected_error_tells_its_kind_to_the_log_and_nothing_to_the_caller(caplog):
    response = responses._internal_error(API, RuntimeError("canary in a row"))

    assert response.status_code == 500
    assert b"canary" not in response.body
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text
