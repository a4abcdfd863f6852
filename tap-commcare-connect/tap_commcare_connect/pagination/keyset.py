"""Keyset pagination: a page begins after an id, even if the rows do not contain their ids.

Only that id is taken from the ``next`` link. Address, scheme and parameters remain the tap's, so
that no link leads the token elsewhere.
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
from tap_common.raw_converters import RawRow

from tap_commcare_connect.client import (
    DEFAULT_PAGE_ROWS,
    HEADERS,
    MAX_PAGE_ROWS,
    account_name,
)
from tap_commcare_connect.pagination.fast_pages import Envelope

log = logging.getLogger(__name__)

TARGET_BYTES = 2 << 20
"""Of a page: large enough that requests are few, small enough for several in memory."""
MAX_GROWTH = 4


@dataclass(frozen=True)
class Page:
    """The rows of a page, and the id after which the next page begins; None after the last."""

    rows: Sequence[RawRow | msgspec.Struct]
    last_id: int | None


@dataclass
class PageSize:
    """Rows per request: the setting, or as many as result in about ``TARGET_BYTES``."""

    rows: int
    is_fixed: bool = False

    @classmethod
    def of(cls, configured: int | None, first: int) -> PageSize:
        """Return the size in the settings, or one that adapts, beginning with ``first``."""
        if configured:
            return cls(min(configured, MAX_PAGE_ROWS), is_fixed=True)
        return cls(min(first, DEFAULT_PAGE_ROWS))

    def adapt(self, rows: int, size_bytes: int) -> None:
        """Adapt the size to a page of ``rows`` rows and ``size_bytes`` bytes."""
        if self.is_fixed or not rows:
            return
        # The last page of a list or its first rows may be far smaller than what follows: growth is
        # limited, and one wrong guess costs a page of a few times the target.
        fitting = TARGET_BYTES * rows // max(size_bytes, 1)
        self.rows = max(min(fitting, MAX_GROWTH * self.rows, DEFAULT_PAGE_ROWS), 1)


@dataclass(frozen=True)
class KeysetList:
    """One list of one opportunity."""

    client: ApiClient
    path: str
    decode: Callable[[bytes], Envelope[Any]]
    page_size: PageSize
    params: tuple[tuple[str, str], ...] = ()

    def page(self, after: int | None, limit: int | None = None) -> Page:
        """Return the page after an id; without an id, the first page."""
        params = [*self.params, ("page_size", str(limit or self.page_size.rows))]
        if after:
            params.append(("last_id", str(after)))

        # The link is read inside the decoder, so that the client names the page with a bad one.
        def decode(body: bytes) -> Page:
            envelope = self.decode(body)
            self.page_size.adapt(len(envelope.results), len(body))
            return Page(envelope.results, last_id_in(envelope.next, after))

        domain = account_name(self.client.base_url)
        return self.client.get(self.path, params, domain, decode, HEADERS).value

    def verified(self, after: int | None, stream: str) -> int | None:
        """Return a stored id if rows still follow it, as they did when it was stored.

        An id that nothing follows may belong to another server, where it would hide all rows.
        """
        if after is None or self.page(after, 1).rows:
            return after
        log.warning(
            "%s: nothing follows the position of the state in %s; reading from the beginning",
            stream,
            self.path,
        )
        return None


def last_id_in(link: str | None, after: int | None) -> int | None:
    """Return the id in a ``next`` link; None after the last page.

    Raises:
        UnexpectedResponseError: It has no id, or does not lead forward.
    """
    if link is None:
        return None
    try:
        last_id = int(parse_qs(urlsplit(link).query)["last_id"][-1])
    except (KeyError, ValueError):
        raise UnexpectedResponseError("its next page has no last_id.") from None
    # A link back or to the same page would be followed for ever.
    if last_id <= (after or 0):
        raise UnexpectedResponseError("its next page does not lead forward.")
    return last_id
