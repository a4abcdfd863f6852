"""Generated mobile workers, web users, groups and locations."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.hq.data import names, timestamps
from commcare_sandbox.hq.data.sequence import START
from commcare_sandbox.pseudorandom import digester, hex_id, pick

LEVELS = (
    ("Country", "country"),
    ("State", "state"),
    ("District", "district"),
    ("Village unit", "village-unit"),
)
"""Name and code of the location types, from the top."""


class Directory:
    """Mobile workers, web users, groups and locations of a domain; a few dozen of each."""

    def __init__(self, seed: int, domain: str, workers: int = 26) -> None:
        self._seed, self.domain = seed, domain
        self.location_ids = [hex_id(seed, "location", at) for at in range(34)]
        self.group_ids = [hex_id(seed, "group", at) for at in range(6)]
        self.worker_ids = [hex_id(seed, "worker", at) for at in range(workers)]
        self.owner_ids = [*self.worker_ids, *self.group_ids[:3], *self.location_ids[13:21]]
        self.deactivated = {worker for at, worker in enumerate(self.worker_ids) if at % 9 == 5}
        self.archived_locations: set[str] = set()
        digest = digester(seed, "people")
        self._bits = [digest(at) for at in range(max(workers, 40))]

    def username(self, worker_id: str) -> str:
        """Return the short username of a mobile worker."""
        return f"chw{self.worker_ids.index(worker_id) + 1:03d}"

    def workers(self, *, archived: bool) -> list[dict[str, Any]]:
        """List the active or the deactivated mobile workers, by username."""
        return [
            self._worker(at, worker_id)
            for at, worker_id in enumerate(self.worker_ids)
            if (worker_id in self.deactivated) == archived
        ]

    def _worker(self, at: int, worker_id: str) -> dict[str, Any]:
        digest = self._bits[at]
        given, _, family = names.person(digest).partition(" ")
        location = self.location_ids[13 + at % 21]
        data: dict[str, Any] = {
            "commcare_project": self.domain,
            "commcare_profile": "",
            "chw_id": f"{digest[3]}/{digest[4]}/{digest[5]:02X}",
        }
        if at % 3 == 0:
            data["commcare_location_id"] = location
            data["commcare_location_ids"] = [location] if at % 2 else location
        phones = [f"254{digest[6]:03d}{digest[7]:03d}", f"254{digest[8]:03d}{digest[9]:03d}"][
            : at % 3
        ]
        return {
            "id": worker_id,
            "username": f"chw{at + 1:03d}@{self.domain}.commcarehq.org",
            "first_name": given,
            "last_name": None if at % 11 == 4 else family,
            "email": "",
            "language": None if at % 5 == 2 else pick(names.LANGUAGES, digest[0]),
            "default_phone_number": phones[0] if phones else None,
            "phone_numbers": phones,
            "groups": [self.group_ids[at % 5]] if at % 4 else [],
            "locations": [location] if at % 3 == 0 else [],
            "primary_location": location if at % 3 == 0 else None,
            "eulas": "[]",
            "role": pick(("Field Implementer", None, "Mobile Worker Default"), digest[10]),
            "user_data": data,
        }

    def deactivate(self, worker_id: str) -> None:
        """Deactivate a mobile worker."""
        if worker_id not in self.worker_ids:
            raise ValueError(f"{self.domain} has no mobile worker {worker_id!r}.")
        self.deactivated.add(worker_id)

    def archive_location(self, location_id: str) -> None:
        """Archive a location: no list shows it."""
        if location_id not in self.location_ids:
            raise ValueError(f"{self.domain} has no location {location_id!r}.")
        self.archived_locations.add(location_id)

    def web_users(self) -> list[dict[str, Any]]:
        """List the web users; the first one owns the sandbox's credentials."""
        return [
            {
                "id": hex_id(self._seed, "web", at),
                "username": username,
                "first_name": first,
                "last_name": last,
                "email": username,
                "default_phone_number": phone,
                "phone_numbers": [phone] if phone else [],
                "eulas": "[]",
                "is_admin": role == "Admin",
                "role": role,
                "permissions": permissions,
                "profile": None,
                "user_data": {},
                "primary_location_id": None,
                "assigned_location_ids": [] if at % 2 else None,
                "is_active_in_domain": True,
                "tableau_role": None,
            }
            for at, (username, first, last, phone, role, permissions) in enumerate(_WEB_USERS)
        ]

    def groups(self) -> list[dict[str, Any]]:
        """List the groups by name, with their active members."""
        return [
            {
                "id": group_id,
                "domain": self.domain,
                "name": name,
                "users": [
                    worker["id"]
                    for worker in self.workers(archived=False)
                    if group_id in worker["groups"]
                ],
                "case_sharing": at % 2 == 0,
                "reporting": at < 4,
                "metadata": (None, {}, {"leader": "chw001"})[at % 3],
            }
            for at, (group_id, name) in enumerate(zip(self.group_ids, _GROUPS, strict=True))
        ]

    def locations(self) -> list[dict[str, Any]]:
        """List the locations that are not archived, with the fields of both API versions."""
        return [
            self._location(at, location_id)
            for at, location_id in enumerate(self.location_ids)
            if location_id not in self.archived_locations
        ]

    def _location(self, at: int, location_id: str) -> dict[str, Any]:
        level = 0 if at == 0 else 1 if at < 4 else 2 if at < 13 else 3
        parent_id = (None, 0, 1 + (at - 4) // 3, 4 + (at - 13) // 3)[level]
        digest = self._bits[at % len(self._bits)]
        changed = START + at * 11 * timestamps.DAY + digest[1] * 1_000_003
        name = "River Health" if at == 0 else f"{names.VILLAGES[at % len(names.VILLAGES)]} {at}"
        return {
            "number": at + 7,
            "location_id": location_id,
            "name": name,
            "site_code": f"site_{at}",
            "external_id": f"NA-{at:02d}" if at % 4 == 1 else None,
            "created_at": naive(START + at * 11 * timestamps.DAY),
            "last_modified": naive(changed),
            "latitude": f"{-20 - at / 10:.10f}" if at % 3 else None,
            "longitude": f"{16 + at / 10:.10f}" if at % 3 else None,
            "location_data": {"pop": str(1000 + digest[2])} if at % 2 else {},
            "level": level,
            "parent_id": None if parent_id is None else self.location_ids[parent_id],
        }


def naive(timestamp: int) -> str:
    """Format a timestamp without zone; a zero fraction is omitted."""
    return timestamps.render(timestamp, timestamps.NO_ZONE).removesuffix(".000000")


_PERMISSIONS: dict[str, Any] = {
    "access_all_locations": True,
    "access_api": True,
    "edit_data": True,
    "edit_apps": True,
    "view_reports": True,
    "view_report_list": [],
}
_WEB_USERS: tuple[tuple[str, str, str, str | None, str, dict[str, Any]], ...] = (
    ("demo@example.org", "Dee", "Mo", None, "Admin", _PERMISSIONS),
    ("admin@example.org", "Joe", "Admin", None, "Admin", _PERMISSIONS),
    ("ro@example.org", "R", "", "+15550100", "", {}),
)
_GROUPS = ("Block A", "Block B", "Empty", "North", "South", "Supervisors")
