"""Decodes pages whose values all have the types of their columns, without touching single values.

Nearly all pages are like this. A page with a value of another type is decoded to raw JSON instead,
and converted value by value. Both ways produce the same records. This module does not know streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

import msgspec
from tap_common.columns import Column
from tap_common.converters import is_writable
from tap_common.errors import UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder, KnownProperties
from tap_common.raw_converters import NULL, Raw, RawRow

R = TypeVar("R")

EXPECTED = "next and a list results"
EMPTY_TEXT = Raw(b'""')

GetValues = Callable[[Any], tuple[Any, ...]]


class Envelope(msgspec.Struct, Generic[R]):
    """A page as the API returns it."""

    next: str | None
    results: list[R]


DECODE_RAW: JsonDecoder[Envelope[dict[str, Raw]]] = JsonDecoder(Envelope[dict[str, Raw]], EXPECTED)


class PageDecoder:
    """Decodes the pages of one stream.

    Args:
        columns: Those of the records, in order.
        key: The columns that are never null.
        stream: The stream under which unknown properties are counted.
        no_column: Properties that need no column.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        key: Iterable[str],
        stream: str,
        no_column: Iterable[str] = (),
    ) -> None:
        self._key = frozenset(key)
        fields = [_field(n, column, is_key=n in self._key) for n, column in columns.items()]
        # Without reference cycles in its rows, a page needs no tracking by the garbage collector.
        row = msgspec.defstruct("Row", fields, gc=False, kw_only=True)
        page_of = cast("Any", Envelope).__class_getitem__
        known = KnownProperties(
            stream, row, page_of, lambda page: page.results, not_counted=tuple(no_column)
        )
        self._decode: JsonDecoder[Envelope[Any]] = JsonDecoder(page_of(row), EXPECTED, known)
        self._names = [name for name, _, _ in fields]
        self._texts = _getter_of_type(columns, str)
        self._raws = _getter_of_type(columns, Raw)
        self._timestamps = _getter_of_type(columns, datetime)
        self._numbers = _getter_of_type(columns, Decimal)

    def __call__(self, body: bytes) -> Envelope[Any]:
        """Return a page; its rows are structs like records, or dictionaries of raw JSON.

        Raises:
            UnexpectedResponseError: It is not a page.
            msgspec.DecodeError: It is not JSON.
        """
        try:
            page = self._decode.read(body)
        except UnexpectedResponseError:
            return DECODE_RAW(body)
        if not self._normalise(page.value.results):
            return DECODE_RAW(body)
        page.count()  # raw rows are counted when they become records
        return page.value

    def _normalise(self, rows: Sequence[Any]) -> bool:
        """Turn empty values into null and timestamps into UTC; return whether that is possible.

        Most rows need neither: comparing tuples of their values in C finds that out much faster
        than looking at each value.
        """
        texts, raws = self._texts, self._raws
        timestamps, numbers = self._timestamps, self._numbers
        for row in rows:
            needs_change = "" in texts(row) or EMPTY_TEXT in raws(row)
            for timestamp in timestamps(row):
                needs_change = needs_change or (
                    timestamp is not None and timestamp.tzinfo is not UTC
                )
            if needs_change and not self._normalise_row(row):
                return False
            for number in numbers(row):
                if number is not None and not is_writable(number):
                    return False
        return True

    def _normalise_row(self, row: Any) -> bool:
        for name in self._names:
            value = getattr(row, name)
            if value in ("", EMPTY_TEXT):
                if name in self._key:
                    return False
                setattr(row, name, NULL if isinstance(value, Raw) else None)
            elif isinstance(value, datetime) and value.tzinfo is not UTC:
                try:
                    utc = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
                except OverflowError:
                    return False
                setattr(row, name, utc)
        return True


def value_in(row: RawRow | msgspec.Struct, name: str) -> Any:
    """Return a value of a row, which may still be raw JSON."""
    return getattr(row, name) if isinstance(row, msgspec.Struct) else row.get(name, NULL)


def _field(name: str, column: Column, *, is_key: bool) -> tuple[str, Any, Any]:
    if is_key:
        return name, column.python_type, msgspec.NODEFAULT
    if column.python_type is Raw:
        return name, Raw, NULL
    return name, column.python_type | None, None


def _getter_of_type(columns: Mapping[str, Column], python_type: type) -> GetValues:
    return values_getter(n for n, c in columns.items() if c.python_type is python_type)


def values_getter(names: Iterable[str]) -> GetValues:
    """Return a function that returns several values of a row at once."""
    known = tuple(names)
    if len(known) > 1:
        return attrgetter(*known)
    return lambda row: tuple(getattr(row, name) for name in known)
