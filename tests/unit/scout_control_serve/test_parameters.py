"""Parameters that an endpoint does not have are refused, on each endpoint by the same means."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from scout_control.errors import SettingsError
from scout_control.serve.parameters import SENT_BY_OTHERS, check_names, check_query, names_of
from scout_control.serve.routers import ROUTERS
from starlette.requests import Request
from support.asgi import application, ask

ROUTES = [route for router in ROUTERS for route in router.routes if route.include_in_schema]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (["projet"], "There is no parameter 'projet' here. Did you mean project?"),
        (["PROJECT"], "There is no parameter 'PROJECT' here. Did you mean project?"),
        (["limits", "projet"], "Did you mean limit instead of limits, project instead of projet?"),
        (["xyz"], "There is no parameter 'xyz' here. The parameters are: after, limit, project."),
        ([""], "There is no parameter '' here. The parameters are: after, limit, project."),
        (["limit", "after", "limit"], "The parameter limit was sent more than once."),
        (["x" * 10_000], f"There is no parameter '{'x' * 50}' here."),
        (["a\r\nb"], "There is no parameter 'a\\\\r\\\\nb' here."),
    ],
)
def test_what_is_unknown_is_named_with_what_it_probably_means(sent, said):
    with pytest.raises(SettingsError) as raised:
        check_names(sent, {"project", "limit", "after"})

    assert said.replace("\\\\", "\\") in str(raised.value)


def test_many_unknown_ones_make_no_long_message():
    with pytest.raises(SettingsError) as raised:
        check_names([f"{'x' * 90}{number}" for number in range(1000)], ())

    assert len(str(raised.value)) < 400
    assert raised.value.remedy == "Send none."


def test_known_ones_may_be_sent_or_left_out():
    check_names([], {"limit"})
    check_names(["limit", "after"], {"after", "limit", "project"})


def described(route):
    """Return the parameters of the address that the OpenAPI document has for a route."""
    app, router = FastAPI(), APIRouter()
    router.routes.append(route)
    app.include_router(router)
    [operations] = app.openapi()["paths"].values()
    [operation] = operations.values()
    return {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.methods} {route.path}")
def test_what_an_endpoint_takes_is_what_the_openapi_document_says(route):
    assert set(names_of(route.dependant)) == described(route)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.methods} {route.path}")
def test_each_endpoint_refuses_a_parameter_that_it_does_not_have(route):
    scope = {"type": "http", "route": route, "query_string": b"none=1", "headers": []}
    if SENT_BY_OTHERS in (route.openapi_extra or {}):
        return check_query(Request(scope))
    with pytest.raises(SettingsError, match="no parameter 'none'"):
        check_query(Request(scope))
    return None


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return application(tmp_path_factory.mktemp("app"))


@pytest.mark.parametrize("path", ["/health", "/api/datasources/health", "/api/datasources/health/"])
def test_a_probe_refuses_parameters_too(app, path):
    assert ask(app, path).status == 200
    answer = ask(app, f"{path}?verbose=1")
    assert (answer.status, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["datasets/", "datasets/x/", "sync-jobs/x/events/"])
def test_who_is_not_signed_in_is_told_only_that(app, path):
    assert ask(app, f"/api/datasources/{path}?none=1").status == 401
