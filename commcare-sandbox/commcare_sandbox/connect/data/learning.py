"""What workers learn and are asked to do again: assessments, modules, tasks."""

from __future__ import annotations

from commcare_sandbox.connect.data.formats import day, duration, moment, uuid
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.connect.data.users import DAY, People
from commcare_sandbox.seeded import digester

MODULES = 3
TASK_TYPES = 2


class Learning:
    """Makes the rows of learning, each from its opportunity and number."""

    def __init__(self, seed: int, people: People) -> None:
        self._people = people
        self._bits = digester(seed, "connect learning")

    def assessment(self, opportunity: int, number: int) -> Row:
        """Make an assessment; some have lost the link to their worker."""
        bits = self._bits(opportunity << 32 | number)
        score = bits[0] % 101
        is_loose = number % 7 == 6
        username = None if is_loose else self._people.username(opportunity, number)
        taken = 0.0 if is_loose else number * 600 + number % 2 * 0.000005
        return {
            "username": username,
            "app": 2 * opportunity - 1,
            "opportunity_id": opportunity,
            "date": moment(4 * DAY + taken),
            "score": score,
            "passing_score": 80,
            "passed": score >= 80,
        }

    def completed_module(self, opportunity: int, number: int) -> Row:
        """Make the completion of a module; the same module may be done again."""
        bits = self._bits(1 << 62 | opportunity << 32 | number)
        seconds = 26 * 3600 if bits[0] % 9 == 0 else 600 + bits[0] * 7 + bits[1] % 2 * 0.123
        return {
            "username": self._people.username(opportunity, number // (MODULES + 1)),
            "module": opportunity * 10 + number % (MODULES + 1) % MODULES,
            "opportunity_id": opportunity,
            "date": moment(3 * DAY + number // 4 * 3600),
            "duration": duration(seconds),
        }

    def task_type(self, number: int, row_id: int) -> Row:
        """Make a kind of task."""
        return {
            "id": row_id,
            "task_type_id": uuid(self._bits(2 << 62 | row_id)),
            "name": ("Retrain MUAC", "Visit again")[number % TASK_TYPES],
            "slug": ("retrain_muac", "visit_again")[number % TASK_TYPES],
            "description": "Redo",
            "unit_name": "MUAC" if number % 2 == 0 else None,
            "case_property": "retrain_muac" if number % 2 == 0 else None,
            "is_active": number % 2 == 0,
            "archived": moment(99 * DAY) if number % 2 else None,
            "duration": 30 if number % 2 == 0 else None,
        }

    def assigned_task(self, opportunity: int, number: int, row_id: int, type_id: int) -> Row:
        """Make a task of a worker."""
        is_done = number % 3 == 0
        return {
            "id": row_id,
            "assigned_task_id": uuid(self._bits(3 << 62 | row_id)),
            "task_type": type_id,
            "task_type_name": "Retrain MUAC",
            "username": self._people.username(opportunity, number),
            "completed_at": moment((120 + number) * DAY) if is_done else None,
            "duration": duration(720 + number) if is_done else None,
            "status": "completed" if is_done else "assigned",
            "due_date": day((126 + number) * DAY),
            "date_created": moment(120 * DAY + number + 0.622753),
        }
