"""Generated assessments, completed modules and tasks of workers."""

from __future__ import annotations

from commcare_sandbox.connect.data.formats import django_duration, iso_date, timestamp, uuid4_of
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.connect.data.users import DAY, Users
from commcare_sandbox.pseudorandom import digester

MODULES = 3
TASK_TYPES = 2


class Learning:
    """Generates assessments, modules and tasks, each from its opportunity and number."""

    def __init__(self, seed: int, users: Users) -> None:
        self._users = users
        self._digest = digester(seed, "connect learning")

    def assessment(self, opportunity: int, number: int) -> Row:
        """Return an assessment; some have no worker."""
        digest = self._digest(opportunity << 32 | number)
        score = digest[0] % 101
        has_no_worker = number % 7 == 6
        username = None if has_no_worker else self._users.username(opportunity, number)
        taken = 0.0 if has_no_worker else number * 600 + number % 2 * 0.000005
        return {
            "username": username,
            "app": 2 * opportunity - 1,
            "opportunity_id": opportunity,
            "date": timestamp(4 * DAY + taken),
            "score": score,
            "passing_score": 80,
            "passed": score >= 80,
        }

    def completed_module(self, opportunity: int, number: int) -> Row:
        """Return a completed module; a worker can complete a module twice."""
        digest = self._digest(1 << 62 | opportunity << 32 | number)
        seconds = 26 * 3600 if digest[0] % 9 == 0 else 600 + digest[0] * 7 + digest[1] % 2 * 0.123
        return {
            "username": self._users.username(opportunity, number // (MODULES + 1)),
            "module": opportunity * 10 + number % (MODULES + 1) % MODULES,
            "opportunity_id": opportunity,
            "date": timestamp(3 * DAY + number // 4 * 3600),
            "duration": django_duration(seconds),
        }

    def task_type(self, number: int, row_id: int) -> Row:
        """Return a task type."""
        return {
            "id": row_id,
            "task_type_id": uuid4_of(self._digest(2 << 62 | row_id)),
            "name": ("Retrain MUAC", "Visit again")[number % TASK_TYPES],
            "slug": ("retrain_muac", "visit_again")[number % TASK_TYPES],
            "description": "Redo",
            "unit_name": "MUAC" if number % 2 == 0 else None,
            "case_property": "retrain_muac" if number % 2 == 0 else None,
            "is_active": number % 2 == 0,
            "archived": timestamp(99 * DAY) if number % 2 else None,
            "duration": 30 if number % 2 == 0 else None,
        }

    def assigned_task(self, opportunity: int, number: int, row_id: int, type_id: int) -> Row:
        """Return a task assigned to a worker."""
        is_completed = number % 3 == 0
        return {
            "id": row_id,
            "assigned_task_id": uuid4_of(self._digest(3 << 62 | row_id)),
            "task_type": type_id,
            "task_type_name": "Retrain MUAC",
            "username": self._users.username(opportunity, number),
            "completed_at": timestamp((120 + number) * DAY) if is_completed else None,
            "duration": django_duration(720 + number) if is_completed else None,
            "status": "completed" if is_completed else "assigned",
            "due_date": iso_date((126 + number) * DAY),
            "date_created": timestamp(120 * DAY + number + 0.622753),
        }
