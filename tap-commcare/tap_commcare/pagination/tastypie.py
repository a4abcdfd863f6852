"""The envelope of HQ's Tastypie lists, which are most of them: ``meta`` and ``objects``.

``meta.next`` is usually a bare query. A count that does not match the rows is an error, because a
list that ends too early looks complete. If the distinct rows are fewer than the count, the list is
read once more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from tap_common.client import ApiClient, Response, same_origin
from tap_common.counting_converters import integer
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import ListChangedError, ListPage, Position
from tap_common.json_decoder import JsonDecoder, KnownProperties
from tap_common.wording import counted

from tap_commcare import client
from tap_commcare.pagination.row_count import RowCounter

Row = TypeVar("Row")


class Meta(msgspec.Struct):
    """The part of the envelope that describes the page."""

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
        """The number of rows on all pages, if the server states it."""
        return integer(self.meta.total_count)


def list_decoder(
    row: type[Row], stream: str | None = None, no_column: Sequence[str] = ("resource_uri",)
) -> JsonDecoder[Envelope[Row]]:
    """Return the decoder of a list.

    Args:
        row: The type of a row.
        stream: The stream under which unknown properties are counted, if rows are structs.
        no_column: Properties that need no column.
    """
    shape: type[Envelope[Row]] = Envelope[row]  # type: ignore[valid-type]  # a type made at run time
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
        client: The HTTP client.
        domain: The domain.
        resource: Such as ``user/v1``.
        decode: Decodes a page.
        params: Parameters of the first request, beside the page size.
        page_size: Rows per page; None for an endpoint that does not page.
        domain_of: Returns the domain that a row names, if it names one.
        identity: Returns the part of a row that identifies it.
    """

    client: ApiClient
    domain: str
    resource: str
    decode: JsonDecoder[Envelope[Row]]
    params: Sequence[tuple[str, str]] = ()
    page_size: int | None = None
    domain_of: Callable[[Row], Any] | None = None
    identity: Callable[[Row], Hashable] | None = None
    _counter: RowCounter = field(default_factory=RowCounter, init=False)

    def page(self, position: Position | None, limit: int | None = None) -> ListPage:
        """Return the page at a position; without one, the first page."""
        first = self._first(limit or self.page_size)
        requested = client.stored_page(position["next"], first) if position else first
        page = self._get(requested)
        seen = (int(position["seen"]) if position else 0) + len(page.objects)
        if position and position.get("total") != page.total:
            self._counter.reset()
            raise ListChangedError
        if self.identity is not None:
            if seen == len(page.objects):
                self._counter.begin_pass(None if limit else page.total)
            self._counter.add(self.identity(row) for row in page.objects)
        following = client.next_path(page.meta.next, requested)
        if following is None:
            if page.total is not None and seen < page.total and limit is None:
                raise UnexpectedResponseError(
                    f"{self.resource} of {self.domain} ended after {seen} of "
                    f"{counted(page.total, 'row')}.",
                    "The table was not completed; run again.",
                )
            if self._counter.is_complete:
                return ListPage(page.objects, None)
            following, seen = self._first(self.page_size), 0
        if not page.objects:
            raise UnexpectedResponseError(
                f"{self.resource} of {self.domain} has an empty page that is not its last."
            )
        position = {"next": following, "seen": seen, "total": page.total}
        return ListPage(page.objects, position, page.total)

    def _get(self, requested: str) -> Envelope[Row]:
        url = same_origin(requested, self.client.base_url)
        response: Response[Envelope[Row]] = self.client.get(url, (), self.domain, self.decode)
        if self.domain_of is not None:
            for row in response.value.objects:
                client.check_domain(self.domain_of(row), self.domain)
        return response.value

    def _first(self, limit: int | None) -> str:
        params = [*self.params]
        if limit is not None:
            params.append(("limit", str(limit)))
        query = f"?{urlencode(params)}" if params else ""
        return urlsplit(self.client.base_url).path + client.path(self.domain, self.resource) + query
