"""Generated work areas, their groups, and audit reports."""

from __future__ import annotations

from commcare_sandbox.connect.data.formats import iso_date, timestamp, uuid4_of
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.connect.data.users import DAY, Users
from commcare_sandbox.pseudorandom import digester, pick

_STATUSES = (
    *("UNASSIGNED", "NOT_VISITED", "VISITED", "REQUEST_FOR_INACCESSIBLE"),
    *("EXPECTED_VISIT_REACHED", "INACCESSIBLE", "EXCLUDED"),
)


class AreasAndAudits:
    """Generates work areas and audit reports, each from its opportunity and number."""

    def __init__(self, seed: int, users: Users) -> None:
        self._users = users
        self._digest = digester(seed, "connect field")

    def group(self, opportunity: int, number: int, row_id: int) -> Row:
        """Return a group of work areas."""
        return {
            "id": row_id,
            "name": f"Cluster {'ABCDEFGH'[number % 8]}",
            "ward": f"ward-{number % 3 + 1}",
            "opportunity": opportunity,
        }

    def area(self, number: int, row_id: int, group_id: int | None) -> Row:
        """Return a work area."""
        digest = self._digest(row_id)
        west, south = 8.5 + digest[0] / 1000, 11.9 + digest[1] / 1000
        corners = ((0, 0), (0.01, 0), (0.01, 0.01), (0, 0.01), (0, 0))
        ring = [[round(west + x, 4), round(south + y, 4)] for x, y in corners]
        return {
            "id": row_id,
            "slug": f"wa-{number + 1}",
            "ward": f"ward-{number % 3 + 1}",
            "status": pick(_STATUSES, digest[2]),
            "building_count": digest[3],
            "expected_visit_count": digest[4],
            "case_id": uuid4_of(digest) if digest[5] % 3 else None,
            "case_properties": {"lga": "Kano", "state": "Kano"} if digest[5] % 3 else None,
            "work_area_group": group_id,
            "work_area_group_name": None if group_id is None else "Cluster A",
            "centroid": {
                "type": "Point",
                "coordinates": [round(west + 0.005, 4), round(south + 0.005, 4)],
            },
            "boundary": {"type": "Polygon", "coordinates": [ring]},
        }

    def report(self, opportunity: int, number: int, row_id: int) -> Row:
        """Return an audit report of one week."""
        is_completed = number % 2 == 0
        return {
            "id": row_id,
            "audit_report_id": uuid4_of(self._digest(1 << 62 | row_id)),
            "opportunity": opportunity,
            "period_start": iso_date((90 + 7 * number) * DAY),
            "period_end": iso_date((96 + 7 * number) * DAY),
            "status": "completed" if is_completed else "pending",
            "completed_by_username": "pm@example.org" if is_completed else None,
            "completed_date": timestamp((98 + 7 * number) * DAY) if is_completed else None,
            "date_created": timestamp((97 + 7 * number) * DAY + 0.662879),
            "date_modified": timestamp((98 + 7 * number) * DAY + 0.662894),
        }

    def entry(self, opportunity: int, number: int, row_id: int, report_id: int) -> Row:
        """Return the audit result of one worker."""
        result = {
            "value": 12.4,
            "has_sufficient_data": True,
            "in_range": number % 4 > 0,
            "label": "Mean MUAC",
            "numerator": 124,
            "denominator": 10,
        }
        return {
            "id": row_id,
            "audit_report_entry_id": uuid4_of(self._digest(2 << 62 | row_id)),
            "audit_report": report_id,
            "audit_report_uuid": uuid4_of(self._digest(1 << 62 | report_id)),
            "opportunity_access": row_id,
            "username": self._users.username(opportunity, number),
            "results": {"muac_mean": result},
            "flagged": number % 4 == 0,
            "reviewed": number % 2 == 0,
            "review_action": ("none", None, "tasks_assigned")[number % 3],
            "date_created": timestamp(97 * DAY + number + 0.670556),
            "date_modified": timestamp(98 * DAY + number + 0.670566),
        }
