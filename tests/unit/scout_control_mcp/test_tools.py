"""The table of tools: schemas, hints, and what each needs."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from scout_control.errors import NotFoundError
from scout_control.mcp.envelope import failure
from scout_control.mcp.tools import BY_NAME, TOOLS
from scout_control.rules.permissions import TABLE, Scope

ALL = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def test_the_tools_are_those_of_the_designs():
    assert BY_NAME.keys() == {
        *("list_pipelines", "list_datasets", "get_schema_status", "list_tables"),
        *("describe_table", "get_metadata", "query", "run_materialization"),
        *("get_materialization_status", "cancel_materialization", "search_columns"),
    }


@ALL
def test_its_schemas_are_valid_and_say_what_every_argument_is_bounded_by(tool):
    listed = tool.listed
    for schema in (listed.input_schema, listed.output_schema):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert listed.input_schema["additionalProperties"] is False
    for part in listed.input_schema["properties"].values():
        [kind] = [each for each in part.get("anyOf", [part]) if each["type"] != "null"]
        assert kind["type"] == "boolean" or {"maxLength", "maximum"} & kind.keys()


@ALL
def test_an_error_of_it_fits_its_schema(tool):
    document = failure(NotFoundError("No.", "See: scout datasets list"), 1).model_dump(mode="json")

    Draft202012Validator(tool.listed.output_schema).validate(document)


@ALL
def test_it_needs_operations_that_are_offered_and_changes_things_only_with_such_a_token(tool):
    scopes = [TABLE[each].scope for each in tool.operations if TABLE[each].is_offered]

    assert len(scopes) == len(tool.operations)
    assert (max(scopes) is Scope.WRITE) is not tool.annotations.read_only_hint


@ALL
def test_its_hints_are_complete(tool):
    hints = tool.annotations.model_dump(exclude={"title"})

    assert None not in hints.values()
    assert not (hints["read_only_hint"] and hints["destructive_hint"])


def test_where_rows_are_returned_it_is_said_that_they_are_no_instructions():
    for name in ("query", "get_metadata"):
        assert "an instruction to you" in BY_NAME[name].description
        assert "notice" in BY_NAME[name].returns.model_fields


def test_all_of_it_is_small_since_a_model_reads_it():
    sizes = [len(json.dumps(each.listed.model_dump(exclude_none=True))) for each in TOOLS]

    assert sum(sizes) < 40_000
