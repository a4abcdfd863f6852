"""Messaging events, ordered by date or last activity, with cursor pagination."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.messaging_events import (
    CONTENT_TYPES,
    SOURCES,
    Event,
    messaging_events,
)
from commcare_sandbox.hq.date_filters import v2_date_range
from commcare_sandbox.http_types import HTTPError, Pairs, Response, bad_request

USUAL, MOST = 20, 5000
DATES = ("date", "date_last_activity")
_LAST = "cursor_last_id"
_AT = "cursor_last_date"
_PAGING = ("limit", "cursor", "order_by")
_CHOICES = {"content_type": CONTENT_TYPES, "source": SOURCES}


def event_list(context: Context) -> Response:
    """Return a page of events."""
    params, after = _read_cursor(context)
    limit = _limit(params)
    requested = next((value for name, value in params if name == "order_by"), DATES[0])
    field, is_descending = requested.removeprefix("-"), requested.startswith("-")
    if field not in DATES:
        raise bad_request(f"'{requested}' is not a valid value for 'order_by'")
    events = [each for each in _all_events(context) if _passes(each, params)]
    events.sort(key=lambda event: _sort_key(event, field), reverse=is_descending)
    if after is not None:
        behind: Callable[[Any], bool] = after.__gt__ if is_descending else after.__lt__
        events = [event for event in events if behind(_sort_key(event, field))]
    page = events[:limit]
    next_link = None
    if page and len(page) == limit:
        at, last = _sort_key(page[-1], field)
        inside = urlencode([*params, (_AT, at), (_LAST, last)])
        cursor = base64.b64encode(inside.encode()).decode()
        next_link = context.link(urlencode({"cursor": cursor}), "absolute")
    return Response({"objects": page, "meta": {"limit": limit, "next": next_link}})


def event_detail(context: Context) -> Response:
    """Return one event."""
    for event in _all_events(context):
        if str(event["id"]) == context.request.path_params["id"]:
            return Response(event)
    raise HTTPError(404, {"error": "Not found"})


def _all_events(context: Context) -> list[Event]:
    return messaging_events(context.domain.name, context.domain.seed)


def _sort_key(event: Event, field: str) -> tuple[int, int]:
    return timestamps.read(event[field]), event["id"]


def _read_cursor(context: Context) -> tuple[Pairs, tuple[int, int] | None]:
    """Return the list's parameters, and the key of the event that the page starts after."""
    cursor = context.request.get("cursor")
    if cursor is None:
        return context.request.params, None
    try:
        inside = parse_qsl(base64.b64decode(cursor, validate=True).decode(), keep_blank_values=True)
        found = dict(inside)
        after = int(found[_AT]), int(found[_LAST])
    except (binascii.Error, UnicodeDecodeError, KeyError, ValueError):
        raise bad_request("Invalid cursor.") from None
    return [pair for pair in inside if pair[0] not in (_AT, _LAST)], after


def _limit(params: Pairs) -> int:
    text = next((value for name, value in reversed(params) if name == "limit"), str(USUAL))
    if not text.isdecimal():
        raise bad_request(f"'{text}' is not a valid value for 'limit'")
    return min(int(text) or MOST, MOST)


def _passes(event: Event, params: Pairs) -> bool:
    return all(_fits(event, name, params) for name in dict(params) if name not in _PAGING)


def _fits(event: Event, name: str, params: Pairs) -> bool:
    values = [value for key, value in params if key == name]
    field, _, comparison = name.partition(".")
    if field in DATES and comparison:
        at = timestamps.read(event[field]) // 1000
        date_ranges = [v2_date_range(field, comparison, value) for value in values]
        return all(date_range.low <= at <= date_range.high for date_range in date_ranges)
    if name in _CHOICES and not set(",".join(values).split(",")) <= {*_CHOICES[name]}:
        raise HTTPError(500, {"error_message": "Sorry, this request could not be processed."})
    if name not in _VALUES:
        raise bad_request(f"'{name}' is not a valid parameter.")
    return bool(_VALUES[name](event) & {*",".join(values).split(",")})


_VALUES: dict[str, Callable[[Event], set[str | None]]] = {
    "content_type": lambda event: {event["content_type"]},
    "source": lambda event: {event["source"]["type"]},
    "status": lambda event: {event["status"]},
    "error_code": lambda event: {event["error"] and event["error"]["code"]},
    "phone_number": lambda event: {each["phone_number"] for each in event["messages"]},
    "email_address": lambda event: {each["email_address"] for each in event["messages"]},
    "case_id": lambda event: {event["case_id"]},
}
