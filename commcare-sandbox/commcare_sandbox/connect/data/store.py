"""Generated data of one Connect server: every table of every opportunity, and changes to it.

Totals are spread unevenly over the opportunities. Independent of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from commcare_sandbox.connect.data.areas_and_audits import AreasAndAudits
from commcare_sandbox.connect.data.delivery import VISITS_OF_A_WORK, Delivery
from commcare_sandbox.connect.data.learning import MODULES, TASK_TYPES, Learning
from commcare_sandbox.connect.data.opportunities import OpportunityDirectory
from commcare_sandbox.connect.data.tables import (
    FIRST_ID,
    ID_GAP,
    Ids,
    IdSequence,
    Row,
    Table,
    UnknownRowError,
)
from commcare_sandbox.connect.data.users import Users

_WEIGHTS = (3, 1, 8, 0, 2, 2, 1, 7)
_GROUPS, _REPORTS = 3, 2


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many of everything to generate."""

    opportunities: int = 6
    visits: int = 300
    visit_bytes: int = 0
    workers: int = 8
    areas: int = 12


@dataclass
class ConnectStore:
    """All data of one Connect server."""

    seed: int
    sizes: Sizes
    edition: int = 0
    """Number of changes so far; a cache key."""
    _tables: dict[tuple[str, int], Table] = field(default_factory=dict)
    _sequences: dict[str, IdSequence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Create the row generators."""
        self.directory = OpportunityDirectory(self.sizes.opportunities)
        self.users = Users(self.seed, self.sizes.workers)
        self._delivery = Delivery(self.seed, self.users, self.sizes.visit_bytes)
        self._learning = Learning(self.seed, self.users)
        self._field = AreasAndAudits(self.seed, self.users)
        self._visits = _distribute(self.sizes.visits, self.sizes.opportunities)
        self._kinds = self._row_kinds()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the row kinds, as in their URL paths."""
        return tuple(self._kinds)

    def table(self, kind: str, opportunity: int) -> Table:
        """Return the table of one kind of row in one opportunity.

        Raises:
            UnknownRowError: The kind or the opportunity does not exist.
        """
        if kind not in self._kinds or not 1 <= opportunity <= self.sizes.opportunities:
            raise UnknownRowError(f"There is no {kind!r} of opportunity {opportunity}.")
        if (kind, opportunity) not in self._tables:
            size, make = self._kinds[kind]
            ids = Ids(opportunity - 1, self.sizes.opportunities, size(opportunity))
            self._tables[kind, opportunity] = Table(ids, lambda number: make(opportunity, number))
        return self._tables[kind, opportunity]

    def opportunities(self) -> Iterator[dict[str, Any]]:
        """Return every opportunity as ``opp_org_program_list`` shows it."""
        for number in range(1, self.sizes.opportunities + 1):
            yield self.directory.opportunity(number, self.table("user_visits", number).count)

    def detail(self, opportunity: int, *, filled: bool) -> dict[str, Any]:
        """Return the details of an opportunity."""
        units = (2 * opportunity, 2 * opportunity + 1)
        first, second = (self.users.payment_unit_uuid(unit) for unit in units)
        described = self.directory.units(opportunity, (first, second))
        return self.directory.detail(opportunity, described, filled=filled)

    def content(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return every row of a kind with its opportunity and its id, which the API may hide."""
        for opportunity in range(1, self.sizes.opportunities + 1):
            for row_id, row in self.table(kind, opportunity).all_rows():
                yield {"opportunity": opportunity, "row_id": row_id, "row": row}

    def insert(
        self, kind: str, opportunity: int, changes: Row | None = None, before: int | None = None
    ) -> int:
        """Insert a row and return its id; ``before`` allocates an id below an existing one."""
        table = self.table(kind, opportunity)
        sequence = self._sequence(kind)
        row_id = sequence.next_id() if before is None else sequence.next_id_before(before)
        row = table.generate(row_id)
        if "id" in row:
            row["id"] = row_id
        table.put(row_id, row | (changes or {}))
        self.edition += 1
        return row_id

    def edit(self, kind: str, opportunity: int, row_id: int, changes: Row) -> None:
        """Change columns of a row. No timestamp is updated."""
        table = self.table(kind, opportunity)
        table.put(row_id, _decoded(table.get(row_id)) | changes)
        self.edition += 1

    def delete(self, kind: str, opportunity: int, row_id: int) -> None:
        """Delete a row permanently."""
        self.table(kind, opportunity).remove(row_id)
        self.edition += 1

    def _sequence(self, kind: str) -> IdSequence:
        if kind not in self._sequences:
            size, _ = self._kinds[kind]
            numbers = range(1, self.sizes.opportunities + 1)
            most = max((size(number) for number in numbers), default=0)
            first_free = FIRST_ID + ID_GAP * self.sizes.opportunities * (most + 1)
            self._sequences[kind] = IdSequence(first_free)
        return self._sequences[kind]

    def _id(self, opportunity: int, number: int) -> int:
        return FIRST_ID + ID_GAP * (opportunity - 1 + self.sizes.opportunities * number)

    def _works(self, opportunity: int) -> int:
        return -(-self._visits[opportunity - 1] // VISITS_OF_A_WORK)

    def _row_kinds(self) -> dict[str, tuple[Callable[[int], int], Callable[[int, int], Row]]]:
        """Map each kind to its number of rows per opportunity and to its generator."""
        workers, row_id = self.sizes.workers, self._id
        delivery, learning, areas = self._delivery, self._learning, self._field
        return {
            "user_data": (lambda _: workers, self.users.access),
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
                lambda o, n: areas.group(o, n, row_id(o, n)),
            ),
            "work_areas": (
                lambda _: self.sizes.areas,
                lambda o, n: areas.area(n, row_id(o, n), row_id(o, 0) if n % 3 else None),
            ),
            "audit_reports": (
                lambda _: _REPORTS,
                lambda o, n: areas.report(o, n, row_id(o, n)),
            ),
            "audit_report_entries": (
                lambda _: _REPORTS * workers,
                lambda o, n: areas.entry(o, n, row_id(o, n), row_id(o, n // max(workers, 1))),
            ),
        }


def _decoded(row: Row) -> Row:
    """Return a row with its raw JSON decoded."""
    return {
        name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        for name, value in row.items()
    }


def _distribute(total: int, opportunities: int) -> list[int]:
    """Distribute a total unevenly over the opportunities; some get nothing."""
    weights = [_WEIGHTS[at % len(_WEIGHTS)] for at in range(opportunities)]
    expires_at = list(accumulate(weights))
    whole = expires_at[-1] if expires_at else 1
    marks = [total * end // max(whole, 1) for end in [0, *expires_at]]
    return [after - before for before, after in pairwise(marks)]
