"""Keyset pagination by ids that the rows do not have to contain."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from commcare_sandbox.connect.context import Context
from commcare_sandbox.connect.data.tables import Row, Table
from commcare_sandbox.http_types import HTTPError, Pairs, Response

_DEFAULT_SIZE = 1000
_FOREIGN = "https://connect.invalid"


@dataclass(frozen=True)
class PageRequest:
    """Parameters of a page request."""

    last_id: int | None
    size: int
    is_reverse: bool


def read_page_request(context: Context) -> PageRequest:
    """Read the pagination parameters.

    Raises:
        HTTPError: 400 with the errors of the field.
    """
    order = context.request.get("cursor_order", "forward")
    if order not in {"forward", "reverse"}:
        raise HTTPError(400, {"cursor_order": [f'"{order}" is not a valid choice.']})
    last_id = _number(context, "last_id")
    size = _number(context, "page_size") or _DEFAULT_SIZE
    return PageRequest(last_id, min(size, context.switches.connect_page_cap), order == "reverse")


def _number(context: Context, name: str) -> int | None:
    text = context.request.get(name)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        raise HTTPError(400, {name: ["A valid integer is required."]}) from None
    if number < 1:
        raise HTTPError(400, {name: ["Ensure this value is greater than or equal to 1."]})
    return number


def page(context: Context, table: Table, format_row: Callable[[Row], Row]) -> Response:
    """Return one page of a table, from the cache if it is enabled."""
    accepts = "gzip" in context.request.headers.get("accept-encoding", "")
    if not (context.switches.connect_keep_pages and accepts):
        return _build(context, table, format_row)
    kept = context.connect.pages
    key = context.connect.store.edition, context.request.path, *context.request.params
    if key not in kept:
        kept[key] = gzip.compress(_build(context, table, format_row).encoded(), compresslevel=1)
    return Response(kept[key], headers={"Content-Encoding": "gzip"})


def _build(context: Context, table: Table, format_row: Callable[[Row], Row]) -> Response:
    """Build one page. One extra row is read to know whether there is a next page."""
    wanted = read_page_request(context)
    found = table.page(wanted.last_id, wanted.size + 1, reverse=wanted.is_reverse)
    kept = found[: wanted.size]
    following = _link(context, kept[-1][0], wanted) if len(found) > wanted.size else None
    return Response({"next": following, "results": [format_row(row) for _, row in kept]})


def paginated(context: Context, rows: list[dict[str, Any]]) -> Response:
    """Return one page of a list whose items have an ``id``."""
    wanted = read_page_request(context)
    after = wanted.last_id
    ordered = sorted(rows, key=lambda row: row["id"], reverse=wanted.is_reverse)
    if after is not None:
        ordered = [
            r for r in ordered if (r["id"] < after if wanted.is_reverse else r["id"] > after)
        ]
    kept = ordered[: wanted.size]
    following = _link(context, kept[-1]["id"], wanted) if len(ordered) > wanted.size else None
    return Response({"next": following, "results": kept})


def _link(context: Context, last_id: int, wanted: PageRequest) -> str:
    """Return the URL of the next page: the request's query with the cursor replaced or appended."""
    new = {
        "last_id": str(last_id),
        "page_size": str(wanted.size),
        "cursor_order": "reverse" if wanted.is_reverse else "forward",
    }
    pairs: Pairs = []
    for name, value in context.request.params:
        if name not in new:
            pairs.append((name, value))
        elif name not in dict(pairs):
            pairs.append((name, new[name]))
    pairs += [(name, value) for name, value in new.items() if name not in dict(pairs)]
    path = f"{context.request.path}?{urlencode(pairs)}"
    base = context.connect.base_url
    host = urlsplit(base).netloc
    return {
        "request": f"{base}{path}",
        "http": f"http://{host}{path}",
        "https": f"https://{host}{path}",
        "foreign": f"{_FOREIGN}{path}",
        "path": path,
    }[context.switches.connect_next]
