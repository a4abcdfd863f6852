"""Locations from API v1, or from v2 if a server has no v1.

Rows of v2 have the code of their type instead of its id; they are turned into rows of v1.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tap_common.client import ApiClient
from tap_common.errors import NotFoundError, RequestRejectedError
from tap_common.full_table import ListPage, Position

from tap_commcare.endpoints import lists
from tap_commcare.pagination.tastypie import ListEndpoint
from tap_commcare.streams.locations import LocationsStream, LocationTypesStream

Row = Mapping[str, Any]
Endpoint = ListEndpoint[dict[str, Any]]


class Api(enum.StrEnum):
    """The API from which locations are read; its name is stored in the state."""

    V1 = "v1"
    V2 = "v2"
    V2_UNFILTERED = "v2 unfiltered"


RESOURCES = {
    Api.V1: LocationsStream.path,
    Api.V2: "location/v2",
    Api.V2_UNFILTERED: "location/v2",
}
# The filter of v2 has one of two names, by release; the other one is ignored.
FILTERS = {
    Api.V1: ("last_modified__gte",),
    Api.V2: ("last_modified.gte", "last_modified__gte"),
    Api.V2_UNFILTERED: (),
}


@dataclass
class LocationsSource:
    """The locations of a domain that changed since a time, or all of them.

    Args:
        client: The HTTP client.
        domain: The domain.
        page_size: Rows per request.
        since: The time, or None. Older servers cannot filter v2, and return all locations.
    """

    client: ApiClient
    domain: str
    page_size: int
    since: str | None = None
    _types: dict[str, Any] | None = field(default=None, init=False)
    _endpoints: dict[Api, Endpoint] = field(default_factory=dict, init=False)

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position; without one, the first page."""
        if position is not None:
            return self._page(Api(position["api"]), position["at"], limit)
        try:
            return self._page(Api.V1, None, limit)
        except NotFoundError:
            pass
        try:
            return self._page(Api.V2, None, limit)
        except RequestRejectedError:
            if self.since is None:
                raise
            return self._page(Api.V2_UNFILTERED, None, limit)

    def _page(self, api: Api, inner: Position | None, limit: int | None) -> ListPage:
        if api not in self._endpoints:
            names = FILTERS[api] if self.since is not None else ()
            params = [(name, str(self.since)) for name in names]
            self._endpoints[api] = lists.endpoint(
                self.client, self.domain, LocationsStream, self.page_size, params, RESOURCES[api]
            )
        page = self._endpoints[api].page(inner, limit)
        rows = page.rows if api is Api.V1 else [self._as_v1(row) for row in page.rows]
        following = page.next_position
        return ListPage(rows, following and {"api": str(api), "at": following})

    def _as_v1(self, row: Row) -> Row:
        return {
            **row,
            "parent": row.get("parent_location_id"),
            "location_type": self._type_ids().get(str(row.get("location_type_code"))),
        }

    def _type_ids(self) -> Mapping[str, Any]:
        """Return the ids of all types by their codes."""
        if self._types is None:
            types: dict[str, Any] = {}
            endpoint = lists.endpoint(self.client, self.domain, LocationTypesStream, self.page_size)
            page = endpoint.page(None)
            while True:
                types |= {str(row.get("code")): row.get("id") for row in page.rows}
                if page.next_position is None:
                    break
                page = endpoint.page(page.next_position)
            self._types = types
        return self._types
