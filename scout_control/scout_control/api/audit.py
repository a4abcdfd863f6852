"""The audit trail: who did what, and whether it is whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scout_control.api import views
from scout_control.store import audit, audit_chain, lookups

if TYPE_CHECKING:
    from datetime import datetime

    from scout_control.installation.installation import Site
    from scout_control.store.models import AuditEvent

ONE_MOMENT = {"isolation_level": "REPEATABLE READ"}


@dataclass(frozen=True, kw_only=True)
class Event(views.View):
    """What happened; erased values are missing."""

    position: int | None
    at: datetime
    actor: str | None
    action: str
    subject_kind: str
    subject: str | None
    project: str | None
    user: str | None
    dataset: str | None
    source: str | None
    run: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, position: int | None, found: AuditEvent) -> Event:
        """Return how callers see it."""
        told = {each.name: each.value for each in found.values}
        details = json.loads(told.pop(audit.DETAILS, "{}"))
        named = {name: told.get(name) for name in (audit.ACTOR, audit.SUBJECT, *audit.NAMED)}
        return cls(
            position=position,
            at=found.at,
            action=found.action,
            subject_kind=found.subject_kind,
            details={**found.facts, **details},
            **named,
        )


@dataclass(frozen=True, kw_only=True)
class Verdict(views.View):
    """Whether the trail is whole, and the hash by which a later look finds out about its end."""

    is_whole: bool
    first: int
    last: int
    hash: str
    events: int
    flaws: list[dict[str, Any]]


@dataclass(frozen=True)
class Audit:
    """Who did what, when, to whose; kept by the database in a chain."""

    _site: Site

    def list(  # noqa: PLR0913 - each is a filter
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        action: str | None = None,
        actor: str | None = None,
        subject: str | None = None,
        dataset: str | None = None,
        project: str | None = None,
        user: str | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return the latest events that fit, the newest first.

        Args:
            since: Not before this moment.
            until: Before this moment.
            action: What was done, as ``connected``.
            actor: Who did it.
            subject: To what: an id or a name.
            dataset: A dataset schema, or project/source, project/source/user while it exists.
            project: Whose.
            user: Whose.
            limit: How many at most.
        """
        named = {
            "actor": actor,
            "subject": subject,
            "dataset": dataset,
            "project": project,
            "user": user,
        }
        with self._site.store.begin() as session:
            if dataset is not None and "/" in dataset:
                named["dataset"] = lookups.dataset(session, dataset).schema_name
            wanted = audit.EventFilter(since=since, until=until, action=action, named=named)
            return [Event.of(*found) for found in audit.latest(session, wanted, limit)]

    def verify(self, *, expect: str | None = None, most: int | None = None) -> Verdict:
        """Work the chain out again, and return whether anything was changed, removed or put in.

        Args:
            expect: A hash that an earlier verdict gave: its event must still be in the chain.
            most: How many of the latest events to check; all by default.
        """
        with self._site.store.begin_at_any_version() as session:
            session.connection(execution_options=ONE_MOMENT)
            found = audit_chain.verify(session, most=most, expect=expect)
        return Verdict(
            is_whole=not found.flaws,
            first=found.first,
            last=found.last,
            hash=found.hash,
            events=found.events,
            flaws=[{"position": each.position, "flaw": each.flaw} for each in found.flaws],
        )
