"""What is answered in one document: the list of everything, details, apps, Labs records."""

from __future__ import annotations

import json
from typing import Any

from commcare_sandbox.connect import guard, pages
from commcare_sandbox.connect.context import Request
from commcare_sandbox.connect.estate import apps
from commcare_sandbox.connect.switches import ids
from commcare_sandbox.wire import JSON_TYPE, Answer, RefusalError

_NEW_IN_JULY = ("funder", "watchers", "supervising_organization")
_LABS_FILTERS = ("type", "experiment", "id", "public", "labs_record_id")
_LABS_SCOPES = ("opportunity_id", "program_id", "organization_id")


class BrokenDetailError(Exception):
    """A detail that the serializer cannot write: the real server fails with 500."""


def everything(request: Request) -> Answer:
    """List organizations, opportunities and programs; Django's JSON, not the API's."""
    estate, switches = request.connect.estate, request.switches
    unlisted = ids(switches.connect_unlisted)
    opportunities = [
        item | ({"program": None} if switches.connect_no_program else {})
        for item in estate.opportunities()
        if item["id"] not in unlisted
    ]
    body = {
        "organizations": _as_of(request, estate.offers.organizations),
        "opportunities": _as_of(request, opportunities),
        "programs": _as_of(request, estate.offers.programs),
    }
    delay = switches.connect_list_ms / 1000
    return Answer(json.dumps(body).encode(), content_type=JSON_TYPE, seconds=delay)


def _as_of(request: Request, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    missing = _NEW_IN_JULY if request.switches.connect_old_fields else ()
    extra = {"is_test": False} if request.switches.connect_new_fields else {}
    return [
        {name: value for name, value in item.items() if name not in missing} | extra
        for item in items
    ]


def detail(request: Request) -> Answer:
    """Return one opportunity."""
    number = guard.opportunity(request)
    if number in ids(request.switches.connect_broken):
        raise BrokenDetailError
    return Answer(_detail(request, number))


def _detail(request: Request, number: int) -> dict[str, Any]:
    return request.connect.estate.detail(number, filled=request.switches.connect_payment_units)


def programs_of_organization(request: Request) -> Answer:
    """Return the programs of one organization; an unknown one has none."""
    offers = request.connect.estate.offers
    return pages.listed(request, _as_of(request, offers.programs_of(request.captured["slug"])))


def opportunities_of_program(request: Request) -> Answer:
    """Return the details of a program's opportunities; one broken detail breaks the page."""
    estate, program = request.connect.estate, int(request.captured["program"])
    if program not in {item["id"] for item in estate.offers.programs}:
        return pages.listed(request, [])
    numbers = [
        number
        for number in range(1, estate.sizes.opportunities + 1)
        if estate.offers.program_of(number) == program
    ]
    if ids(request.switches.connect_broken) & set(numbers):
        raise BrokenDetailError
    return pages.listed(request, [_detail(request, number) for number in numbers])


def app_structure(request: Request) -> Answer:
    """Return the learn and deliver apps as HQ describes them."""
    number = guard.opportunity(request)
    wanted = request.call.get("app_type", "both")
    if wanted not in {"learn", "deliver", "both"}:
        text = "Invalid app_type. Must be one of: learn, deliver, both"
        raise RefusalError(400, {"error": text})
    if number in ids(request.switches.connect_no_hq_key):
        raise RefusalError(404, {"error": "No HQ API key is configured for this opportunity"})
    if request.switches.connect_hq_down:
        raise RefusalError(502, {"error": "Failed to fetch the application from CommCare HQ"})
    found, estate = _detail(request, number), request.connect.estate
    return Answer(
        {
            name: None
            if wanted not in {kind, "both"} or found[name] is None
            else apps.application(found[name], kind, estate.sizes.visit_bytes)
            for name, kind in (("learn_app", "learn"), ("deliver_app", "deliver"))
        }
    )


def llo_entities(request: Request) -> Answer:
    """Return the entities of local organizations."""
    if not request.switches.connect_llo:
        raise request.refuse(404, "Not found.")
    names = (("Acme Entity", "ACM"), ("Blue Entity", None))
    return pages.listed(
        request,
        [{"id": at, "name": name, "short_name": s} for at, (name, s) in enumerate(names, 1)],
    )


def labs_records(request: Request) -> Answer:
    """Return records of Connect Labs: a bare list, and 500 for any other parameter."""
    for name, _ in request.call.params:
        if name not in (*_LABS_FILTERS, *_LABS_SCOPES) and not name.startswith("data__"):
            raise BrokenDetailError
    scope = next((name for name in _LABS_SCOPES if request.call.get(name)), None)
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
        request.captured["opportunity"] = request.call.get(scope) or "0"
        guard.opportunity(request)
    if scope:
        record[scope] = int(request.call.get(scope) or 0)
    return Answer([record])


def signed_url(request: Request) -> Answer:
    """Refuse: there is no S3 behind the sandbox."""
    guard.opportunity(request)
    return Answer(b"", 501)
