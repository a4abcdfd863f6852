"""Collects the filters of a list request into a Query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from commcare_sandbox.hq.data.collection import DateRange, Query, Test
from commcare_sandbox.hq.date_filters import intersect, v1_millisecond

R = TypeVar("R")

V1_RESERVED = ("limit", "offset", "order_by", "q", "api_key", "username", "format")


class Filters(Generic[R]):
    """Collects filters that must all hold."""

    def __init__(self, period: int) -> None:
        self._period = period
        self._date_ranges: list[DateRange] = []
        self._residues: frozenset[int] | None = None
        self._residue_tests: list[Test[R]] = []
        self._tests: list[tuple[str, Test[R]]] = []

    def by_number(self, accepts_number: Callable[[int], bool], test: Test[R]) -> None:
        """Filter by something that follows from a record's number. Needs no scan."""
        kept = frozenset(filter(accepts_number, range(self._period)))
        self._residues = kept if self._residues is None else self._residues & kept
        self._residue_tests.append(test)

    def date_range(self, date_range: DateRange) -> None:
        """Filter by a date that the generated records are ordered by. Needs no scan."""
        self._date_ranges.append(date_range)

    def test(self, name: str, test: Test[R]) -> None:
        """Filter by any predicate. Generates every record once."""
        self._tests.append((name, test))

    def query(self) -> Query[R]:
        """Return the combined query."""
        residue_test = tuple(self._residue_tests)
        return Query(
            intersect(self._date_ranges),
            self._residues,
            (lambda record: all(test(record) for test in residue_test)) if residue_test else None,
            tuple(test for _, test in self._tests),
            "&".join(sorted(name for name, _ in self._tests)),
        )


def nothing(_record: Any) -> bool:
    """Match no record, as an unknown filter of a v1 list does."""
    return False


def v1_bound(name: str, value: str, dates: dict[str, str]) -> DateRange | None:
    """Return the inclusive date bound of a v1 parameter, if it is one."""
    for suffix in ("_start", "_end"):
        field = dates.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if field and suffix == "_start":
            return DateRange(field, low=v1_millisecond(value))
        if field:
            return DateRange(field, high=v1_millisecond(value))
    return None
