"""Endpoints that return one document: opportunity list and details, apps, Labs records."""

from __future__ import annotations

import json
from typing import Any

from commcare_sandbox.connect import auth, pagination
from commcare_sandbox.connect.context import Context
from commcare_sandbox.connect.data import apps
from commcare_sandbox.connect.switches import ids
from commcare_sandbox.http_types import JSON_TYPE, HTTPError, Response

_NEW_IN_JULY = ("funder", "watchers", "supervising_organization")
_LABS_FILTERS = ("type", "experiment", "id", "public", "labs_record_id")
_LABS_SCOPES = ("opportunity_id", "program_id", "organization_id")


class BrokenDetailError(Exception):
    """The serializer fails on this opportunity; production responds with 500."""


def all_rows(context: Context) -> Response:
    """Return organizations, opportunities and programs, formatted by Django's ``json.dumps``."""
    store, switches = context.connect.store, context.switches
    unlisted = ids(switches.connect_unlisted)
    opportunities = [
        item | ({"program": None} if switches.connect_no_program else {})
        for item in store.opportunities()
        if item["id"] not in unlisted
    ]
    body = {
        "organizations": _with_switches(context, store.directory.organizations),
        "opportunities": _with_switches(context, opportunities),
        "programs": _with_switches(context, store.directory.programs),
    }
    delay = switches.connect_list_ms / 1000
    return Response(json.dumps(body).encode(), content_type=JSON_TYPE, seconds=delay)


def _with_switches(context: Context, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    missing = _NEW_IN_JULY if context.switches.connect_old_fields else ()
    extra = {"is_test": False} if context.switches.connect_new_fields else {}
    return [
        {name: value for name, value in item.items() if name not in missing} | extra
        for item in items
    ]


def detail(context: Context) -> Response:
    """Return one opportunity."""
    number = auth.opportunity(context)
    if number in ids(context.switches.connect_broken):
        raise BrokenDetailError
    return Response(_detail(context, number))


def _detail(context: Context, number: int) -> dict[str, Any]:
    return context.connect.store.detail(number, filled=context.switches.connect_payment_units)


def programs_of_organization(context: Context) -> Response:
    """Return the programs of an organization; none if it is unknown."""
    directory = context.connect.store.directory
    return pagination.paginated(
        context, _with_switches(context, directory.programs_of(context.path_params["slug"]))
    )


def opportunities_of_program(context: Context) -> Response:
    """Return the details of a program's opportunities. One broken detail fails the page."""
    store, program = context.connect.store, int(context.path_params["program"])
    if program not in {item["id"] for item in store.directory.programs}:
        return pagination.paginated(context, [])
    numbers = [
        number
        for number in range(1, store.sizes.opportunities + 1)
        if store.directory.program_of(number) == program
    ]
    if ids(context.switches.connect_broken) & set(numbers):
        raise BrokenDetailError
    return pagination.paginated(context, [_detail(context, number) for number in numbers])


def app_structure(context: Context) -> Response:
    """Return the learn and deliver applications in HQ's format."""
    number = auth.opportunity(context)
    wanted = context.request.get("app_type", "both")
    if wanted not in {"learn", "deliver", "both"}:
        text = "Invalid app_type. Must be one of: learn, deliver, both"
        raise HTTPError(400, {"error": text})
    if number in ids(context.switches.connect_no_hq_key):
        raise HTTPError(404, {"error": "No HQ API key is configured for this opportunity"})
    if context.switches.connect_hq_down:
        raise HTTPError(502, {"error": "Failed to fetch the application from CommCare HQ"})
    detail = _detail(context, number)
    learn, deliver = detail["learn_app"], detail["deliver_app"]
    visit_bytes = context.connect.store.sizes.visit_bytes
    has_learn = learn is not None and wanted != "deliver"
    has_deliver = deliver is not None and wanted != "learn"
    return Response(
        {
            "learn_app": apps.learn_application(learn) if has_learn else None,
            "deliver_app": apps.deliver_application(deliver, visit_bytes) if has_deliver else None,
        }
    )


def llo_entities(context: Context) -> Response:
    """Return the local organizations' entities."""
    if not context.switches.connect_llo:
        raise context.refuse(404, "Not found.")
    names = (("Acme Entity", "ACM"), ("Blue Entity", None))
    return pagination.paginated(
        context,
        [{"id": at, "name": name, "short_name": s} for at, (name, s) in enumerate(names, 1)],
    )


def labs_records(context: Context) -> Response:
    """Return Connect Labs records; an unknown parameter gives 500, as in production."""
    for name, _ in context.request.params:
        if name not in (*_LABS_FILTERS, *_LABS_SCOPES) and not name.startswith("data__"):
            raise BrokenDetailError
    scope = next((name for name in _LABS_SCOPES if context.request.get(name)), None)
    record = {
        "id": 1,
        "username": None,
        "experiment": "audit",
        "opportunity_id": None,
        "organization_id": None,
        "program_id": None,
        "labs_record_id": None,
        "type": "AuditSession",
        "data": {"k": 1},
        "public": scope is None,
    }
    if scope == "opportunity_id":
        context.path_params["opportunity"] = context.request.get(scope) or "0"
        auth.opportunity(context)
    if scope:
        record[scope] = int(context.request.get(scope) or 0)
    return Response([record])


def signed_url(context: Context) -> Response:
    """Return 501: the sandbox has no S3."""
    auth.opportunity(context)
    return Response(b"", 501)
