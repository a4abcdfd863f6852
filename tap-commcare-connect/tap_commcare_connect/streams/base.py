"""Base class of Connect's streams: converts rows to records according to the columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec
from tap_common.columns import Column, key, key_integer
from tap_common.errors import UnexpectedResponseError
from tap_common.messages import AnyRecord, Record
from tap_common.omissions import OMISSIONS, UnreadableError
from tap_common.raw_converters import NULL, Raw, RawConvert, RawRow
from tap_common.stream import ApiStream
from typing_extensions import override

from tap_commcare_connect import record_keys
from tap_commcare_connect.pagination.fast_pages import GetValues, PageDecoder, values_getter
from tap_commcare_connect.record_keys import DuplicateCounter

_OPPORTUNITY = key_integer("The opportunity under which the row was listed.")
_RECORD_KEY = key("The same for the same row in every read; the API has no id.")
_OWNERS = ("opportunity_id", "opportunity")
"""Properties that contain the opportunity of a row."""


class ConnectStream(ApiStream):
    """A stream with one record for each row of the API.

    Subclasses declare the columns that the API has; ``record_key`` and ``opportunity_id`` are
    added.
    """

    path: ClassVar[str] = ""
    """The path of the list below an opportunity; empty if the stream is not such a list."""

    is_of_opportunity: ClassVar[bool] = True
    identity: ClassVar[tuple[str, ...]] = ()
    """Columns that never change and together identify a row without an id."""

    no_column: ClassVar[tuple[str, ...]] = ()
    """Properties that a record contains in another form."""

    first_page_rows: ClassVar[int] = 1000

    decode_page: ClassVar[PageDecoder]
    get_identity: ClassVar[GetValues]

    _converters: ClassVar[list[tuple[str, RawConvert]]] = []
    _owners: ClassVar[list[str]] = []
    _required: ClassVar[frozenset[str]] = frozenset()
    """Columns that identify a record, and therefore cannot be null for being unreadable."""

    _known: ClassVar[frozenset[str]] = frozenset()
    """Properties that are not reported as unknown."""

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.identity:
            cls.key = ("record_key",)
        added = {"record_key": _RECORD_KEY} if cls.identity else {}
        if cls.is_of_opportunity:
            added["opportunity_id"] = _OPPORTUNITY
        declared = {name: c for name, c in cls.columns.items() if name not in added}
        columns: dict[str, Column] = added | declared
        cls.columns = columns
        # Values that the tap adds are not known when a page is decoded.
        decoded_key = [name for name in cls.key if name not in ("record_key", "opportunity_id")]
        no_column = (*_OWNERS, *cls.no_column)
        cls.decode_page = PageDecoder(columns, decoded_key, cls.name, no_column)
        cls.get_identity = values_getter(cls.identity)
        cls._converters = [(name, column.convert_raw) for name, column in declared.items()]
        cls._owners = [name for name in _OWNERS if name in columns]
        cls._required = frozenset((*cls.key, *cls.identity))
        cls._known = frozenset((*columns, *no_column))

    def records(
        self,
        rows: Iterable[RawRow | msgspec.Struct],
        opportunity: int | None = None,
        duplicates: DuplicateCounter | None = None,
    ) -> Iterator[AnyRecord]:
        """Yield the records of rows.

        Args:
            rows: As the API returns them, or as the page decoder made them.
            opportunity: Where they are listed; None if they belong to none.
            duplicates: Counts equal identities; required for streams without an id.

        Raises:
            UnexpectedResponseError: A row is of another opportunity, or cannot be identified.
        """
        for row in rows:
            if isinstance(row, msgspec.Struct):
                yield self._complete(row, opportunity, duplicates)
            else:
                yield self._convert(row, opportunity, duplicates)

    def _complete(
        self, row: Any, opportunity: int | None, duplicates: DuplicateCounter | None
    ) -> msgspec.Struct:
        """Add the tap's own values to a record from the page decoder."""
        if opportunity is not None:
            for name in self._owners:
                owner = getattr(row, name)
                if owner is not None and owner != opportunity:
                    raise self._wrong_opportunity(opportunity)
            row.opportunity_id = opportunity
            if self.identity and duplicates is not None:
                row.record_key = self._record_key(
                    type(self).get_identity(row), opportunity, duplicates
                )
        record: msgspec.Struct = row
        return record

    def _convert(
        self, row: RawRow, opportunity: int | None, duplicates: DuplicateCounter | None
    ) -> Record:
        """Convert a row to a record value by value."""
        record: Record = {}
        if self.identity:
            record["record_key"] = None
        if opportunity is not None:
            self._check_opportunity(row, opportunity)
            record["opportunity_id"] = opportunity
        for name, convert in self._converters:
            record[name] = self._value(name, convert, row.get(name, NULL))
        if unknown := row.keys() - self._known:
            OMISSIONS.unknown(self.name, unknown)
        if self.identity and opportunity is not None and duplicates is not None:
            values = [record[name] for name in self.identity]
            record["record_key"] = self._record_key(values, opportunity, duplicates)
        return record

    def _record_key(
        self, values: Sequence[Any], opportunity: int, duplicates: DuplicateCounter
    ) -> str:
        columns = (self.columns[name] for name in self.identity)
        parts = [column.canonical(value) for column, value in zip(columns, values, strict=True)]
        digest = record_keys.identity(self.name, opportunity, parts)
        return record_keys.record_key(digest, duplicates.count(digest))

    def _check_opportunity(self, row: RawRow, opportunity: int) -> None:
        """Raise UnexpectedResponseError if a row is from another opportunity than was requested."""
        for name in _OWNERS:
            owner = bytes(row.get(name, NULL))
            if owner.isdigit() and int(owner) != opportunity:
                raise self._wrong_opportunity(opportunity)

    def _wrong_opportunity(self, opportunity: int) -> UnexpectedResponseError:
        return UnexpectedResponseError(
            f"{self.name} of opportunity {opportunity} contains rows of another one.",
            "Nothing was taken from this page.",
        )

    def _value(self, column: str, convert: RawConvert, raw: Raw) -> Any:
        """Return a value; null if it is unreadable, unless it identifies the record."""
        if column not in self._required:
            return OMISSIONS.read(convert, raw, (self.name, column))
        try:
            return convert(raw)
        except UnreadableError as error:
            raise UnexpectedResponseError(
                f"{self.name}: {column} {error}.",
                "The API has changed: check for a newer version of this tap.",
            ) from None
