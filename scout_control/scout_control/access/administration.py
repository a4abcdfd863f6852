"""The audit trail and purges, for those who run an installation or a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.access.pages import LIMIT, Page, check_limit, position_cursor

if TYPE_CHECKING:
    from datetime import datetime

    from scout_control.access.authorization import Authorizer
    from scout_control.api.audit import Event, Verification
    from scout_control.api.purge import Plan


@dataclass(frozen=True)
class Audit:
    """The audit trail."""

    _auth: Authorizer

    def list(
        self,
        *,
        project: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        action: str | None = None,
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page[Event]:
        """Return the latest events, of a project or of the installation, newest first."""
        filters: dict[str, Any] = {"since": since, "until": until, "action": action}
        filters |= {"before": position_cursor(after), "limit": check_limit(limit) + 1}
        if project is None:
            with self._auth.installation("audit.list"):
                found = self._auth.scout.audit.list(**filters)
        else:
            with self._auth.project("audit.list", project) as project_id:
                found = self._auth.scout.audit.list(project=project_id, **filters)
        following = str(found[limit - 1].position) if len(found) > limit else None
        return Page(found[:limit], following)

    def verify(self, *, expect: str | None = None) -> Verification:
        """Return whether an event was changed, removed or inserted."""
        with self._auth.installation("audit.verify"):
            return self._auth.scout.audit.verify(expect=expect)


@dataclass(frozen=True)
class Purges:
    """Removal of everything that belongs to an owner."""

    _auth: Authorizer

    def plan(self, *, project: str | None = None, user: str | None = None) -> Plan:
        """Return what a purge would remove."""
        with self._auth.owner("purges.plan", project, user):
            return self._auth.scout.purges.plan(project=project, user=user)

    def execute(
        self, *, project: str | None = None, user: str | None = None, with_id: bool = True
    ) -> dict[str, Any]:
        """Remove everything that belongs to an owner, and return the receipt."""
        with self._auth.owner("purges.execute", project, user):
            return self._auth.scout.purges.execute(project=project, user=user, with_id=with_id)
