"""Lists that are read by the id after which to go on, whether rows show their ids or not.

Of the ``next`` link only that id is taken: address, scheme and parameters stay our own, so that
no link can lead the token elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from tap_common.client import ApiClient
from tap_common.errors import UnexpectedResponseError

from tap_commcare_connect import client
from tap_commcare_connect.pagination.fast_pages import Envelope
from tap_commcare_connect.values import Row

log = logging.getLogger(__name__)

TARGET_BYTES = 2 << 20


@dataclass(frozen=True)
class Page:
    """Rows, and the id after which the next page begins; None after the last."""

    rows: Sequence[Row | msgspec.Struct]
    last_id: int | None


@dataclass
class AdaptivePageSize:
    """Rows per request: as set, or so many that a page is of a bounded size."""

    rows: int
    is_fixed: bool = False

    @classmethod
    def of(cls, wanted: int | None, first: int) -> AdaptivePageSize:
        """Return the size that a setting asks for, or one that learns."""
        if wanted:
            return cls(min(wanted, client.LARGEST_PAGE), is_fixed=True)
        return cls(min(first, client.USUAL_PAGE))

    def learn(self, rows: int, size_bytes: int) -> None:
        """Fit the size to the rows seen."""
        if self.is_fixed or not rows:
            return
        fitting = TARGET_BYTES * rows // max(size_bytes, 1)
        self.rows = max(min(fitting, 4 * self.rows, client.USUAL_PAGE), 1)


@dataclass(frozen=True)
class KeysetList:
    """One list of one opportunity."""

    api: ApiClient
    path: str
    reader: Callable[[bytes], Envelope[Any]]
    page_size: AdaptivePageSize
    params: tuple[tuple[str, str], ...] = ()

    def page(self, after: int | None, limit: int | None = None) -> Page:
        """Return the page that follows an id; the first without one."""
        params = [*self.params, ("page_size", str(limit or self.page_size.rows))]
        if after:
            params.append(("last_id", str(after)))

        def read(body: bytes) -> Page:
            envelope = self.reader(body)
            self.page_size.learn(len(envelope.results), len(body))
            return Page(envelope.results, last_id_of(envelope.next, after))

        domain = client.account(self.api.base_url)
        return self.api.get(self.path, params, domain, read, client.HEADERS).value

    def verified_position(self, after: int | None, stream: str) -> int | None:
        """Return the place that a state names, if rows follow it, as they did when it was noted."""
        if after is None or self.page(after, 1).rows:
            return after
        log.warning(
            "%s: nothing follows the place of the state in %s; read again from the beginning",
            stream,
            self.path,
        )
        return None


def last_id_of(link: str | None, after: int | None) -> int | None:
    """Return the id that a ``next`` link names; None after the last page.

    Raises:
        ShapeError: It names none, or does not lead forward.
    """
    if link is None:
        return None
    try:
        last_id = int(parse_qs(urlsplit(link).query)["last_id"][-1])
    except (KeyError, ValueError):
        raise UnexpectedResponseError("its next page names no last_id.") from None
    if last_id <= (after or 0):
        raise UnexpectedResponseError("its next page does not lead forward.")
    return last_id
