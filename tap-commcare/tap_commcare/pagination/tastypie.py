"""The list envelope of most endpoints of HQ: ``meta`` and ``objects``.

``meta.next`` is usually a bare query. A total that does not fit the rows is an error, because a
list that ends too early looks complete; a total that the different rows do not reach is a
reason to read the list once more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from tap_common.client import ApiClient, Response, same_origin
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import ListChangedError, ListPage, Position
from tap_common.json_decoder import JsonDecoder, KnownProperties

from tap_commcare import client
from tap_commcare.pagination.row_count import RowCounter
from tap_commcare.values import integer

Row = TypeVar("Row")


class Meta(msgspec.Struct):
    """The part of the envelope that says where a page stands."""

    limit: Any = None
    offset: Any = None
    total_count: Any = None
    next: Any = None


class Envelope(msgspec.Struct, Generic[Row]):
    """A page of a list."""

    objects: list[Row]
    meta: Meta

    @property
    def total(self) -> int | None:
        """Return how many rows there are in all pages, if the server says so."""
        return integer(self.meta.total_count)


def body(
    row: type[Row], stream: str | None = None, no_column: Sequence[str] = ("resource_uri",)
) -> JsonDecoder[Envelope[Row]]:
    """Return the reader of a list of such rows.

    Args:
        row: A row.
        stream: What other properties of the rows are counted under, for a struct.
        no_column: Properties that need no column.
    """
    shape: type[Envelope[Row]] = Envelope[row]  # type: ignore[valid-type]  # a type of run time
    known: KnownProperties[Any] | None = None
    if stream is not None:
        known = KnownProperties(
            stream,
            cast("Any", row),
            cast("Any", Envelope).__class_getitem__,
            lambda page: page.objects,
            no_column,
        )
    return JsonDecoder(shape, "meta and a list objects", known)


@dataclass
class ListEndpoint(Generic[Row]):
    """A list that is read by following ``next``.

    Args:
        resource: Such as ``user/v1``.
        params: What is asked of it, besides the page size.
        page_size: Rows per page; None for an endpoint without pages.
        check_domain: Where a row says which domain it belongs to, if it does.
        identity: What tells one row from another.
    """

    api: ApiClient
    domain: str
    resource: str
    read: JsonDecoder[Envelope[Row]]
    params: Sequence[tuple[str, str]] = ()
    page_size: int | None = None
    check_domain: Callable[[Row], Any] | None = None
    identity: Callable[[Row], Hashable] | None = None
    _row_counter: RowCounter = field(default_factory=RowCounter, init=False)

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position; the first without one."""
        first = self._first(limit or self.page_size)
        asked = client.place(position["next"], first) if position else first
        url = same_origin(asked, self.api.base_url)
        answer: Response[Envelope[Row]] = self.api.get(url, (), self.domain, self.read)
        page = answer.value
        if self.check_domain is not None:
            for row in page.objects:
                client.check_domain(self.check_domain(row), self.domain)
        seen = (int(position["seen"]) if position else 0) + len(page.objects)
        if position and position.get("total") != page.total:
            self._row_counter.forget()
            raise ListChangedError
        if self.identity is not None:
            if seen == len(page.objects):
                self._row_counter.begin(None if limit else page.total)
            self._row_counter.add(self.identity(row) for row in page.objects)
        following = client.next_path(page.meta.next, asked)
        if following is None:
            if page.total is not None and seen < page.total and limit is None:
                raise UnexpectedResponseError(
                    f"{self.resource} of {self.domain} ended after {seen} of {page.total} rows.",
                    "Nothing was taken for complete; run again.",
                )
            if self._row_counter.is_complete:
                return ListPage(page.objects, None)
            following, seen = self._first(self.page_size), 0
        if not page.objects:
            raise UnexpectedResponseError(
                f"{self.resource} of {self.domain} shows an empty page and a next."
            )
        return ListPage(page.objects, {"next": following, "seen": seen, "total": page.total})

    def _first(self, limit: int | None) -> str:
        params = [*self.params]
        if limit is not None:
            params.append(("limit", str(limit)))
        query = f"?{urlencode(params)}" if params else ""
        return urlsplit(self.api.base_url).path + client.path(self.domain, self.resource) + query
