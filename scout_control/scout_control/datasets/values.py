"""Loads every value of Postgres exactly: as a value of Python that stands for it, else as its text.

Python has no interval with months, no infinite date, no year 10000 or 44 BC, no 24:00, no bounds of
an array, and no network address in the spelling that was stored. What is shown must not be another
value, so these are loaded as the text that Postgres writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format
from psycopg.types.datetime import DateLoader, TimeLoader, TimestampLoader, TimestamptzLoader

from scout_control.datasets.bounded_json import BoundedJsonLoader

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer
    from psycopg.abc import Loader as LoaderProtocol

AS_TEXT = (
    *('"char"', "interval", "timetz", "inet", "cidr", "record"),
    *("daterange", "int4range", "int8range", "numrange", "tsrange", "tstzrange"),
    *("datemultirange", "int4multirange", "int8multirange", "nummultirange"),
    *("tsmultirange", "tstzmultirange"),
)
"""Of types that psycopg loads: those of which Python has no exact value."""
WITH_FALLBACK: tuple[tuple[str, type[Loader]], ...] = (
    ("date", DateLoader),
    ("time", TimeLoader),
    ("timestamp", TimestampLoader),
    ("timestamptz", TimestamptzLoader),
    ("json", BoundedJsonLoader),
    ("jsonb", BoundedJsonLoader),
)
"""Those of which it has most values."""
# psycopg raises NotImplementedError for a DateStyle other than that of the session.
NOT_LOADED = (psycopg.DataError, OverflowError, NotImplementedError, RecursionError, ValueError)


class ExactTextLoader(Loader):
    """Loads the text of a value; bytes that are no text, of a single-byte type, are escaped."""

    def load(self, data: Buffer) -> str:
        """Return the text."""
        return bytes(data).decode(errors="backslashreplace")


def with_fallback(loader: type[LoaderProtocol]) -> type[Loader]:
    """Return a loader that returns the text of values that the given one cannot load."""

    class TextFallback(ExactTextLoader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._loader = loader(oid, context)

        def load(self, data: Buffer) -> Any:
            try:
                return self._loader.load(data)
            except NOT_LOADED:
                return super().load(data)

    return TextFallback


def of_array(loader: type[LoaderProtocol]) -> type[Loader]:
    """Return a loader of arrays, which returns the text of one that does not begin at 1."""

    class ArrayWithBounds(ExactTextLoader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._loader = loader(oid, context)

        def load(self, data: Buffer) -> Any:
            # As in [0:1]={1,2}.
            return super().load(data) if bytes(data[:1]) == b"[" else self._loader.load(data)

    return ArrayWithBounds


def _adapters() -> AdaptersMap:
    made = AdaptersMap(psycopg.adapters)
    for name in AS_TEXT:
        made.register_loader(name, ExactTextLoader)
    for name, loader in WITH_FALLBACK:
        made.register_loader(name, with_fallback(loader))
    for each in psycopg.adapters.types:
        array = made.get_loader(each.array_oid, Format.TEXT) if each.array_oid else None
        if array is not None:
            made.register_loader(each.array_oid, of_array(array))
    return made


ADAPTERS = _adapters()
"""What a session of a reader is opened with."""
