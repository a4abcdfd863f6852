"""Case API v1: limit and offset, ordered by one date."""

from __future__ import annotations

from typing import Any, TypeVar

from commcare_sandbox.hq.case_filters import V1_DATES, case_query_v1
from commcare_sandbox.hq.case_v2 import may_see
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.programme.cases import Case, shown_v1
from commcare_sandbox.hq.programme.collection import Collection, Query
from commcare_sandbox.hq.tastypie import page
from commcare_sandbox.wire import Answer, RefusalError, bad_request

MOST = 5000
R = TypeVar("R")


def case_list_v1(context: Context) -> Answer:
    """Answer a page of cases."""
    query = case_query_v1(context, context.call.params)
    field, descending = order(context, V1_DATES, "server_date_modified")
    if field == "last_modified":
        field = "server_last_modified"
    cases = context.space.cases
    total = cases.count(query)

    def fetch(offset: int, limit: int) -> list[dict[str, Any]]:
        found = ordered(context, cases, query, (field, descending), (offset, limit, total))
        return [_full(context, case) for case in found]

    return page(context, total, fetch, most=MOST)


def case_detail_v1(context: Context) -> Answer:
    """Answer one case."""
    case = context.space.cases.get(context.call.captured["id"])
    if case is None or not may_see(context, case):
        raise RefusalError(404)
    return Answer(_full(context, case))


def order(context: Context, fields: dict[str, str], usual: str) -> tuple[str, bool]:
    """Return by which of the collection's dates a list is ordered, and whether descending."""
    wish = context.call.get("order_by", usual) or usual
    name = wish.removeprefix("-")
    if name not in fields:
        raise bad_request(f"No matching '{name}' field for ordering on.")
    return fields[name], wish.startswith("-")


def ordered(
    context: Context,
    collection: Collection[R],
    query: Query[R],
    by: tuple[str, bool],
    part: tuple[int, int, int],
) -> list[R]:
    """Return a part (offset, limit, total) of a collection in an order (field, descending)."""
    (field, descending), (offset, limit, total) = by, part
    switches = context.world.switches
    if offset + limit > switches.search_window and offset:
        message = "Result window is too large, from + size must be less than or equal to: "
        raise RefusalError(500, {"error_message": f"{message}[{switches.search_window}]"})
    turn = context.world.journal.total if switches.unstable_ties else 0
    if not descending:
        return collection.slice(query, field, offset, limit, turn)
    first = max(total - offset - limit, 0)
    found = collection.slice(query, field, first, max(total - offset - first, 0), turn)
    return found[::-1]


def _full(context: Context, case: Case) -> dict[str, Any]:
    domain, cases = context.space.name, context.space.cases
    shown = shown_v1(case, domain)
    if context.call.get("parent_cases__full") == "true":
        parents = {name: cases.get(link["case_id"]) for name, link in case.indices.items()}
        shown["parent_cases"] = {
            name: shown_v1(parent, domain) for name, parent in parents.items() if parent
        }
    for name in ("child_cases", "xforms_by_name", "xforms_by_xmlns"):
        if context.call.get(f"{name}__full") == "true":
            shown[name] = {}
    return shown
