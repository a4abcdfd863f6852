"""The lists of the export API: CSV in version 1, JSON pages in version 2."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from commcare_sandbox.connect import auth, csv_stream, pagination
from commcare_sandbox.connect.context import Context
from commcare_sandbox.connect.data.tables import Row, Table
from commcare_sandbox.http_types import HTTPError, Response

_CSV_TYPE = "text/csv"
LISTS = (
    *("user_data", "user_visits", "completed_works", "payment", "invoice"),
    *("assessment", "completed_module"),
)
"""Lists of both versions: CSV in version 1, pages in version 2."""
NEW_LISTS = (
    *("task_types", "assigned_tasks", "work_area_groups", "work_areas"),
    *("audit_reports", "audit_report_entries"),
)
"""Lists that exist in version 2 only."""
_NOT_YET = {"user_visits": ("user_id", "user_visit_id")}
RowFormat = Callable[[Row], Row]


def rows_of(kind: str) -> Callable[[Context], Response]:
    """Return the handler of one list."""

    def handle(context: Context) -> Response:
        opportunity = auth.opportunity(context)
        table = context.connect.store.table(kind, opportunity)
        format_row, accepts = _row_format(context, kind), _filter(context, kind)
        if context.version == "1.0":
            return _csv(context, table, format_row, accepts)
        return pagination.page(context, _FilteredTable(table, accepts), format_row)

    return handle


class _FilteredTable(Table):
    """A table with a row filter."""

    def __init__(self, table: Table, accepts: Callable[[Row], bool] | None) -> None:
        self._table, self._accepts = table, accepts

    def page(
        self, after: int | None, limit: int, *, reverse: bool = False
    ) -> list[tuple[int, Row]]:
        """Return the ids and rows after an id that pass the filter."""
        if self._accepts is None:
            return self._table.page(after, limit, reverse=reverse)
        kept: list[tuple[int, Row]] = []
        while len(kept) < limit:
            found = self._table.page(after, limit, reverse=reverse)
            kept += [(row_id, row) for row_id, row in found if self._accepts(row)]
            if len(found) < limit:
                break
            after = found[-1][0]
        return kept[:limit]


def _csv(
    context: Context, table: Table, format_row: RowFormat, accepts: Callable[[Row], bool] | None
) -> Response:
    rows = (format_row(row) for _, row in table.all_rows() if accepts is None or accepts(row))
    names = list(format_row(table.generate(2)))
    breaks_after = context.switches.connect_csv_rows
    return Response(chunks=csv_stream.stream(rows, names, breaks_after), content_type=_CSV_TYPE)


def _filter(context: Context, kind: str) -> Callable[[Row], bool] | None:
    username = context.request.get("username")
    if kind == "completed_module" and username is not None:
        return lambda row: bool(row["username"] == username)
    report = context.request.get("audit_report_id")
    if kind == "audit_report_entries" and report is not None:
        try:
            wanted = str(UUID(report))
        except ValueError:
            raise HTTPError(400, {"audit_report_id": "Must be a valid UUID."}) from None
        return lambda row: bool(row["audit_report_uuid"] == wanted)
    return None


def _row_format(context: Context, kind: str) -> RowFormat:
    """Return the function that formats a row for this request."""
    missing = _NOT_YET.get(kind, ()) if context.switches.connect_old_fields else ()
    with_images = kind == "user_visits" and (context.request.get("images") or "").lower() == "true"
    with_new = context.switches.connect_new_fields

    def format_one(row: Row) -> Row:
        formatted = {name: value for name, value in row.items() if name not in missing}
        if with_images:
            formatted["images"] = _images(row)
        if with_new:
            formatted["is_test"] = False
        return formatted

    return format_one


def _images(row: Row) -> list[dict[str, str]]:
    if row["id"] % 3 == 0:
        return []
    blob = {"blob_id": f"blob-{row['id']}", "name": "170.jpg", "parent_id": f"{row['id']:032x}"}
    return [blob]


def blob(context: Context) -> Response:
    """Return the bytes of an image."""
    auth.opportunity(context)
    name = context.request.get("blob_id") or ""
    if not name.startswith("blob-"):
        raise MissingBlobError
    return Response(b"\xff\xd8\xff\xe0JFIF" + name.encode(), content_type="image/jpeg")


class MissingBlobError(Exception):
    """The file does not exist; production responds with 500."""
