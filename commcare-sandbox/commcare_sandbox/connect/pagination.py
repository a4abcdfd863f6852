"""Keyset pages over ids that may be hidden, and the link to the next one."""

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
class Asked:
    """Which page."""

    last_id: int | None
    size: int
    is_reverse: bool


def asked(context: Context) -> Asked:
    """Read the parameters of a page.

    Raises:
        RefusalError: 400 with the field's errors.
    """
    order = context.request.get("cursor_order", "forward")
    if order not in {"forward", "reverse"}:
        raise HTTPError(400, {"cursor_order": [f'"{order}" is not a valid choice.']})
    last_id = _number(context, "last_id")
    size = _number(context, "page_size") or _DEFAULT_SIZE
    return Asked(last_id, min(size, context.switches.connect_page_cap), order == "reverse")


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


def page(context: Context, table: Table, shown: Callable[[Row], Row]) -> Response:
    """Return one page of a table, made anew or as it was kept."""
    accepts = "gzip" in context.request.headers.get("accept-encoding", "")
    if not (context.switches.connect_keep_pages and accepts):
        return _made(context, table, shown)
    kept = context.connect.pages
    key = context.connect.store.edition, context.request.path, *context.request.params
    if key not in kept:
        kept[key] = gzip.compress(_made(context, table, shown).encoded(), compresslevel=1)
    return Response(kept[key], headers={"Content-Encoding": "gzip"})


def _made(context: Context, table: Table, shown: Callable[[Row], Row]) -> Response:
    """Make one page; a row beyond it decides whether there is a next one."""
    wish = asked(context)
    found = table.page(wish.last_id, wish.size + 1, reverse=wish.is_reverse)
    kept = found[: wish.size]
    following = _link(context, kept[-1][0], wish) if len(found) > wish.size else None
    return Response({"next": following, "results": [shown(row) for _, row in kept]})


def listed(context: Context, rows: list[dict[str, Any]]) -> Response:
    """Return one page of a list that shows its ids."""
    wish = asked(context)
    after = wish.last_id
    ordered = sorted(rows, key=lambda row: row["id"], reverse=wish.is_reverse)
    if after is not None:
        ordered = [r for r in ordered if (r["id"] < after if wish.is_reverse else r["id"] > after)]
    kept = ordered[: wish.size]
    following = _link(context, kept[-1]["id"], wish) if len(ordered) > wish.size else None
    return Response({"next": following, "results": kept})


def _link(context: Context, last_id: int, wish: Asked) -> str:
    """Write the link: the query as it came, the cursor's parameters replaced or appended."""
    new = {
        "last_id": str(last_id),
        "page_size": str(wish.size),
        "cursor_order": "reverse" if wish.is_reverse else "forward",
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
