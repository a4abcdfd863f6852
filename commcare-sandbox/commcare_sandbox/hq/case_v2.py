"""Case API v2: cursor list, one case, several cases, by external id, and bulk-fetch."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from commcare_sandbox.hq.case_filters import case_query, in_location
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.cases import Case, to_v2
from commcare_sandbox.hq.data.collection import FOREVER, DateRange, Key, Query
from commcare_sandbox.hq.date_filters import intersect
from commcare_sandbox.http_types import HTTPError, Pairs, Response, bad_request

MOST = 5000
_LAST = "last_case_id"
_FROM = "indexed_on.gte"


def case_list(context: Context) -> Response:
    """Return a page of cases in the order of indexed_on."""
    for case_id in context.domain.some_cases(context.hq.switches.churn):
        context.domain.edit_case(case_id, {"properties": {"churned": "yes"}})
    params, key = _read_cursor(context)
    limit = _limit(params)
    query = case_query(context, params)
    cap = context.hq.switches.page_cap
    limit = min(limit, cap) if cap else limit
    cases = context.domain.cases.page_after(query, key, limit)
    total = context.domain.cases.count(query) - _already_returned(context, query, key)
    format_case = formatter(context, params)
    body: dict[str, Any] = {
        "matching_records": total,
        "cases": [format_case(case) for case in cases],
    }
    if _has_next(context, len(cases), limit, total):
        body["next"] = _next(context, params, cases[-1])
    return Response(body)


def _has_next(context: Context, found: int, limit: int, total: int) -> bool:
    if context.hq.switches.old_case_list:
        return total > found > 0
    # Since June 2025 a full page has a next link, so the last one can lead to an empty page.
    return found == limit > 0


def _already_returned(context: Context, query: Query[Case], key: Key) -> int:
    """Return how many cases the old list no longer counts: those on earlier pages."""
    if not context.hq.switches.old_case_list or key[0] == -FOREVER:
        return 0
    cases = context.domain.cases
    earlier = replace(
        query, date_ranges=intersect([*query.date_ranges, DateRange("indexed_on", high=key[0] - 1)])
    )
    same = replace(
        query, date_ranges=intersect([*query.date_ranges, DateRange("indexed_on", *(key[0],) * 2)])
    )
    tied = cases.page_after(same, (-FOREVER, ""), cases.count(same))
    return cases.count(earlier) + sum(case.case_id <= key[1] for case in tied)


def _read_cursor(context: Context) -> tuple[Pairs, Key]:
    """Return the list's parameters, and the key of the case that the page starts after.

    Parameters next to a cursor are ignored.
    """
    params = context.request.params
    cursor = context.request.get("cursor")
    if cursor is None:
        return params, (-FOREVER, "")
    try:
        inside = parse_qsl(base64.b64decode(cursor, validate=True).decode(), keep_blank_values=True)
    except (binascii.Error, UnicodeDecodeError):
        raise bad_request("Unable to decode cursor.") from None
    last = next((value for name, value in inside if name == _LAST), "")
    # The cursor's own indexed_on.gte comes after the client's, and Django reads the first of two:
    # HQ then returns the first page again. The switch reproduces it, otherwise the last one counts.
    starts = [value for name, value in inside if name == _FROM]
    own = [pair for pair in inside if pair[0] != _LAST]
    if not starts or not starts[-1].isdecimal():
        raise bad_request("Unable to decode cursor.")
    if len(starts) > 1 and context.hq.switches.gte_duplicate_page:
        return [pair for pair in own if pair != (_FROM, starts[-1])], (-FOREVER, "")
    at = len(own) - 1 - [name for name, _ in reversed(own)].index(_FROM)
    return own[:at] + own[at + 1 :], (int(starts[-1]), last)


def _next(context: Context, params: Pairs, last: Case) -> str:
    stamp = timestamps.read(last.indexed_on) // 1000
    kept = params
    if context.request.get("cursor") is not None and context.hq.switches.gte_duplicate_page:
        kept = [pair for pair in params if pair[0] != _FROM]
    inside = urlencode([*kept, (_FROM, stamp), (_LAST, last.case_id)])
    query = urlencode({"cursor": base64.b64encode(inside.encode()).decode()})
    return context.link(query, "absolute")


def _limit(params: Pairs) -> int:
    text = next((value for name, value in reversed(params) if name == "limit"), "20")
    try:
        limit = int(text)
    except ValueError:
        raise bad_request(f"'{text}' is not a valid value for 'limit'") from None
    if limit > MOST:
        raise bad_request(f"You cannot request more than {MOST} cases per request.")
    if limit < 0:
        raise bad_request(f"'{text}' is not a valid value for 'limit'")
    return limit


def formatter(context: Context, params: Pairs) -> Callable[[Case], dict[str, Any]]:
    """Return the function that formats a case, limited to ``fields`` or without ``exclude``."""
    domain = context.domain.name
    chosen = {
        way: [value for name, value in params if name == way or name.startswith(f"{way}.")]
        for way in ("fields", "exclude")
    }
    if chosen["fields"] and chosen["exclude"]:
        raise bad_request("You cannot specify both 'fields' and 'exclude'")
    wanted, unwanted = _paths(params, "fields"), _paths(params, "exclude")
    if chosen["fields"]:
        return lambda case: _only(to_v2(case, domain), wanted)
    if chosen["exclude"]:
        return lambda case: _without(to_v2(case, domain), unwanted)
    return lambda case: to_v2(case, domain)


def _paths(params: Pairs, way: str) -> list[tuple[str, ...]]:
    paths = []
    for name, value in params:
        if name == way or name.startswith(f"{way}."):
            parent_id = tuple(name.split(".")[1:])
            paths += [(*parent_id, *part.split(".")) for part in value.split(",") if part]
    return paths


def _only(body: dict[str, Any], paths: list[tuple[str, ...]]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for head in dict.fromkeys(path[0] for path in paths):
        deeper = [path[1:] for path in paths if path[0] == head]
        if head not in body:
            continue
        inside = body[head]
        if () in deeper or not isinstance(inside, dict):
            kept[head] = inside
        else:
            kept[head] = _only(inside, deeper)
    return kept


def _without(body: dict[str, Any], paths: list[tuple[str, ...]]) -> dict[str, Any]:
    left = {name: value for name, value in body.items() if (name,) not in paths}
    for name, value in left.items():
        deeper = [path[1:] for path in paths if path[0] == name and len(path) > 1]
        if deeper and isinstance(value, dict):
            left[name] = _without(value, deeper)
    return left


def case_detail(context: Context) -> Response:
    """Return one case, or several if the path has comma-separated ids."""
    wanted = context.request.path_params["id"]
    format_case = formatter(context, context.request.params)
    if "," in wanted:
        return _many(context, [each for each in wanted.split(",") if each], [])
    case = context.domain.cases.get(wanted)
    if case is None:
        raise HTTPError(404, {"error": f"Case '{wanted}' not found"})
    if not is_visible(context, case):
        raise HTTPError(403, {"error": f"Insufficient permission for Case '{wanted}'"})
    return Response(format_case(case))


def case_by_external_id(context: Context) -> Response:
    """Return the case with an external id, which must be unique."""
    wanted = context.request.path_params["id"]
    found = _by_external_id(context, wanted)
    if not found:
        raise HTTPError(404, {"error": f"Case '{wanted}' not found"})
    if len(found) > 1:
        raise bad_request(f"Multiple cases found with external_id '{wanted}'")
    return Response(formatter(context, context.request.params)(found[0]))


def bulk_fetch(context: Context) -> Response:
    """Return the cases with the ids or external ids in the body, in that order."""
    try:
        body = msgspec.json.decode(context.request.body)
    except msgspec.DecodeError:
        raise bad_request("Payload must be valid JSON") from None
    if not isinstance(body, dict):
        raise bad_request("Payload must be a single JSON object")
    requested = [body.get("case_ids") or [], body.get("external_ids") or []]
    if not all(isinstance(ids, list) for ids in requested):
        raise bad_request("'case_ids' and 'external_ids' must be lists")
    if not any(requested):
        raise bad_request("Payload must include 'case_ids' or 'external_ids' fields")
    if sum(map(len, requested)) > MOST:
        raise bad_request(f"You cannot request more than {MOST} cases per request.")
    return _many(context, requested[0], requested[1])


def _many(context: Context, case_ids: list[Any], external_ids: list[Any]) -> Response:
    format_case = formatter(context, context.request.params)
    found: list[dict[str, Any]] = []
    missing = 0
    requested = [("case_id", str(each)) for each in case_ids]
    requested += [("external_id", str(each)) for each in external_ids]
    for name, wanted in requested:
        if name == "case_id":
            case = context.domain.cases.get(wanted)
        else:
            case = next(iter(_by_external_id(context, wanted)), None)
        if case is None or not is_visible(context, case):
            missing += 1
            found.append({name: wanted, "error": "not found"})
        else:
            found.append(format_case(case))
    response = {"matching_records": len(found) - missing, "missing_records": missing}
    return Response(response | {"cases": found})


def _by_external_id(context: Context, wanted: str) -> list[Case]:
    """Return the first cases with an external id, two at most."""
    query = case_query(context, [("external_id", wanted)])
    return context.domain.cases.page_after(query, (-FOREVER, ""), 2)


def is_visible(context: Context, case: Case) -> bool:
    """Return whether the user's locations include a case."""
    return not context.hq.switches.location_restricted or in_location(context, case)
