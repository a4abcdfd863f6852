"""One made-up Connect: every table of every opportunity, and what can be changed in it.

Sizes are of a whole estate, spread unevenly over its opportunities. It knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from commcare_sandbox.connect.data.areas_and_audits import Field
from commcare_sandbox.connect.data.delivery import VISITS_OF_A_WORK, Delivery
from commcare_sandbox.connect.data.learning import MODULES, TASK_TYPES, Learning
from commcare_sandbox.connect.data.opportunities import OpportunityDirectory
from commcare_sandbox.connect.data.tables import (
    FIRST_ID,
    ID_GAP,
    Counter,
    Ids,
    Row,
    Table,
    UnknownRowError,
)
from commcare_sandbox.connect.data.users import People

_WEIGHTS = (3, 1, 8, 0, 2, 2, 1, 7)
_GROUPS, _REPORTS = 3, 2


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much there is."""

    opportunities: int = 6
    visits: int = 300
    visit_bytes: int = 0
    workers: int = 8
    areas: int = 12


@dataclass
class ConnectStore:
    """All data of a Connect."""

    seed: int
    sizes: Sizes
    edition: int = 0
    """How often something was changed."""
    _tables: dict[tuple[str, int], Table] = field(default_factory=dict)
    _counters: dict[str, Counter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up what makes the rows."""
        self.directory = OpportunityDirectory(self.sizes.opportunities)
        self.people = People(self.seed, self.sizes.workers)
        self._delivery = Delivery(self.seed, self.people, self.sizes.visit_bytes)
        self._learning = Learning(self.seed, self.people)
        self._field = Field(self.seed, self.people)
        self._visits = _spread(self.sizes.visits, self.sizes.opportunities)
        self._kinds = self._recipes()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of all kinds of rows."""
        return tuple(self._kinds)

    # ------------------------------------------------------------------ reading

    def table(self, kind: str, opportunity: int) -> Table:
        """Return the rows of one kind in one opportunity.

        Raises:
            UnknownRowError: There is no such kind or opportunity.
        """
        if kind not in self._kinds or not 1 <= opportunity <= self.sizes.opportunities:
            raise UnknownRowError(f"There is no {kind!r} of opportunity {opportunity}.")
        if (kind, opportunity) not in self._tables:
            size, make = self._kinds[kind]
            ids = Ids(opportunity - 1, self.sizes.opportunities, size(opportunity))
            self._tables[kind, opportunity] = Table(ids, lambda number: make(opportunity, number))
        return self._tables[kind, opportunity]

    def opportunities(self) -> Iterator[dict[str, Any]]:
        """Return every opportunity as the list shows it."""
        for number in range(1, self.sizes.opportunities + 1):
            yield self.directory.opportunity(number, self.table("user_visits", number).count)

    def detail(self, opportunity: int, *, filled: bool) -> dict[str, Any]:
        """Return an opportunity by itself."""
        units = (2 * opportunity, 2 * opportunity + 1)
        first, second = (self.people.payment_unit_uuid(unit) for unit in units)
        described = self.directory.units(opportunity, (first, second))
        return self.directory.detail(opportunity, described, filled=filled)

    def content(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return every row of a kind with its opportunity and its hidden id, for comparisons."""
        for opportunity in range(1, self.sizes.opportunities + 1):
            for row_id, row in self.table(kind, opportunity).everything():
                yield {"opportunity": opportunity, "row_id": row_id, "row": row}

    # ----------------------------------------------------------------- changing

    def insert(
        self, kind: str, opportunity: int, changes: Row | None = None, before: int | None = None
    ) -> int:
        """Add a row and return its id; ``before`` takes an id below one that exists."""
        table = self.table(kind, opportunity)
        counter = self._counter(kind)
        row_id = counter.take() if before is None else counter.take_before(before)
        row = table.fresh(row_id)
        if "id" in row:
            row["id"] = row_id
        table.put(row_id, row | (changes or {}))
        self.edition += 1
        return row_id

    def edit(self, kind: str, opportunity: int, row_id: int, changes: Row) -> None:
        """Change columns of a row, and nothing else: no timestamp moves by itself."""
        table = self.table(kind, opportunity)
        table.put(row_id, _plain(table.get(row_id)) | changes)
        self.edition += 1

    def delete(self, kind: str, opportunity: int, row_id: int) -> None:
        """Remove a row for good."""
        self.table(kind, opportunity).remove(row_id)
        self.edition += 1

    # ------------------------------------------------------------------- inside

    def _counter(self, kind: str) -> Counter:
        if kind not in self._counters:
            size, _ = self._kinds[kind]
            numbers = range(1, self.sizes.opportunities + 1)
            most = max((size(number) for number in numbers), default=0)
            first_free = FIRST_ID + ID_GAP * self.sizes.opportunities * (most + 1)
            self._counters[kind] = Counter(first_free)
        return self._counters[kind]

    def _id(self, opportunity: int, number: int) -> int:
        return FIRST_ID + ID_GAP * (opportunity - 1 + self.sizes.opportunities * number)

    def _works(self, opportunity: int) -> int:
        return -(-self._visits[opportunity - 1] // VISITS_OF_A_WORK)

    def _recipes(self) -> dict[str, tuple[Callable[[int], int], Callable[[int, int], Row]]]:
        """Name each kind by its path, with how many an opportunity has, and how one is made."""
        workers, row_id = self.sizes.workers, self._id
        delivery, learning, planning = self._delivery, self._learning, self._field
        return {
            "user_data": (lambda _: workers, self.people.access),
            "user_visits": (
                lambda o: self._visits[o - 1],
                lambda o, n: delivery.visit(o, n, row_id(o, n), row_id(o, n // VISITS_OF_A_WORK)),
            ),
            "completed_works": (self._works, delivery.work),
            "payment": (lambda o: self._works(o) // 10 + 9, delivery.payment),
            "invoice": (lambda o: o % 4, delivery.invoice),
            "assessment": (lambda _: 2 * workers, learning.assessment),
            "completed_module": (
                lambda _: workers * (MODULES + 1),
                learning.completed_module,
            ),
            "task_types": (
                lambda _: TASK_TYPES,
                lambda o, n: learning.task_type(n, row_id(o, n)),
            ),
            "assigned_tasks": (
                lambda _: workers,
                lambda o, n: learning.assigned_task(o, n, row_id(o, n), row_id(o, 0)),
            ),
            "work_area_groups": (
                lambda _: _GROUPS,
                lambda o, n: planning.group(o, n, row_id(o, n)),
            ),
            "work_areas": (
                lambda _: self.sizes.areas,
                lambda o, n: planning.area(n, row_id(o, n), row_id(o, 0) if n % 3 else None),
            ),
            "audit_reports": (
                lambda _: _REPORTS,
                lambda o, n: planning.report(o, n, row_id(o, n)),
            ),
            "audit_report_entries": (
                lambda _: _REPORTS * workers,
                lambda o, n: planning.entry(o, n, row_id(o, n), row_id(o, n // max(workers, 1))),
            ),
        }


def _plain(row: Row) -> Row:
    """Return a row without undecoded parts, so that it can be changed."""
    return {
        name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        for name, value in row.items()
    }


def _spread(total: int, opportunities: int) -> list[int]:
    """Share a total out unevenly; some opportunities get nothing."""
    weights = [_WEIGHTS[at % len(_WEIGHTS)] for at in range(opportunities)]
    ends = list(accumulate(weights))
    whole = ends[-1] if ends else 1
    marks = [total * end // max(whole, 1) for end in [0, *ends]]
    return [after - before for before, after in pairwise(marks)]
