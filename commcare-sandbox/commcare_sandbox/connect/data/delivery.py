"""Generated visits, completed works, payments and invoices."""

from __future__ import annotations

from functools import lru_cache

from commcare_sandbox.connect.data.formats import iso_date, timestamp, uuid4_of
from commcare_sandbox.connect.data.forms import FormTemplate, templates
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.connect.data.users import DAY, Users
from commcare_sandbox.pseudorandom import digester, pick

_STATUSES = ("approved", "approved", "pending", "rejected", "over_limit", "duplicate", "trial")
_FLAGS = ("duration", "location", "duplicate", "gps")
VISITS_OF_A_WORK = 3
_MINUTE = 60


class Delivery:
    """Generates visits, works, payments and invoices, each from its opportunity and number."""

    def __init__(self, seed: int, users: Users, visit_bytes: int) -> None:
        self._users = users
        self._visit_bytes = visit_bytes
        self._digest = digester(seed, "connect visit")
        self._payment_digest = digester(seed, "connect money")
        self._templates = lru_cache(64)(self._make_templates)

    def _make_templates(self, opportunity: int) -> tuple[FormTemplate, ...]:
        app_id = f"{opportunity:032x}"
        return templates(f"deliver-{opportunity}", app_id, self._visit_bytes)

    def visit(self, opportunity: int, number: int, row_id: int, work_id: int) -> Row:
        """Return a visit; every tenth shares its form with the previous one."""
        digest = self._digest(row_id)
        worker = number // VISITS_OF_A_WORK
        entity_id, entity_name = self._users.entity(opportunity, number // VISITS_OF_A_WORK)
        username = self._users.username(opportunity, worker)
        status = pick(_STATUSES, digest[0])
        began = number * 7 * _MINUTE + digest[1] / 8
        flag = [[pick(_FLAGS, digest[2]), "Looked at by a person."]] if digest[2] % 6 == 0 else None
        location = (
            None if digest[3] % 21 == 0 else f"11.{digest[4]:03d} 8.{digest[5]:03d} 481.2 9.6"
        )
        work = None if status == "trial" else work_id
        form = self._digest(1 << 62 | opportunity << 32 | number - (number % 10 == 1))
        received = timestamp(began + 3600 * digest[6] + 0.490910)
        is_reviewed = status in {"approved", "rejected"}
        return {
            "id": row_id,
            "opportunity_id": opportunity,
            "username": username,
            "user_id": self._users.user_id(opportunity, worker),
            "user_visit_id": uuid4_of(digest),
            "deliver_unit": opportunity,
            "entity_id": entity_id,
            "entity_name": entity_name,
            "visit_date": timestamp(began),
            "status": status,
            "reason": "Blurry photo" if status == "rejected" else None,
            "location": location,
            "flagged": flag is not None,
            "flag_reason": {"flags": flag} if flag else None,
            "form_json": self._templates(opportunity)[number % 3].fill(
                {
                    b"form": uuid4_of(form),
                    b"case": uuid4_of(digest[16:]),
                    b"user": digest[8:24].hex(),
                    b"username": username,
                    b"began": timestamp(began),
                    b"ended": received,
                    b"location": location or "",
                    b"entity": entity_id or "",
                    b"name": entity_name or "",
                }
            ),
            "completed_work": work,
            "status_modified_date": timestamp(began + 8 * DAY + 0.5) if is_reviewed else None,
            "review_status": "agree" if status == "approved" else "pending",
            "review_created_on": timestamp(began + 8 * DAY) if is_reviewed else None,
            "justification": None,
            "date_created": received,
            "completed_work_id": work,
            "deliver_unit_id": opportunity,
        }

    def work(self, opportunity: int, number: int) -> Row:
        """Return a completed work: all visits to one entity for one payment unit."""
        digest = self._payment_digest(opportunity << 32 | number)
        entity_id, entity_name = self._users.entity(opportunity, number)
        created = number * 21 * _MINUTE + digest[0] + 0.482874
        is_paid = digest[1] % 3 == 0
        return {
            "username": self._users.username(opportunity, number),
            "opportunity_id": opportunity,
            "payment_unit_id": 2 * opportunity + number % 2,
            "status": pick(
                ("approved", "pending", "rejected", "over_limit", "incomplete"), digest[2]
            ),
            "last_modified": timestamp(created + 1),
            "entity_id": entity_id,
            "entity_name": entity_name,
            "reason": None,
            "status_modified_date": timestamp(created + 9 * DAY) if digest[2] % 2 else None,
            "payment_date": timestamp(40 * DAY) if is_paid else None,
            "date_created": timestamp(created if entity_id else 1000.5),
            "saved_completed_count": VISITS_OF_A_WORK,
            "saved_approved_count": digest[3] % (VISITS_OF_A_WORK + 1),
            "saved_payment_accrued": 300 * (digest[3] % 4),
            "saved_payment_accrued_usd": f"{0.19 * (digest[3] % 4):.2f}",
            "saved_org_payment_accrued": 50 * (digest[3] % 4),
            "saved_org_payment_accrued_usd": f"{0.03 * (digest[3] % 4):.2f}",
        }

    def payment(self, opportunity: int, number: int) -> Row:
        """Return a payment; every fifth to the organization, every eighth a duplicate."""
        number -= number % 8 == 7
        digest = self._payment_digest(1 << 62 | opportunity << 32 | number)
        is_to_organization = number % 5 == 4
        confirmed = not is_to_organization and digest[0] % 2 == 0
        amount = 900 + 10 * digest[1] + digest[2] / 100
        return {
            "username": None if is_to_organization else self._users.username(opportunity, number),
            "opportunity_id": None if is_to_organization else opportunity,
            "created_at": timestamp(60 * DAY + number * 3600 + 0.590807),
            "amount": f"{amount:.2f}",
            "amount_usd": None if digest[3] % 4 == 0 else f"{amount / 1580:.2f}",
            "date_paid": timestamp((60 + number) * DAY - 6 * 3600),
            "payment_unit": None,
            "confirmed": confirmed,
            "confirmation_date": timestamp((61 + number) * DAY) if confirmed else None,
            "organization": "acme-health" if is_to_organization else None,
            "invoice_id": opportunity * 1000 + number if is_to_organization else None,
            "payment_method": None if is_to_organization else "mobile_money",
            "payment_operator": None if is_to_organization else "OPay",
        }

    def invoice(self, opportunity: int, number: int) -> Row:
        """Return an invoice; invoice numbers are unique per opportunity only."""
        digest = self._payment_digest(2 << 62 | opportunity << 32 | number)
        amount = 20000 + 100 * digest[0] + digest[1] / 100
        return {
            "opportunity_id": opportunity,
            "amount": f"{amount:.2f}",
            "amount_usd": f"{amount / 1580:.2f}" if digest[2] % 2 else None,
            "date": iso_date((100 + number) * DAY),
            "invoice_number": f"INV-{number + 1:04d}",
            "service_delivery": digest[2] % 3 > 0,
            "exchange_rate": 1 if digest[2] % 2 else None,
        }
