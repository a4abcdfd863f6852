"""Case API v1: limit and offset, ordered by one date. An unknown filter matches nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from commcare_sandbox.hq.case_filters import of_type, only_in_location
from commcare_sandbox.hq.case_v2 import is_visible
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data.cases import FAMILIES, PERIOD, Case, is_closed, to_v1
from commcare_sandbox.hq.data.collection import Collection, Query
from commcare_sandbox.hq.filters import V1_RESERVED, Filters, nothing, v1_bound
from commcare_sandbox.hq.tastypie import page
from commcare_sandbox.http_types import HTTPError, Response, bad_request

MOST = 5000
R = TypeVar("R")
Test = Callable[[Case], bool]

DATES = {
    "indexed_on": "indexed_on",
    "server_date_modified": "server_last_modified",
    "server_modified_on": "server_last_modified",
    "date_modified": "last_modified",
}
_TESTS: dict[str, Callable[[str], Test]] = {
    "owner_id": lambda value: lambda case: (case.owner_id or case.user_id or "").lower() == value,
    "user_id": lambda value: lambda case: (case.user_id or "").lower() == value,
    "name": lambda value: lambda case: case.case_name.lower() == value,
    "external_id": lambda value: lambda case: (case.external_id or "").lower() == value,
}


def _query(context: Context) -> Query[Case]:
    filters: Filters[Case] = Filters(PERIOD)
    for name, value in dict(context.request.params).items():
        if name not in V1_RESERVED and not name.endswith("__full"):
            _add(filters, name, value)
    only_in_location(context, filters)
    return filters.query()


def _add(filters: Filters[Case], name: str, value: str) -> None:
    plain = name.removesuffix(".exact")
    if bound := v1_bound(name, value, DATES):
        filters.date_range(bound)
    elif plain in ("type", "case_type"):
        known = {case_type for case_type, _ in FAMILIES if case_type == value.lower()}
        of_type(filters, known or {value.lower()})
    elif plain == "closed":
        closed = value.lower() == "true"
        filters.by_number(lambda at: is_closed(at) == closed, lambda case: case.closed == closed)
    else:
        test = _TESTS.get(plain)
        filters.test(f"{name}={value}", test(value.lower()) if test else nothing)


def case_list_v1(context: Context) -> Response:
    """Return a page of cases."""
    query = _query(context)
    field, descending = order(context, DATES, "server_date_modified")
    cases = context.domain.cases
    total = cases.count(query)

    def fetch(offset: int, limit: int) -> list[dict[str, Any]]:
        found = ordered(context, cases, query, (field, descending), (offset, limit, total))
        return [_full(context, case) for case in found]

    return page(context, total, fetch, most=MOST)


def case_detail_v1(context: Context) -> Response:
    """Return one case."""
    case = context.domain.cases.get(context.request.path_params["id"])
    if case is None or not is_visible(context, case):
        raise HTTPError(404)
    return Response(_full(context, case))


def order(context: Context, fields: dict[str, str], usual: str) -> tuple[str, bool]:
    """Return the date field that orders the list, and whether descending."""
    requested = context.request.get("order_by", usual) or usual
    name = requested.removeprefix("-")
    if name not in fields:
        raise bad_request(f"No matching '{name}' field for ordering on.")
    return fields[name], requested.startswith("-")


def ordered(
    context: Context,
    collection: Collection[R],
    query: Query[R],
    by: tuple[str, bool],
    part: tuple[int, int, int],
) -> list[R]:
    """Return a slice (offset, limit, total) of a collection in an order (field, descending)."""
    (field, descending), (offset, limit, total) = by, part
    switches = context.hq.switches
    if offset + limit > switches.search_window and offset:
        message = "Result window is too large, from + size must be less than or equal to: "
        raise HTTPError(500, {"error_message": f"{message}[{switches.search_window}]"})
    turn = context.hq.request_log.total if switches.unstable_ties else 0
    if not descending:
        return collection.slice(query, field, offset, limit, turn)
    first = max(total - offset - limit, 0)
    found = collection.slice(query, field, first, max(total - offset - first, 0), turn)
    return found[::-1]


def _full(context: Context, case: Case) -> dict[str, Any]:
    domain, cases = context.domain.name, context.domain.cases
    body = to_v1(case, domain)
    if context.request.get("parent_cases__full") == "true":
        parents = {name: cases.get(link["case_id"]) for name, link in case.indices.items()}
        body["parent_cases"] = {
            name: to_v1(parent, domain) for name, parent in parents.items() if parent
        }
    for name in ("child_cases", "xforms_by_name", "xforms_by_xmlns"):
        if context.request.get(f"{name}__full") == "true":
            body[name] = {}
    return body
