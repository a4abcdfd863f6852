"""HQ's tastypie envelope: meta and objects, limit and offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from commcare_sandbox.hq.context import Context
from commcare_sandbox.http_types import Response, bad_request

DEFAULT_LIMIT, MAX_LIMIT = 20, 1000
Fetch = Callable[[int, int], list[Any]]


def page_bounds(context: Context, default: int, most: int) -> tuple[int, int]:
    """Return the effective limit and the offset of a request.

    Raises:
        HTTPError: One of them is not a number from 0 on.
    """
    limit = int_param(context, "limit", default)
    offset = int_param(context, "offset", 0)
    limit = min(limit or most, most)
    cap = context.hq.switches.page_cap
    return (min(limit, cap) if cap else limit), offset


def int_param(context: Context, name: str, default: int) -> int:
    """Return a parameter that is an integer >= 0.

    Raises:
        HTTPError: It is not.
    """
    text = context.request.get(name)
    if text is None:
        return default
    requested = f"Invalid {name} '{_escaped(text)}' provided. Please provide "
    try:
        number = int(text)
    except ValueError:
        kind = "a positive integer." if name == "limit" else "an integer."
        raise bad_request(requested + kind) from None
    if number < 0:
        raise bad_request(requested + "a positive integer >= 0.")
    return number


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def page(
    context: Context,
    total: int,
    fetch: Fetch,
    default: int = DEFAULT_LIMIT,
    most: int = MAX_LIMIT,
) -> Response:
    """Return one page of a list; ``fetch`` is called with offset and limit."""
    limit, offset = page_bounds(context, default, most)
    next_offset = offset + limit if limit and offset + limit < total else None
    count_below = offset - limit if limit and offset - limit >= 0 else None
    meta = {
        "limit": limit,
        "next": _link(context, limit, next_offset),
        "offset": offset,
        "previous": _link(context, limit, count_below),
        "total_count": total,
    }
    return Response({"meta": meta, "objects": fetch(offset, limit)})


def paginated(
    context: Context, objects: list[Any], default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT
) -> Response:
    """Return one page of a list in memory."""
    return page(context, len(objects), lambda at, limit: objects[at : at + limit], default, most)


def unpaginated(objects: list[Any], meta: dict[str, Any]) -> Response:
    """Return a complete list in one page."""
    return Response({"meta": meta, "objects": objects})


def _link(context: Context, limit: int, offset: int | None) -> str | None:
    if offset is None:
        return None
    kept = [(name, value) for name, value in context.request.params if name not in _PAGING]
    query = urlencode([*kept, ("limit", limit), ("offset", offset)])
    return context.link(query, "path" if context.optional_domain is None else "bare")


_PAGING = ("limit", "offset")
