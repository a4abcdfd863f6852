"""The OpenAPI document: what every endpoint says of itself, bounds, and that secrets go one way."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from scout_control.access.pages import LIMIT, MOST
from scout_control.rules.permissions import TABLE
from scout_control.serve import operations
from scout_control.serve.routers import ROUTERS

BASE = "/api/datasources/"
SHOWN_ONCE = {"NewToken", "ReaderUrl"}
"""Forms of responses whose purpose is a secret."""
SECRET = re.compile(r"password|secret$|api_key|^token$|private_key|^login$")
NO_SECRETS = {"has_client_secret", "new_password"}
NOT_BY_CONDITION = {
    # The login of tools and tokens are ended whatever they are.
    *("datasets.revoke_url", "tokens.revoke"),
}


def document():
    app = FastAPI(separate_input_output_schemas=False)
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()


DOCUMENT = document()
FORMS = DOCUMENT["components"]["schemas"]
ENDPOINTS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
OFFERED = {name: each for name, each in ENDPOINTS.items() if each[1].startswith(BASE)}


def resolved(schema):
    """Return a schema without references at its top."""
    while "$ref" in schema:
        schema = FORMS[schema["$ref"].rpartition("/")[2]]
    return schema


def parts(schema, seen=()):
    """Yield a schema and all schemas in it, with their names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from parts(FORMS[name], (*seen, name))
        return
    for name, each in schema.get("properties", {}).items():
        yield name, each
        yield from parts(each, seen)
    for each in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield "", each
        yield from parts(each, seen)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield key, schema[key]
            yield from parts(schema[key], seen)


def body_of(operation):
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def response_of(operation):
    good = next(each for status, each in operation["responses"].items() if status < "300")
    return good.get("content", {}).get("application/json", {}).get("schema")


WITH_BODY = {name for name, each in OFFERED.items() if body_of(each[2])}
LISTS = {
    name
    for name, (method, _, operation) in OFFERED.items()
    if method == "get" and "items" in resolved(response_of(operation) or {}).get("properties", {})
}


def test_there_are_endpoints_lists_and_bodies():
    assert len(OFFERED) > 70
    assert len(LISTS) > 15
    assert len(WITH_BODY) > 20


@pytest.mark.parametrize("name", OFFERED)
def test_an_endpoint_says_what_it_does_who_may_and_how_it_fails(name):
    method, path, operation = OFFERED[name]
    permission = operation[operations.EXTENSION]
    rule = TABLE[permission["operation"]]

    assert path.endswith("/")
    assert operation["description"].strip().endswith(".")
    assert operation["security"]
    assert rule.is_offered
    assert permission["scope"] == operations.SCOPES[rule.scope]
    expected = {"401", "403", "404", "422", "503"} | ({"409", "412"} if method != "get" else set())
    assert expected <= set(operation["responses"])
    for status, response in operation["responses"].items():
        if status >= "400":
            schema = response["content"]["application/json"]["schema"]
            assert schema["$ref"].endswith("/Failure") or status == "422"


@pytest.mark.parametrize("name", OFFERED)
def test_an_endpoint_that_changes_something_needs_more_than_reading(name):
    method, path, operation = OFFERED[name]
    comes_back = path.endswith("/oauth/callback/")  # a source sends the browser there
    reads = (method == "get" and not comes_back) or path.endswith(("/query/", "/plan/"))
    scope = operation[operations.EXTENSION]["scope"]

    assert (scope == "read") == reads


@pytest.mark.parametrize("name", sorted(LISTS - {"runs.logs"}))
def test_a_list_has_pages_of_bounded_size(name):
    parameters = {each["name"]: each for each in OFFERED[name][2]["parameters"]}

    assert "next" in resolved(response_of(OFFERED[name][2]))["properties"]
    limit = parameters["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, MOST, LIMIT)
    assert "after" in parameters


@pytest.mark.parametrize(
    "name", [n for n, (method, *_) in OFFERED.items() if method in {"patch", "delete"}]
)
def test_a_change_or_removal_can_be_conditional(name):
    names = {each["name"] for each in OFFERED[name][2]["parameters"]}

    assert ("if-match" in names) == (name not in NOT_BY_CONDITION)


def is_bounded(schema):
    """Return whether texts, lists and objects of a request have a largest size."""
    if "enum" in schema or "const" in schema or "anyOf" in schema or "$ref" in schema:
        return True
    kind = schema.get("type")
    if kind == "string":
        return "maxLength" in schema or schema.get("format") == "date-time"
    if kind == "array":
        return "maxItems" in schema
    if kind == "object" and "properties" not in schema:
        return "maxProperties" in schema
    return kind != "integer" or "maximum" in schema


@pytest.mark.parametrize("name", sorted(WITH_BODY))
def test_everything_in_a_request_is_bounded_and_nothing_else_is_accepted(name):
    schema = body_of(OFFERED[name][2])
    forms = [resolved(each) for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]

    assert all(each["additionalProperties"] is False for each in forms)
    found = [(field, each) for form in forms for field, each in parts(form)]
    assert found
    # What is inside settings is bounded by the size of the body, and by its depth.
    assert [field for field, each in found if not is_bounded(each)] == []


@pytest.mark.parametrize("name", OFFERED)
def test_a_parameter_is_bounded(name):
    for each in OFFERED[name][2].get("parameters", ()):
        schemas = each["schema"].get("anyOf", [each["schema"]])
        unbounded = [s for s in schemas if s.get("type") != "boolean" and not is_bounded(s)]
        assert unbounded == [], each["name"]


@pytest.mark.parametrize("name", OFFERED)
def test_no_response_has_a_field_for_a_secret(name):
    schema = response_of(OFFERED[name][2])
    if schema is None or schema.get("$ref", "").rpartition("/")[2] in SHOWN_ONCE:
        return
    fields = {field for field, _ in parts(schema)} - NO_SECRETS

    assert not {each for each in fields if SECRET.search(each)}


@pytest.mark.parametrize("name", sorted(WITH_BODY))
def test_a_secret_in_a_request_is_marked_as_one(name):
    for field, schema in parts(body_of(OFFERED[name][2])):
        if SECRET.search(field) and field not in NO_SECRETS:
            values = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
            assert all(each.get("writeOnly") for each in values), field


def test_the_nouns_of_the_designs_are_there():
    paths = {path.removeprefix(BASE) for _, path, _ in OFFERED.values()}

    assert {
        *("connections/", "sources/", "types/", "project-sources/", "credentials/", "datasets/"),
        *("sync-jobs/", "pipelines/", "search-path/", "query/", "queries/"),
        *("datasets/{dataset}/sync/", "datasets/{dataset}/status/", "datasets/{dataset}/pause/"),
        *("datasets/{dataset}/touch/", "datasets/{dataset}/schema/", "datasets/{dataset}/rows/"),
        *("sync-jobs/{run}/cancel/", "sync-jobs/{run}/events/", "sync-jobs/{run}/logs/"),
        *("credentials/{credential}/check/", "credentials/{credential}/revoke/"),
        "credentials/{credential}/reauthorize/",
    } <= paths
