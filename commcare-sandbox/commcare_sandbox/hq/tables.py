"""Lookup tables and their rows, reports, and rows of data sources."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, urlencode

from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.tastypie import int_param, paginated, unpaginated
from commcare_sandbox.http_types import HTTPError, Response, bad_request

REPORT_MOST = 50
SOURCE_USUAL, SOURCE_MOST = 1000, 10_000
Row = dict[str, Any]


def lookup_table_list(context: Context) -> Response:
    """Return the lookup tables."""
    return paginated(context, context.domain.tables.lookup_tables())


def lookup_table_detail(context: Context) -> Response:
    """Return one lookup table."""
    return _requested(context, context.domain.tables.lookup_tables())


def lookup_row_list(context: Context) -> Response:
    """Return the rows of all lookup tables."""
    return paginated(context, context.domain.tables.lookup_rows())


def lookup_row_detail(context: Context) -> Response:
    """Return one row of a lookup table."""
    return _requested(context, context.domain.tables.lookup_rows())


def fixture_list(context: Context) -> Response:
    """Return the rows of lookup tables, flattened where every field has one value."""
    rows = context.domain.tables.fixtures()
    tables = {table["id"]: table["tag"] for table in context.domain.tables.lookup_tables()}
    wanted = context.request.get("fixture_type") or tables.get(
        context.request.get("fixture_type_id") or "", context.request.get("fixture_type_id")
    )
    if wanted:
        rows = [row for row in rows if row["fixture_type"] == wanted]
    return paginated(context, rows, default=1000)


def fixture_detail(context: Context) -> Response:
    """Return one flattened row."""
    return _requested(context, context.domain.tables.fixtures())


def _requested(context: Context, rows: list[Row]) -> Response:
    for row in rows:
        if row["id"] == context.request.path_params["id"]:
            return Response(row)
    raise HTTPError(404)


def report_list(context: Context) -> Response:
    """Return the reports in one page."""
    reports = context.domain.tables.reports()
    return unpaginated(reports, {"total_count": len(reports)})


def report_data(context: Context) -> Response:
    """Return a page of a report; its expanded columns depend on the rows of the page."""
    tables, report_id = context.domain.tables, context.request.path_params["id"]
    if report_id not in tables.report_ids:
        raise HTTPError(404)
    limit = int_param(context, "limit", REPORT_MOST)
    offset = int_param(context, "offset", 0)
    if limit > REPORT_MOST:
        raise bad_request(f"Limit may not exceed {REPORT_MOST}.")
    rows = tables.report_rows(report_id)
    part = rows[offset : offset + limit]
    next_link = ""
    if limit and offset + limit < len(rows):
        kept = [(k, v) for k, v in context.request.params if k not in ("limit", "offset")]
        query = urlencode([*kept, ("offset", offset + limit), ("limit", limit)])
        next_link = context.link(query, "path")
    return Response(
        {
            "columns": [_column(slug) for slug in dict.fromkeys(s for row in part for s in row)],
            "data": part,
            "next_page": next_link,
            "total_records": len(rows),
            "resource_uri": "",
        }
    )


_EXPANDED = {"gender-0": "female", "gender-1": "male", "gender-2": "unknown"}


def _column(slug: str) -> Row:
    value = _EXPANDED.get(slug)
    if value is None:
        return {"header": slug.title(), "slug": slug}
    return {"header": f"Gender-{value}", "slug": slug, "expand_column_value": value}


def source_list(context: Context) -> Response:
    """Return the definitions of the data sources in one page."""
    sources = context.domain.tables.sources()
    return unpaginated(sources, {"total_count": len(sources)})


def source_detail(context: Context) -> Response:
    """Return the definition of one data source."""
    return _requested(context, context.domain.tables.sources())


def source_data(context: Context) -> Response:
    """Return rows of a data source, after the row in the cursor."""
    tables, source_id = context.domain.tables, context.request.get("data_source_id")
    if not source_id:
        raise HTTPError(400, b"Missing data_source_id parameter")
    if source_id not in tables.source_ids:
        raise HTTPError(404)
    limit = int_param(context, "limit", SOURCE_USUAL)
    shown_limit = context.request.get("limit") or limit
    after = _cursor_key(context)
    rows = [row for row in tables.source_rows(source_id) if _sort_key(row) > after]
    part = rows[: min(limit or SOURCE_MOST, SOURCE_MOST)]
    next_link = None
    if part:
        # The page can end inside a document, and the cursor skips the rest of it, as HQ's does.
        last = {"last_doc_id": part[-1]["doc_id"], "last_inserted_at": part[-1]["inserted_at"]}
        cursor = base64.b64encode(urlencode(last).encode()).decode()
        kept = {
            "data_source_id": source_id,
            "limit": shown_limit,
        }
        # Releases before 2025 did not repeat the data source in the link.
        is_old = context.hq.switches.next_style == "bare"
        query = {"cursor": cursor} if is_old else kept | {"cursor": cursor}
        next_link = context.link(urlencode(query), "absolute")
    meta = {"next": next_link, "limit": shown_limit}
    return Response({"objects": part, "meta": meta})


def _sort_key(row: Row) -> tuple[str, str]:
    return row["inserted_at"], row["doc_id"]


def _cursor_key(context: Context) -> tuple[str, str]:
    cursor = context.request.get("cursor")
    if cursor is None:
        return "", ""
    try:
        inside = dict(parse_qsl(base64.b64decode(cursor, validate=True).decode()))
        return inside["last_inserted_at"], inside["last_doc_id"]
    except (binascii.Error, UnicodeDecodeError, KeyError):
        raise bad_request("Invalid cursor.") from None
