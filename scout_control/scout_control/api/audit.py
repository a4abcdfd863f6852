"""The audit trail: lists its events, and verifies that none was changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scout_control.api import views
from scout_control.store import audit, audit_chain, lookups

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation
    from scout_control.store.models import AuditEvent

# The chain is read by several statements, which must see the same events.
ONE_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}


@dataclass(frozen=True, kw_only=True)
class Event(views.View):
    """One event; values that a purge erased are None."""

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
    def of(cls, position: int | None, event: AuditEvent) -> Event:
        """Return the view of an event of the store."""
        values = {each.name: each.value for each in event.values}
        details = json.loads(values.pop(audit.DETAILS, "{}"))
        names = {name: values.get(name) for name in (audit.ACTOR, audit.SUBJECT, *audit.NAMED)}
        return cls(
            position=position,
            at=event.at,
            action=event.action,
            subject_kind=event.subject_kind,
            details={**event.facts, **details},
            **names,
        )


@dataclass(frozen=True, kw_only=True)
class Verification(views.View):
    """Whether the trail is intact, and the hash of its last event, to be kept elsewhere."""

    is_whole: bool
    first: int
    last: int
    hash: str
    events: int
    flaws: list[dict[str, Any]]


@dataclass(frozen=True)
class Audit:
    """The audit trail: who did what, when, to whose data. Postgres keeps it as a hash chain."""

    _installation: Installation

    def list(
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
        before: int | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return the latest events that match all filters, newest first.

        Args:
            since: Events at or after this time.
            until: Events before this time.
            action: Events of this kind, such as ``connected``.
            actor: Events by this actor.
            subject: Events about this subject: an id or a name.
            dataset: A dataset schema, or project/source, project/source/user while it exists.
            project: Events about this project.
            user: Events about this user.
            before: Events at earlier positions of the trail than this one.
            limit: At most this many events.
        """
        names = {
            "actor": actor,
            "subject": subject,
            "dataset": dataset,
            "project": project,
            "user": user,
        }
        with self._installation.store.begin() as session:
            if dataset is not None and "/" in dataset:
                names["dataset"] = lookups.dataset(session, dataset).schema_name
            wanted = audit.EventFilter(
                since=since, until=until, action=action, named=names, before=before
            )
            return [Event.of(*each) for each in audit.latest(session, wanted, limit)]

    def verify(self, *, expect: str | None = None, most: int | None = None) -> Verification:
        """Recompute the hash chain; return whether an event was changed, removed or inserted.

        Args:
            expect: The ``hash`` of an earlier verification, which must still be in the chain.
            most: Check only this many of the latest events; all by default.
        """
        # At any version: the trail must be verifiable before an upgrade, too.
        with self._installation.store.begin_at_any_version() as session:
            session.connection(execution_options=ONE_SNAPSHOT)
            result = audit_chain.verify(session, most=most, expect=expect)
        return Verification(
            is_whole=not result.flaws,
            first=result.first,
            last=result.last,
            hash=result.hash,
            events=result.events,
            flaws=[{"position": each.position, "flaw": each.flaw} for each in result.flaws],
        )
