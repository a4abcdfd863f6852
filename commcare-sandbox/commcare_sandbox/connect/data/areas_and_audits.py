"""Where work is planned and how it is checked: areas, audits, and records of Connect Labs."""

from __future__ import annotations

from commcare_sandbox.connect.data.formats import day, moment, uuid
from commcare_sandbox.connect.data.tables import Row
from commcare_sandbox.connect.data.users import DAY, People
from commcare_sandbox.seeded import digester, pick

_STATUSES = (
    *("UNASSIGNED", "NOT_VISITED", "VISITED", "REQUEST_FOR_INACCESSIBLE"),
    *("EXPECTED_VISIT_REACHED", "INACCESSIBLE", "EXCLUDED"),
)


class Field:
    """Makes the rows of planning and audit, each from its opportunity and number."""

    def __init__(self, seed: int, people: People) -> None:
        self._people = people
        self._bits = digester(seed, "connect field")

    def group(self, opportunity: int, number: int, row_id: int) -> Row:
        """Make a group of work areas."""
        return {
            "id": row_id,
            "name": f"Cluster {'ABCDEFGH'[number % 8]}",
            "ward": f"ward-{number % 3 + 1}",
            "opportunity": opportunity,
        }

    def area(self, number: int, row_id: int, group_id: int | None) -> Row:
        """Make a work area."""
        bits = self._bits(row_id)
        west, south = 8.5 + bits[0] / 1000, 11.9 + bits[1] / 1000
        corners = ((0, 0), (0.01, 0), (0.01, 0.01), (0, 0.01), (0, 0))
        ring = [[round(west + x, 4), round(south + y, 4)] for x, y in corners]
        return {
            "id": row_id,
            "slug": f"wa-{number + 1}",
            "ward": f"ward-{number % 3 + 1}",
            "status": pick(_STATUSES, bits[2]),
            "building_count": bits[3],
            "expected_visit_count": bits[4],
            "case_id": uuid(bits) if bits[5] % 3 else None,
            "case_properties": {"lga": "Kano", "state": "Kano"} if bits[5] % 3 else None,
            "work_area_group": group_id,
            "work_area_group_name": None if group_id is None else "Cluster A",
            "centroid": {
                "type": "Point",
                "coordinates": [round(west + 0.005, 4), round(south + 0.005, 4)],
            },
            "boundary": {"type": "Polygon", "coordinates": [ring]},
        }

    def report(self, opportunity: int, number: int, row_id: int) -> Row:
        """Make an audit report of one week."""
        is_done = number % 2 == 0
        return {
            "id": row_id,
            "audit_report_id": uuid(self._bits(1 << 62 | row_id)),
            "opportunity": opportunity,
            "period_start": day((90 + 7 * number) * DAY),
            "period_end": day((96 + 7 * number) * DAY),
            "status": "completed" if is_done else "pending",
            "completed_by_username": "pm@example.org" if is_done else None,
            "completed_date": moment((98 + 7 * number) * DAY) if is_done else None,
            "date_created": moment((97 + 7 * number) * DAY + 0.662879),
            "date_modified": moment((98 + 7 * number) * DAY + 0.662894),
        }

    def entry(self, opportunity: int, number: int, row_id: int, report_id: int) -> Row:
        """Make what an audit found about one worker."""
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
            "audit_report_entry_id": uuid(self._bits(2 << 62 | row_id)),
            "audit_report": report_id,
            "audit_report_uuid": uuid(self._bits(1 << 62 | report_id)),
            "opportunity_access": row_id,
            "username": self._people.username(opportunity, number),
            "results": {"muac_mean": result},
            "flagged": number % 4 == 0,
            "reviewed": number % 2 == 0,
            "review_action": ("none", None, "tasks_assigned")[number % 3],
            "date_created": moment(97 * DAY + number + 0.670556),
            "date_modified": moment(98 * DAY + number + 0.670566),
        }
