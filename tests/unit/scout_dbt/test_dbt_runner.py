"""What a run of dbt reports: exit codes, lines about failures, and output without escapes."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from dbt.exceptions import TargetNotFoundError
from scout_dbt.project.custom_models import CustomModels
from scout_dbt.project.model_needs import Skipped
from scout_dbt.runner import dbt_runner
from scout_dbt.runner.held_output import HeldOutput

LEFT_OUT = dbt_runner._left_out({"river/a.sql": "it is not UTF-8 text"})


def node(name, status, message=""):
    known = SimpleNamespace(name=name, unique_id=f"model.scout.{name}")
    return SimpleNamespace(node=known, status=status, message=message)


def done(*results, success=True, exception=None):
    return SimpleNamespace(
        result=SimpleNamespace(results=list(results)), success=success, exception=exception
    )


def test_a_file_that_is_left_out_is_named_in_two_lines():
    assert LEFT_OUT == [
        "Failure in model a (models/custom/river/a.sql)",
        "Reason of model a: it is not UTF-8 text",
    ]


@pytest.mark.parametrize(
    ("success", "messages", "is_docs", "exit_code"),
    [
        (True, [], False, 0),
        (False, [], False, 1),
        (True, LEFT_OUT, False, 1),
        (True, LEFT_OUT, True, 0),
        (False, LEFT_OUT, True, 1),
    ],
)
def test_a_file_that_is_left_out_fails_a_build_and_no_documentation(
    success, messages, is_docs, exit_code
):
    found = dbt_runner._result(done(success=success), messages, is_docs=is_docs)

    assert (found.exit_code, found.messages) == (exit_code, messages)


def test_outcomes_are_by_name_and_failures_have_a_reason():
    failed = node("b", "error", 'Database Error\n  column "x" does not exist')
    found = dbt_runner._result(done(node("a", "success"), failed), [], is_docs=False)

    assert found.outcomes == {"a": "success", "b": "error"}
    assert found.messages == ['Reason of model b: column "x" does not exist']


def test_a_project_that_dbt_cannot_read_either_way_is_reported_instead_of_its_files():
    error = ValueError("Parsing Error\n  dbt_project.yml is invalid")
    found = dbt_runner._result(done(exception=error), LEFT_OUT, is_docs=True)

    assert found.exit_code == dbt_runner.NOT_RUN
    assert found.messages[-1] == "Reason of dbt project: dbt_project.yml is invalid"


def test_a_model_that_cannot_be_compiled_is_found_in_the_error():
    error = RuntimeError("Compilation Error in model a (models/custom/a.sql)\n  not yet")

    assert dbt_runner._not_compiled(error, {"a.sql", "b.sql"}) == {"a.sql": "not yet"}
    assert dbt_runner._not_compiled(RuntimeError("elsewhere"), {"a.sql"}) == {}
    assert dbt_runner._not_compiled(None, {"a.sql"}) == {}


def not_found(path, name="form_x", kind="node", *, is_disabled=False):
    known = SimpleNamespace(
        original_file_path=path, unique_id="model.scout.any", resource_type="model"
    )
    return TargetNotFoundError(known, name, kind, disabled=is_disabled)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            not_found("models/custom/river/a.sql"),
            "a needs form_x, which this dataset does not have",
        ),
        (not_found("models/custom/river/a.sql", "b"), "a needs b, which is skipped"),
        (
            not_found("models/custom/river/a.sql", "connect.visits", "source", is_disabled=True),
            "a needs connect.visits, which this dataset does not have",
        ),
        (not_found("models/custom/river/a.sql", "typo.visits", "source"), None),
        (not_found("models/staging/a.sql"), None),
        (not_found("models/custom/a.yml"), None),
        (not_found("models/custom/b.sql"), None),
        (ValueError("(models/custom/river/a.sql) depends on a node"), None),
        (None, None),
    ],
)
def test_a_model_whose_table_dbt_does_not_find_is_skipped(error, reason):
    custom = CustomModels(files={"river/a.sql": b"{{ config(alias='t') }}", "b.sql": b""})
    skipped = {"b.sql": Skipped(name="b", relation="b", missing=("x",))}

    found = dbt_runner._lacking(error, custom, skipped)

    assert [each.reason for each in found.values()] == ([reason] if reason else [])
    assert {each.relation for each in found.values()} <= {"t"}


def test_skipped_models_are_said_once_before_failures_and_fail_nothing():
    result = dbt_runner._result(done(node("c", "error")), [], is_docs=False)
    skipped = Skipped(name="a", relation="a", missing=("form_x",))
    lines = replace(result, skipped=(skipped,)).lines

    assert lines == [
        "Skipped 1 model: a needs form_x, which this dataset does not have.",
        "Reason of model c: dbt gives no reason",
    ]
    assert replace(dbt_runner._result(done(), [], is_docs=False), skipped=(skipped,)).exit_code == 0


def test_output_is_held_until_every_file_is_read_and_escapes_control_characters():
    stream = io.StringIO()
    output = HeldOutput(stream)
    output.write("Encountered an error\n")
    assert stream.getvalue() == ""

    output.write("Found 3 models\x1b[31m\n")
    output.write("done\r\n")
    output.is_silent = True
    output.write("cancelled\n")

    assert stream.getvalue() == "Encountered an error\nFound 3 models\\x1b[31m\ndone\\r\n"
