"""Locations: API v1, or v2 where a server has no v1.

Objects of v2 hold the code of their type instead of its id; they become what v1 would answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tap_common.client import ApiClient
from tap_common.errors import NotFoundError, RequestRejectedError
from tap_common.full_table import ListPage, Position

from tap_commcare.endpoints import lists
from tap_commcare.pagination.tastypie import ListEndpoint

Row = Mapping[str, Any]
Endpoint = ListEndpoint[dict[str, Any]]

FIRST, SECOND, SECOND_UNFILTERED = "v1", "v2", "v2 unfiltered"


@dataclass
class LocationsSource:
    """The locations of a domain that changed since a moment, or all of them.

    Args:
        since: The moment, or None. Older servers cannot filter v2: there, all of them come.
    """

    api: ApiClient
    domain: str
    page_size: int
    since: str | None = None
    _types: dict[str, Any] | None = field(default=None, init=False)
    _endpoints: dict[str, Endpoint] = field(default_factory=dict, init=False)

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position; the first without one."""
        if position is not None:
            return self._page(position["api"], position["at"], limit)
        try:
            return self._page(FIRST, None, limit)
        except NotFoundError:
            pass
        try:
            return self._page(SECOND, None, limit)
        except RequestRejectedError:
            if self.since is None:
                raise
            return self._page(SECOND_UNFILTERED, None, limit)

    def _page(self, version: str, inner: Position | None, limit: int | None) -> ListPage:
        is_first = version == FIRST
        is_filtered = self.since is not None and version != SECOND_UNFILTERED
        # Releases spell the filter of v2 in two ways, and ignore the other.
        names = ("last_modified__gte",) if is_first else ("last_modified.gte", "last_modified__gte")
        params = [(name, str(self.since)) for name in names] if is_filtered else []
        if version not in self._endpoints:
            resource = "location/v1" if is_first else "location/v2"
            self._endpoints[version] = self._endpoint(resource, params)
        page = self._endpoints[version].page(inner, limit)
        rows = page.rows if is_first else [self._as_first(row) for row in page.rows]
        following = page.following
        return ListPage(rows, following and {"api": version, "at": following})

    def _endpoint(self, resource: str, params: Sequence[tuple[str, str]] = ()) -> Endpoint:
        return lists.endpoint(self.api, self.domain, resource, self.page_size, params)

    def _as_first(self, row: Row) -> Row:
        return {
            **row,
            "parent": row.get("parent_location_id"),
            "location_type": self._type_ids().get(str(row.get("location_type_code"))),
        }

    def _type_ids(self) -> Mapping[str, Any]:
        """Return the ids of all types by their codes."""
        if self._types is None:
            found: dict[str, Any] = {}
            endpoint = self._endpoint("location_type/v1")
            page = endpoint.page(None)
            while True:
                found |= {str(row.get("code")): row.get("id") for row in page.rows}
                if page.following is None:
                    break
                page = endpoint.page(page.following)
            self._types = found
        return self._types
