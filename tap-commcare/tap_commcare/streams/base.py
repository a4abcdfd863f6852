"""Base classes of HQ's streams, and the kinds of columns that only HQ has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from tap_common import converters
from tap_common.columns import Column, integer, key, text
from tap_common.errors import UnexpectedResponseError
from tap_common.messages import Record
from tap_common.omissions import OMISSIONS
from tap_common.stream import ApiStream

Row = Mapping[str, Any]

# Properties of a row that its record contains in another form.
NO_COLUMN = frozenset({"domain", "resource_uri"})

DOMAIN = key("The project space that the record belongs to.")


class HQStream(ApiStream):
    """A stream of CommCare HQ."""

    path: ClassVar[str] = ""
    """The resource below ``/a/<domain>/api/``, such as ``user/v1``."""


class ListStream(HQStream):
    """A stream whose records are the rows of a list, column by column.

    A subclass in any module of this package is a stream of the tap: the list at its ``path`` is
    read in full in each run.
    """

    @classmethod
    def identity(cls, row: Row) -> tuple[str, ...]:
        """Return what distinguishes a row from others: its key, also if it cannot be read."""
        return tuple(str(row.get(cls.columns[name].source or name)) for name in cls.key)

    @classmethod
    def records(cls, rows: Iterable[Row], domain: str) -> Iterator[Record]:
        """Yield the records of rows.

        Raises:
            UnexpectedResponseError: A row has no key.
        """
        (key_column,) = cls.key
        known = {column.source or name for name, column in cls.columns.items()} | NO_COLUMN
        for row in rows:
            record = {
                name: OMISSIONS.read(
                    column.convert, row.get(column.source or name), (cls.name, name)
                )
                for name, column in cls.columns.items()
            }
            record["domain"] = domain
            if record[key_column] is None:
                raise UnexpectedResponseError(
                    f"The server sent a row without {key_column}.",
                    "Nothing was taken from this page; check for a newer version of this tap.",
                )
            if unknown := row.keys() - known:
                OMISSIONS.unknown(cls.name, unknown)
            yield record


def reference(description: str, source: str) -> Column:
    """Return a column of the id at the end of a resource URI."""
    return replace(text(description, source), convert=_last_segment)


def integer_reference(description: str, source: str) -> Column:
    """Return a column of the numeric id at the end of a resource URI."""
    return replace(
        integer(description, source),
        convert=lambda uri: converters.to_integer(_last_segment(uri)),
    )


def _last_segment(uri: Any) -> str | None:
    return str(uri).rstrip("/").rsplit("/", 1)[-1] or None if uri else None
