"""Pages whose every value is of its column's kind: read and written without touching single values.

Nearly all pages are like this. A page with a value of another kind is read loosely instead, value
by value: see ``values``. Both ways give the same records. It must not know any stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

import msgspec
from tap_common.converters import is_writable
from tap_common.errors import UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder, KnownProperties

from tap_commcare_connect.columns import Column
from tap_commcare_connect.values import NULL, Raw

R = TypeVar("R")

NEEDS = "next and a list results"
BLANK = Raw(b'""')

Values = Callable[[Any], tuple[Any, ...]]


class Envelope(msgspec.Struct, Generic[R]):
    """A page as the API sends it."""

    next: str | None
    results: list[R]


LOOSE: JsonDecoder[Envelope[dict[str, Raw]]] = JsonDecoder(Envelope[dict[str, Raw]], NEEDS)


class PageReader:
    """Reads the pages of one stream.

    Args:
        columns: Those of the records, in order.
        key: The columns that are never null.
        stream: What other properties of the rows are counted under.
        no_column: Properties that need no column.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        key: Iterable[str],
        stream: str,
        no_column: Iterable[str] = (),
    ) -> None:
        self._needed = frozenset(key)
        fields = [_field(n, column, is_needed=n in self._needed) for n, column in columns.items()]
        row = msgspec.defstruct("Row", fields, gc=False, kw_only=True)
        page_of = cast("Any", Envelope).__class_getitem__
        known = KnownProperties(
            stream, row, page_of, lambda page: page.results, not_counted=tuple(no_column)
        )
        self._page: JsonDecoder[Envelope[Any]] = JsonDecoder(page_of(row), NEEDS, known)
        self._names = [name for name, _, _ in fields]
        self._texts = values_getter(n for n, c in columns.items() if c.kind is str)
        self._raws = values_getter(n for n, c in columns.items() if c.kind is Raw)
        self._moments = values_getter(n for n, c in columns.items() if c.kind is datetime)
        self._amounts = values_getter(n for n, c in columns.items() if c.kind is Decimal)

    def __call__(self, body: bytes) -> Envelope[Any]:
        """Return a page; its rows are objects like records, or dictionaries where they are odd.

        Raises:
            ShapeError: It is no page.
            msgspec.DecodeError: It is no JSON.
        """
        try:
            page = self._page.read(body)
        except UnexpectedResponseError:
            return LOOSE(body)
        if not self._settle(page.value.results):
            return LOOSE(body)
        page.count()  # rows that are read loosely are counted when they become records
        return page.value

    def _settle(self, rows: Sequence[Any]) -> bool:
        """Make null of what is empty, and UTC of moments; tell whether nothing odd is left."""
        texts, raws = self._texts, self._raws
        moments, amounts = self._moments, self._amounts
        for row in rows:
            is_odd = "" in texts(row) or BLANK in raws(row)
            for moment in moments(row):
                is_odd = is_odd or (moment is not None and moment.tzinfo is not UTC)
            if is_odd and not self._amend(row):
                return False
            for amount in amounts(row):
                if amount is not None and not is_writable(amount):
                    return False
        return True

    def _amend(self, row: Any) -> bool:
        for name in self._names:
            value = getattr(row, name)
            if value in ("", BLANK):
                if name in self._needed:
                    return False
                setattr(row, name, NULL if isinstance(value, Raw) else None)
            elif isinstance(value, datetime) and value.tzinfo is not UTC:
                try:
                    moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
                except OverflowError:
                    return False
                setattr(row, name, moment)
        return True


def value_in(row: Mapping[str, Raw] | msgspec.Struct, name: str) -> Any:
    """Return a value of a row, which may still be the bytes of its JSON."""
    return getattr(row, name) if isinstance(row, msgspec.Struct) else row.get(name, NULL)


def _field(name: str, column: Column, *, is_needed: bool) -> tuple[str, Any, Any]:
    if is_needed:
        return name, column.kind, msgspec.NODEFAULT
    if column.kind is Raw:
        return name, Raw, NULL
    return name, column.kind | None, None


def values_getter(names: Iterable[str]) -> Values:
    """Return a function that gets some values of a row at once."""
    known = tuple(names)
    if len(known) > 1:
        return attrgetter(*known)
    return lambda row: tuple(getattr(row, name) for name in known)
