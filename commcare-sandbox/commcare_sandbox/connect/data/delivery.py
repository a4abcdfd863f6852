"""What is delivered and paid: visits, completed works, payments, invoices."""

from __future__ import annotations

from functools import lru_cache

from commcare_sandbox.connect.data.formats import day, moment, uuid
from commcare_sandbox.connect.data.forms import FormTemplate, templates
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.connect.data.users import DAY, People
from commcare_sandbox.seeded import digester, pick

_STATUSES = ("approved", "approved", "pending", "rejected", "over_limit", "duplicate", "trial")
_FLAGS = ("duration", "location", "duplicate", "gps")
VISITS_OF_A_WORK = 3
_MINUTE = 60


class Delivery:
    """Makes the rows of delivery, each from its opportunity and number."""

    def __init__(self, seed: int, people: People, visit_bytes: int) -> None:
        self._people = people
        self._visit_bytes = visit_bytes
        self._bits = digester(seed, "connect visit")
        self._money = digester(seed, "connect money")
        self._templates = lru_cache(64)(self._make_templates)

    def _make_templates(self, opportunity: int) -> tuple[FormTemplate, ...]:
        app_id = f"{opportunity:032x}"
        return templates(f"deliver-{opportunity}", app_id, self._visit_bytes)

    def visit(self, opportunity: int, number: int, row_id: int, work_id: int) -> Row:
        """Make a visit; every tenth shares its form with the one before."""
        bits = self._bits(row_id)
        worker = number // VISITS_OF_A_WORK
        entity_id, entity_name = self._people.entity(opportunity, number // VISITS_OF_A_WORK)
        username = self._people.username(opportunity, worker)
        status = pick(_STATUSES, bits[0])
        began = number * 7 * _MINUTE + bits[1] / 8
        flag = [[pick(_FLAGS, bits[2]), "Looked at by a person."]] if bits[2] % 6 == 0 else None
        location = None if bits[3] % 21 == 0 else f"11.{bits[4]:03d} 8.{bits[5]:03d} 481.2 9.6"
        work = None if status == "trial" else work_id
        form = self._bits(1 << 62 | opportunity << 32 | number - (number % 10 == 1))
        received = moment(began + 3600 * bits[6] + 0.490910)
        is_reviewed = status in {"approved", "rejected"}
        return {
            "id": row_id,
            "opportunity_id": opportunity,
            "username": username,
            "user_id": self._people.user_id(opportunity, worker),
            "user_visit_id": uuid(bits),
            "deliver_unit": opportunity,
            "entity_id": entity_id,
            "entity_name": entity_name,
            "visit_date": moment(began),
            "status": status,
            "reason": "Blurry photo" if status == "rejected" else None,
            "location": location,
            "flagged": flag is not None,
            "flag_reason": {"flags": flag} if flag else None,
            "form_json": self._templates(opportunity)[number % 3].fill(
                {
                    b"form": uuid(form),
                    b"case": uuid(bits[16:]),
                    b"user": bits[8:24].hex(),
                    b"username": username,
                    b"began": moment(began),
                    b"ended": received,
                    b"location": location or "",
                    b"entity": entity_id or "",
                    b"name": entity_name or "",
                }
            ),
            "completed_work": work,
            "status_modified_date": moment(began + 8 * DAY + 0.5) if is_reviewed else None,
            "review_status": "agree" if status == "approved" else "pending",
            "review_created_on": moment(began + 8 * DAY) if is_reviewed else None,
            "justification": None,
            "date_created": received,
            "completed_work_id": work,
            "deliver_unit_id": opportunity,
        }

    def work(self, opportunity: int, number: int) -> Row:
        """Make a completed work: all visits to one entity for one payment unit."""
        bits = self._money(opportunity << 32 | number)
        entity_id, entity_name = self._people.entity(opportunity, number)
        created = number * 21 * _MINUTE + bits[0] + 0.482874
        is_paid = bits[1] % 3 == 0
        return {
            "username": self._people.username(opportunity, number),
            "opportunity_id": opportunity,
            "payment_unit_id": 2 * opportunity + number % 2,
            "status": pick(
                ("approved", "pending", "rejected", "over_limit", "incomplete"), bits[2]
            ),
            "last_modified": moment(created + 1),
            "entity_id": entity_id,
            "entity_name": entity_name,
            "reason": None,
            "status_modified_date": moment(created + 9 * DAY) if bits[2] % 2 else None,
            "payment_date": moment(40 * DAY) if is_paid else None,
            "date_created": moment(created if entity_id else 1000.5),
            "saved_completed_count": VISITS_OF_A_WORK,
            "saved_approved_count": bits[3] % (VISITS_OF_A_WORK + 1),
            "saved_payment_accrued": 300 * (bits[3] % 4),
            "saved_payment_accrued_usd": f"{0.19 * (bits[3] % 4):.2f}",
            "saved_org_payment_accrued": 50 * (bits[3] % 4),
            "saved_org_payment_accrued_usd": f"{0.03 * (bits[3] % 4):.2f}",
        }

    def payment(self, opportunity: int, number: int) -> Row:
        """Make a payment; every fifth is the organization's, every eighth has an equal twin."""
        number -= number % 8 == 7
        bits = self._money(1 << 62 | opportunity << 32 | number)
        is_own = number % 5 == 4
        confirmed = not is_own and bits[0] % 2 == 0
        amount = 900 + 10 * bits[1] + bits[2] / 100
        return {
            "username": None if is_own else self._people.username(opportunity, number),
            "opportunity_id": None if is_own else opportunity,
            "created_at": moment(60 * DAY + number * 3600 + 0.590807),
            "amount": f"{amount:.2f}",
            "amount_usd": None if bits[3] % 4 == 0 else f"{amount / 1580:.2f}",
            "date_paid": moment((60 + number) * DAY - 6 * 3600),
            "payment_unit": None,
            "confirmed": confirmed,
            "confirmation_date": moment((61 + number) * DAY) if confirmed else None,
            "organization": "acme-health" if is_own else None,
            "invoice_id": opportunity * 1000 + number if is_own else None,
            "payment_method": None if is_own else "mobile_money",
            "payment_operator": None if is_own else "OPay",
        }

    def invoice(self, opportunity: int, number: int) -> Row:
        """Make an invoice; its number is unique in its opportunity only."""
        bits = self._money(2 << 62 | opportunity << 32 | number)
        amount = 20000 + 100 * bits[0] + bits[1] / 100
        return {
            "opportunity_id": opportunity,
            "amount": f"{amount:.2f}",
            "amount_usd": f"{amount / 1580:.2f}" if bits[2] % 2 else None,
            "date": day((100 + number) * DAY),
            "invoice_number": f"INV-{number + 1:04d}",
            "service_delivery": bits[2] % 3 > 0,
            "exchange_rate": 1 if bits[2] % 2 else None,
        }
