"""Codes of errors, remedies for agents, and answers that repeat no argument."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from scout_control.mcp import arguments, results
from scout_control.mcp.envelope import (
    Answer,
    Envelope,
    error_code,
    failure,
    invalid_arguments,
    success,
)
from scout_control.rules.statuses import CODES

from scout_control import errors

AS_IN_JSON = {kind: code for kind, code in CODES if code != "NETWORK_ERROR"}
IN_ANSWERS = AS_IN_JSON | {
    errors.NetworkError: "CONNECTION_ERROR",
    errors.ServerUnavailableError: "CONNECTION_ERROR",
    errors.QueryTimeoutError: "QUERY_TIMEOUT",
}


@pytest.mark.parametrize(("kind", "code"), IN_ANSWERS.items())
def test_each_kind_of_error_has_its_code(kind, code):
    assert error_code(kind("It failed.", "Try again.")) == code


def test_an_error_is_answered_with_what_and_what_to_do():
    error = errors.ConflictError("river/hq holds no data now.", "Load it: scout run river/hq")

    assert failure(error, 12).model_dump(mode="json") == {
        "success": False,
        "data": None,
        "error": {
            "code": "CONFLICT",
            "reason": "conflict",
            "message": "river/hq holds no data now.",
            "remedy": "Load it: run_materialization with the dataset river/hq",
            "details": [],
        },
        "schema": None,
        "timing_ms": 12,
    }


def test_a_result_has_its_schema_and_its_own_fields():
    answer = Answer(results.Pipelines(pipelines=[]), "data_river")

    assert success(answer, 3).model_dump(mode="json") == {
        "success": True,
        "data": {"pipelines": []},
        "error": None,
        "schema": "data_river",
        "timing_ms": 3,
    }


@pytest.mark.parametrize(
    ("takes", "given", "name"),
    [
        (arguments.OfQuery, {"dataset": "a", "sql": "SELECT 1", "limit": 0}, "limit"),
        (arguments.OfQuery, {"dataset": "a", "sql": "SELECT 1", "limit": 1001}, "limit"),
        (arguments.OfQuery, {"dataset": "a", "sql": "SELECT 1", "limit": "canary"}, "limit"),
        (arguments.OfQuery, {"dataset": "a", "sql": "canary" * 20_000}, "sql"),
        (arguments.OfQuery, {"dataset": "a", "sql": "", "timeout_seconds": 1}, "sql"),
        (arguments.OfQuery, {"dataset": "a", "sql": "x", "timeout_seconds": 31}, "timeout_seconds"),
        (arguments.OfDataset, {"dataset": "canary" * 100}, "dataset"),
        (arguments.OfDataset, {}, "dataset"),
        (arguments.OfDataset, {"dataset": "a", "password": "canary"}, "password"),
        (arguments.OfSearch, {"text": "c"}, "text"),
        (arguments.OfMaterialization, {"dataset": "a", "wait_seconds": 601}, "wait_seconds"),
        (arguments.OfMaterialization, {"dataset": "a", "full_refresh": "canary"}, "full_refresh"),
        (arguments.OfDatasets, {"limit": 101}, "limit"),
        (arguments.OfRun, {"run_id": ["canary"]}, "run_id"),
    ],
)
def test_an_argument_outside_of_its_bounds_is_named_and_not_repeated(takes, given, name):
    with pytest.raises(ValidationError) as raised:
        takes.model_validate(given)

    error = invalid_arguments(raised.value)

    assert error_code(error) == "VALIDATION_ERROR"
    assert f"{name}: " in error.cause
    assert "canary" not in str(error)


def test_many_invalid_arguments_make_no_long_message():
    with pytest.raises(ValidationError) as raised:
        arguments.NoArguments.model_validate({f"name_{each}": 1 for each in range(1000)})

    assert len(str(invalid_arguments(raised.value))) < 1000


def test_the_schema_of_an_answer_has_errors_too():
    schema = Envelope[results.Pipelines].model_json_schema(mode="serialization")

    assert {"success", "data", "error", "schema", "timing_ms"} == schema["properties"].keys()
    assert {"Pipelines", "Failure"} <= schema["$defs"].keys()
