"""Lists whose rows are converted to records column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tap_common.client import ApiClient
from tap_common.full_table import ListPage, Position

from tap_commcare.pagination.tastypie import ListEndpoint, list_decoder
from tap_commcare.streams.base import ListStream

MAX_ROWS = 1000
DECODE = list_decoder(dict[str, Any])


def endpoint(
    client: ApiClient,
    domain: str,
    stream: type[ListStream],
    page_size: int,
    params: Sequence[tuple[str, str]] = (),
    path: str = "",
) -> ListEndpoint[dict[str, Any]]:
    """Return the list of a stream, or the one at another path that has the same key.

    Its rows are dictionaries.
    """
    return ListEndpoint(
        client,
        domain,
        path or stream.path,
        DECODE,
        params,
        page_size,
        domain_of=lambda row: row.get("domain"),
        identity=stream.identity,
    )


@dataclass
class UsersSource:
    """Mobile workers: the active ones, then the deactivated ones, which are a separate list."""

    active: ListEndpoint[dict[str, Any]]
    deactivated: ListEndpoint[dict[str, Any]]

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return a page; ``is_active`` is added to its rows."""
        is_active = position is None or bool(position["is_active"])
        source = self.active if is_active else self.deactivated
        page = source.page(position.get("at") if position else None, limit)
        rows = [{**row, "is_active": is_active} for row in page.rows]
        if page.next_position is not None:
            return ListPage(rows, {"is_active": is_active, "at": page.next_position})
        return ListPage(rows, {"is_active": False, "at": None} if is_active else None)
