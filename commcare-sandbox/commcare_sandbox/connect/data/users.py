"""Workers of the opportunities, and the entities they visit."""

from __future__ import annotations

from commcare_sandbox.connect.data.formats import iso_date, timestamp, uuid4_of
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.pseudorandom import digester, mix, pick

DAY = 86400
NAMES = ("Aisha Bello", "Musa Ibrahim", "Zainab O'Neil", "आशा देवी", "", "Fatoumata Diallo")
ENTITIES = (
    "Zainab K",
    'Amina "Mama" Yusuf',
    "Two\nLines, Kano",
    "Néné Traoré",
    "सुनीता",
    "🙂 Baby",
)
_STATUSES = ("accepted", "accepted", "invited", "sms_delivered", None, "sms_not_delivered")


class Users:
    """Generates workers. One person can work in several opportunities under one username."""

    def __init__(self, seed: int, workers: int) -> None:
        self.workers = workers
        self._digest = digester(seed, "connect user")
        self._entity = digester(seed, "connect entity")

    def person(self, opportunity: int, worker: int) -> int:
        """Return the number of the person behind a worker of an opportunity."""
        return opportunity // 3 * self.workers + worker % max(self.workers, 1)

    def username(self, opportunity: int, worker: int) -> str:
        """Return a username: 20 random hexadecimal digits."""
        return self._digest(self.person(opportunity, worker))[:10].hex()

    def user_id(self, opportunity: int, worker: int) -> str:
        """Return the UUID of a user."""
        return uuid4_of(self._digest(self.person(opportunity, worker))[10:26])

    def entity(self, opportunity: int, number: int) -> tuple[str | None, str | None]:
        """Return the id and name of the visited entity; a few visits have none."""
        if number % 17 == 9:
            return None, None
        name = pick(ENTITIES, number)
        return f"{name}-{mix(opportunity * 1_000_003 + number):010d}", name

    def access(self, opportunity: int, number: int) -> Row:
        """Return a row of ``user_data``: a worker in an opportunity."""
        digest = self._digest(self.person(opportunity, number))
        began = digest[3] * 3600 + opportunity * 60
        has_learned, is_suspended = digest[4] % 3 > 0, digest[5] % 7 == 0
        has_claimed = has_learned and digest[6] % 4 > 0
        units = (2 * opportunity, 2 * opportunity + 1)
        return {
            "username": self.username(opportunity, number),
            "name": pick(NAMES, digest[0]),
            "phone": None if digest[1] % 9 == 0 else f"+23480{digest[1]:03d}{digest[2]:03d}",
            "date_learn_started": timestamp(began) if digest[2] % 5 else None,
            "user_invite_status": pick(_STATUSES, digest[7]),
            "payment_accrued": 300 * digest[8],
            "suspended": is_suspended,
            "suspension_date": timestamp(90 * DAY + began + 0.123456) if is_suspended else None,
            "suspension_reason": "Data quality" if is_suspended else None,
            "invited_date": timestamp(began - 3600 + number / 1000 + 0.000123),
            "completed_learn_date": timestamp(began + 2 * DAY) if has_learned else None,
            "last_active": timestamp(120 * DAY + began) if digest[9] % 4 else None,
            "date_claimed": iso_date(began + 3 * DAY) if has_claimed else None,
            "claim_limits": [
                {
                    "max_visits": 200 - 100 * at,
                    "payment_unit": unit,
                    "payment_unit_id": uuid4_of(self._entity(unit)),
                }
                for at, unit in enumerate(units)
            ]
            if has_claimed
            else [],
        }

    def payment_unit_uuid(self, unit: int) -> str:
        """Return the UUID of a payment unit."""
        return uuid4_of(self._entity(unit))
