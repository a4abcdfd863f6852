"""The lists that are read in full: where each is, and how its rows become records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tap_common.client import ApiClient
from tap_common.full_table import ListPage, Position

from tap_commcare.columns import Field
from tap_commcare.pagination.tastypie import ListEndpoint, body
from tap_commcare.streams.locations import LOCATION_TYPES
from tap_commcare.streams.lookup_tables import LOOKUP_TABLE_ROWS, LOOKUP_TABLES
from tap_commcare.streams.users import GROUPS, WEB_USERS

MOST_ROWS = 1000
BODY = body(dict[str, Any])


@dataclass(frozen=True)
class ListFacts:
    """Where a list is, and what its rows become."""

    resource: str
    fields: Sequence[Field]


LISTS: Mapping[str, ListFacts] = {
    "web_users": ListFacts("web-user/v1", WEB_USERS),
    "groups": ListFacts("group/v1", GROUPS),
    "location_types": ListFacts("location_type/v1", LOCATION_TYPES),
    "lookup_tables": ListFacts("lookup_table/v1", LOOKUP_TABLES),
    "lookup_table_rows": ListFacts("lookup_table_item/v1", LOOKUP_TABLE_ROWS),
}


def endpoint(
    api: ApiClient,
    domain: str,
    resource: str,
    page_size: int,
    params: Sequence[tuple[str, str]] = (),
) -> ListEndpoint[dict[str, Any]]:
    """Return a list whose rows are taken as they come."""
    return ListEndpoint(
        api, domain, resource, BODY, params, page_size, lambda row: row.get("domain"), _identity
    )


def _identity(row: Mapping[str, Any]) -> str:
    # A row without any is refused when it becomes a record.
    return str(row.get("id", row.get("location_id")))


@dataclass
class UsersSource:
    """Mobile workers: the active ones, then the deactivated, which are a list of their own."""

    active: ListEndpoint[dict[str, Any]]
    deactivated: ListEndpoint[dict[str, Any]]

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return a page; rows know which list they are from."""
        is_active = position is None or bool(position["is_active"])
        source = self.active if is_active else self.deactivated
        inner = position.get("at") if position else None
        page = source.page(inner, limit)
        rows = [{**row, "is_active": is_active} for row in page.rows]
        if page.following is not None:
            return ListPage(rows, {"is_active": is_active, "at": page.following})
        return ListPage(rows, {"is_active": False, "at": None} if is_active else None)
