"""A stream of Connect: a fact sheet whose columns know how they are made of the API's rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from dimagi_api.errors import ShapeError
from dimagi_api.messages import Record
from dimagi_api.stream import ApiStream
from typing_extensions import override

from tap_commcare_connect import record_keys
from tap_commcare_connect import schemas as s
from tap_commcare_connect.record_keys import Twins
from tap_commcare_connect.schemas import Column
from tap_commcare_connect.values import NULL, Raw

Row = Mapping[str, Raw]

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
        cls.columns = {name: column.schema for name, column in known.items()}
        cls._made = [(n, c.convert) for n, c in cls.fields.items() if n not in added]

    _made: ClassVar[list[tuple[str, Any]]] = []

    def records(
        self, rows: Iterable[Row], opportunity: int | None = None, twins: Twins | None = None
    ) -> Iterator[Record]:
        """Yield the records of rows.

        Args:
            rows: As the API lists them.
            opportunity: Where they are listed; None for what belongs to none.
            twins: Counts identities; needed for streams without an id.

        Raises:
            ShapeError: A row is of another opportunity, or a value is not what it should be.
        """
        for row in rows:
            record: Record = {}
            if self.identity:
                record["record_key"] = None
            if opportunity is not None:
                self._check_owner(row, opportunity)
                record["opportunity_id"] = opportunity
            for name, convert in self._made:
                try:
                    record[name] = convert(row.get(name, NULL))
                except ShapeError as error:
                    raise self._misfit(name, error) from None
            if self.identity and opportunity is not None and twins is not None:
                record["record_key"] = self._key_of(record, opportunity, twins)
            yield record

    def _key_of(self, record: Record, opportunity: int, twins: Twins) -> str:
        parts = [self.fields[name].same(record[name]) for name in self.identity]
        digest = record_keys.identity(self.name, opportunity, parts)
        return record_keys.record_key(digest, twins.count(digest))

    def _check_owner(self, row: Row, opportunity: int) -> None:
        """Refuse a row of another opportunity: what was asked for was ignored."""
        for name in _OWNERS:
            owner = bytes(row.get(name, NULL))
            if owner.isdigit() and int(owner) != opportunity:
                raise ShapeError(
                    f"{self.name} of opportunity {opportunity} holds rows of another one.",
                    "Nothing was taken from this page.",
                )

    def _misfit(self, column: str, error: ShapeError) -> ShapeError:
        return ShapeError(
            f"{self.name}: {column} {error.cause}.",
            "The API has changed: look for a newer version of this tap.",
        )
