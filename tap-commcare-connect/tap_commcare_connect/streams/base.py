"""A stream of Connect: a fact sheet whose columns know how they are made of the API's rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec
from tap_common.converters import UnreadableError
from tap_common.errors import UnexpectedResponseError
from tap_common.messages import AnyRecord, Record
from tap_common.omissions import OMISSIONS
from tap_common.stream import ApiStream
from typing_extensions import override

from tap_commcare_connect import columns as s
from tap_commcare_connect import record_keys
from tap_commcare_connect.columns import Column
from tap_commcare_connect.pagination.fast_pages import PageReader, Values, values_getter
from tap_commcare_connect.record_keys import DuplicateCounter
from tap_commcare_connect.values import NULL, Convert, Raw, Row

_OPPORTUNITY = s.key_integer("The opportunity that the row was listed under.")
_RECORD_KEY = s.key("The same for the same row in every read; the API gives no id.")
_OWNERS = ("opportunity_id", "opportunity")


class ConnectStream(ApiStream):
    """A stream whose rows are one to one the API's."""

    fields: ClassVar[dict[str, Column]] = {}
    """The columns that the API gives, in order."""

    path: ClassVar[str] = ""
    """The list below an opportunity; none for what is not listed there."""

    is_of_opportunity: ClassVar[bool] = True
    identity: ClassVar[tuple[str, ...]] = ()
    """Columns that never change and together identify a row without an id."""

    no_column: ClassVar[tuple[str, ...]] = ()
    """Properties that say nothing which a record does not say already."""

    first_page_rows: ClassVar[int] = 1000

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.identity:
            cls.key = ("record_key",)
        added = {"record_key": _RECORD_KEY} if cls.identity else {}
        if cls.is_of_opportunity:
            added["opportunity_id"] = _OPPORTUNITY
        known = added | {name: c for name, c in cls.fields.items() if name not in added}
        given = {"record_key", "opportunity_id"}
        needed = [name for name in cls.key if name not in given]
        cls.page_reader = PageReader(known, needed, cls.name, (*_OWNERS, *cls.no_column))
        cls._owners = [name for name in _OWNERS if name in known]
        cls.identify = values_getter(cls.identity)
        cls.columns = {name: column.schema for name, column in known.items()}
        cls._needed = frozenset((*cls.key, *cls.identity))
        cls._known = frozenset((*known, *_OWNERS, *cls.no_column))
        cls._converts = [(n, c.convert) for n, c in cls.fields.items() if n not in added]

    _converts: ClassVar[list[tuple[str, Convert]]] = []
    _needed: ClassVar[frozenset[str]] = frozenset()
    """Columns that identify a record, and so cannot be null for being unreadable."""

    _known: ClassVar[frozenset[str]] = frozenset()
    """Properties of the API that need not be told of at the end of a run."""

    _owners: ClassVar[list[str]] = []
    identify: ClassVar[Values]
    """Gets the values of the identity from an object."""

    page_reader: ClassVar[PageReader]
    """Reads the pages of the list."""

    def records(
        self,
        rows: Iterable[Row | msgspec.Struct],
        opportunity: int | None = None,
        duplicates: DuplicateCounter | None = None,
    ) -> Iterator[AnyRecord]:
        """Yield the records of rows.

        Args:
            rows: As the API lists them, or as the page reader made them.
            opportunity: Where they are listed; None for what belongs to none.
            duplicates: Counts equal identities; needed for streams without an id.

        Raises:
            ShapeError: A row is of another opportunity, or a value is not what it should be.
        """
        for row in rows:
            if isinstance(row, msgspec.Struct):
                yield self._completed(row, opportunity, duplicates)
            else:
                yield self._made(row, opportunity, duplicates)

    def _completed(
        self, row: Any, opportunity: int | None, duplicates: DuplicateCounter | None
    ) -> msgspec.Struct:
        """Return the record that the page reader made of a row, with what is ours in it."""
        if opportunity is not None:
            for name in self._owners:
                owner = getattr(row, name)
                if owner is not None and owner != opportunity:
                    raise self._of_another(opportunity)
            row.opportunity_id = opportunity
            if self.identity and duplicates is not None:
                row.record_key = self._key_of(type(self).identify(row), opportunity, duplicates)
        found: msgspec.Struct = row
        return found

    def _made(
        self, row: Row, opportunity: int | None, duplicates: DuplicateCounter | None
    ) -> Record:
        """Return a record that is made of a row value by value."""
        record: Record = {}
        if self.identity:
            record["record_key"] = None
        if opportunity is not None:
            self._check_owner(row, opportunity)
            record["opportunity_id"] = opportunity
        for name, convert in self._converts:
            record[name] = self._read(name, convert, row.get(name, NULL))
        if unknown := row.keys() - self._known:
            OMISSIONS.properties(self.name, unknown)
        if self.identity and opportunity is not None and duplicates is not None:
            named = [record[name] for name in self.identity]
            record["record_key"] = self._key_of(named, opportunity, duplicates)
        return record

    def _key_of(self, named: Sequence[Any], opportunity: int, duplicates: DuplicateCounter) -> str:
        columns = (self.fields[name] for name in self.identity)
        parts = [column.same(value) for column, value in zip(columns, named, strict=True)]
        digest = record_keys.identity(self.name, opportunity, parts)
        return record_keys.record_key(digest, duplicates.count(digest))

    def _check_owner(self, row: Row, opportunity: int) -> None:
        """Refuse a row of another opportunity: what was asked for was ignored."""
        for name in _OWNERS:
            owner = bytes(row.get(name, NULL))
            if owner.isdigit() and int(owner) != opportunity:
                raise self._of_another(opportunity)

    def _of_another(self, opportunity: int) -> UnexpectedResponseError:
        return UnexpectedResponseError(
            f"{self.name} of opportunity {opportunity} holds rows of another one.",
            "Nothing was taken from this page.",
        )

    def _read(self, column: str, convert: Convert, raw: Raw) -> Any:
        """Return a value; null for one that cannot be read, unless the record needs it."""
        try:
            return convert(raw)
        except UnreadableError as error:
            if column not in self._needed:
                OMISSIONS.value(self.name, column)
                return None
            raise UnexpectedResponseError(
                f"{self.name}: {column} {error}.",
                "The API has changed: look for a newer version of this tap.",
            ) from None
