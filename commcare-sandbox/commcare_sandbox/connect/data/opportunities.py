"""Organizations, programs and opportunities: the contents of ``opp_org_program_list``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from commcare_sandbox.connect.data.formats import iso_date, timestamp
from commcare_sandbox.connect.data.learning import MODULES
from commcare_sandbox.connect.data.users import DAY

_WORDS = ("acme", "care", "delta", "east", "green", "hope", "isle", "joint")
FOREIGN = "blue-network"
"""An organization that owns programs and does not include the user."""
_OPPORTUNITIES_OF_AN_ORGANIZATION = 4
_PROGRAMS_OF_AN_ORGANIZATION = 2


@dataclass(frozen=True)
class OpportunityDirectory:
    """Organizations, programs and opportunities, all derived from the number of opportunities."""

    opportunities: int

    @property
    def organizations(self) -> list[dict[str, Any]]:
        """The organizations that include the user."""
        count = max(self.opportunities // _OPPORTUNITIES_OF_AN_ORGANIZATION, 1)
        return [
            {"id": at + 1, "slug": self._slug(at), "name": self._name(at), "funder": at % 3 == 2}
            for at in range(count)
        ]

    @property
    def programs(self) -> list[dict[str, Any]]:
        """The programs that the user's organizations own."""
        return [
            self.program(1 + at * _PROGRAMS_OF_AN_ORGANIZATION + number, organization["slug"])
            for at, organization in enumerate(self.organizations)
            for number in range(1, _PROGRAMS_OF_AN_ORGANIZATION + 1)
        ]

    def programs_of(self, slug: str) -> list[dict[str, Any]]:
        """Return the programs of one organization."""
        return [program for program in self.programs if program["organization"] == slug]

    @staticmethod
    def program(number: int, slug: str) -> dict[str, Any]:
        """Return one program."""
        return {
            "id": number,
            "name": f"Programme {number}, “nutrición”",
            "delivery_type": "nutrition" if number % 2 else "vaccines",
            "currency": "NGN" if number % 3 else None,
            "organization": slug,
            "funder": "give-fund" if number % 2 else None,
            "watchers": ["give-fund"] if number % 2 else [],
        }

    def opportunity(self, number: int, visit_count: int) -> dict[str, Any]:
        """Return an opportunity as ``opp_org_program_list`` shows it."""
        end = self._end(number)
        return {
            "id": number,
            "name": f"Opportunité {number}, Kano",
            "date_created": timestamp(number * 60 + 0.406894),
            "organization": self._slug(self._owner(number)),
            "supervising_organization": FOREIGN,
            "end_date": end,
            "is_active": _is_active(end),
            "program": self.program_of(number),
            "visit_count": visit_count,
        }

    def program_of(self, number: int) -> int:
        """Return the program id of an opportunity; every fourth belongs to another organization."""
        if number % _OPPORTUNITIES_OF_AN_ORGANIZATION == 1:
            return 1
        first = 2 + self._owner(number) * _PROGRAMS_OF_AN_ORGANIZATION
        return first + number % _PROGRAMS_OF_AN_ORGANIZATION

    def detail(self, number: int, units: list[dict[str, Any]], *, filled: bool) -> dict[str, Any]:
        """Return the details of an opportunity.

        Args:
            number: The opportunity.
            units: Its payment units.
            filled: Whether the payment units are listed, as before August 2026.
        """
        end = self._end(number)
        slug = self._slug(self._owner(number))
        return {
            "id": number,
            "name": f"Opportunité {number}, Kano",
            "description": "A long description\nin two lines",
            "short_description": "Short" if number % 3 else None,
            "date_created": timestamp(number * 60 + 0.406894),
            "date_modified": timestamp(number * 60 + 0.406903),
            "organization": slug,
            "learn_app": None if number % 6 == 4 else self._app(number, slug, is_learn=True),
            "deliver_app": None if number % 6 == 4 else self._app(number, slug, is_learn=False),
            "start_date": iso_date(number * 60),
            "end_date": end,
            "max_visits_per_user": sum(unit["max_total"] for unit in units),
            "daily_max_visits_per_user": sum(unit["max_daily"] or 0 for unit in units),
            "budget_per_user": sum(unit["amount"] * unit["max_total"] for unit in units),
            "budget_per_visit": sum(unit["amount"] for unit in units),
            "total_budget": 500000 if number % 4 else None,
            "currency": "NGN" if number % 5 else None,
            "is_active": _is_active(end),
            "payment_units": units if filled else [],
            "verification_flags": {
                "form_submission_start": "06:00:00",
                "form_submission_end": "18:30:00" if number % 2 else None,
            }
            if number % 3
            else None,
        }

    def units(self, number: int, uuids: tuple[str, str]) -> list[dict[str, Any]]:
        """Return the payment units of an opportunity."""
        return [
            {
                "id": 2 * number + at,
                "payment_unit_id": uuids[at],
                "name": ("Child screened", "Follow-up")[at],
                "max_total": 200 - 100 * at,
                "max_daily": None if at else 20,
                "amount": 300 - 200 * at,
                "end_date": None if at else self._end(number),
            }
            for at in range(2)
        ]

    @staticmethod
    def _app(number: int, slug: str, *, is_learn: bool) -> dict[str, Any]:
        kind = "learn" if is_learn else "deliver"
        app_id = f"{number:032x}"
        modules = [
            {
                "slug": f"module_{at + 1}",
                "name": f"Module {at + 1}",
                "description": "Basics",
                "time_estimate": at + 1,
                "id": number * 10 + at,
            }
            for at in range(MODULES)
        ]
        return {
            "cc_domain": f"{slug}-{kind}",
            "cc_app_id": app_id,
            "name": f"Nutrition {kind}",
            "description": f"The {kind} app",
            "organization": slug,
            "learn_modules": modules if is_learn else [],
            "passing_score": 80 if is_learn else -1,
            "install_url": f"https://hq.invalid/a/{slug}-{kind}/apps/download/{app_id}/media.ccpr",
            "id": 2 * number - (1 if is_learn else 0),
        }

    def _owner(self, number: int) -> int:
        organizations = max(self.opportunities // _OPPORTUNITIES_OF_AN_ORGANIZATION, 1)
        return number // _OPPORTUNITIES_OF_AN_ORGANIZATION % organizations

    @staticmethod
    def _end(number: int) -> str | None:
        return {0: None, 1: iso_date(60 * DAY)}.get(number % 5, "2035-12-31")

    @staticmethod
    def _slug(at: int) -> str:
        return f"{_WORDS[at % len(_WORDS)]}-health" + (f"-{at + 1}" if at >= len(_WORDS) else "")

    @staticmethod
    def _name(at: int) -> str:
        return f"{_WORDS[at % len(_WORDS)].title()} Health Ñ {at + 1}"


def _is_active(end: str | None) -> bool:
    return end is not None and date.fromisoformat(end) >= datetime.now(UTC).date()
