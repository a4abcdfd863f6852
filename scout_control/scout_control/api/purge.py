"""Purges: the removal of everything that belongs to an owner, documented in a receipt."""

from __future__ import annotations

import hashlib
import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scout_control.api import views
from scout_control.credentials.records import Owner
from scout_control.datasets import schema_drop
from scout_control.datasets.purge import leftovers, owner_data, steps
from scout_control.datasets.purge.owner_data import SearchTerms
from scout_control.errors import ControlError, SettingsError
from scout_control.rules.json_values import to_json_value
from scout_control.store import audit, lookups, postgres, runs
from scout_control.store.datasets import names as names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset

RECEIPT_TYPE, RECEIPT_VERSION = "scout purge", 1
BEYOND_REACH = (
    "backups and replicas of the databases",
    "the write-ahead log and dead rows of Postgres, until their space is reused",
    "log files outside SCOUT_HOME, and files of other machines: run the purge there too",
    "copies that readers made of the data",
)


@dataclass(frozen=True, kw_only=True)
class Plan(views.View):
    """What a purge would remove."""

    owner: str
    datasets: list[str]
    schemas: list[str]
    roles: list[str]
    dropped_too: list[str]
    """Objects outside the schemas that depend on the data."""
    runs_in_progress: int
    credentials: int
    links: int
    source_metadata: int
    people: int
    """1 if the user is a person who signs in."""
    memberships: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class PurgeVerification(views.View):
    """The result of searching for an owner again after a purge."""

    is_gone: bool
    is_genuine: bool
    """Whether the receipt is unchanged."""
    looked_at: list[dict[str, Any]]
    left: list[dict[str, Any]]


@dataclass(frozen=True)
class Purges:
    """Removes everything that belongs to a project or user, and verifies the removal later."""

    _installation: Installation

    def plan(self, *, project: str | None = None, user: str | None = None) -> Plan:
        """Return what a purge would remove, without removing anything."""
        owner = Owner(project_id=project, user_id=user)
        with self._installation.store.begin() as session:
            names = owner_data.search_terms(session, owner)
            datasets = owner_data.datasets(session, owner)
            active_runs = runs.all_alive(session, [each.id for each in datasets])
            return Plan(
                owner=str(owner),
                datasets=[lookups.path(each) for each in datasets],
                schemas=list(names.schemas),
                roles=list(names.roles),
                dropped_too=sorted({name for each in datasets for name in self._dependents(each)}),
                runs_in_progress=len(active_runs),
                credentials=len(owner_data.credentials(session, owner)),
                links=len(owner_data.links(session, owner)),
                source_metadata=len(owner_data.metadata(session, owner)),
                people=0 if owner_data.person(session, owner) is None else 1,
                memberships=len(owner_data.members(session, owner)),
                tokens=len(owner_data.tokens(session, owner)),
            )

    def execute(
        self,
        *,
        project: str | None = None,
        user: str | None = None,
        with_id: bool = True,
        leave_out: Iterable[Path] = (),
    ) -> dict[str, Any]:
        """Remove everything that belongs to an owner, search for remains, and return the receipt.

        Safe to repeat after any failure.

        Args:
            project: The project to purge, including its users' data in it.
            user: Or the user to purge: their data in all projects.
            with_id: Whether the receipt contains the id, or only its digest.
            leave_out: Files that name the owner on purpose, which are not searched.
        """
        owner = Owner(project_id=project, user_id=user)
        began_at = datetime.now(UTC)
        # Before anything is removed: afterwards the rows that name schemas and roles do not exist.
        with self._installation.store.begin() as session:
            names = owner_data.search_terms(session, owner)
        removal = steps.purge(self._installation, owner)
        searched = leftovers.search(self._installation, names, leave_out)
        outcome = {
            "began_at": began_at,
            "removed": dict(sorted(removal.removed.items())),
            "not_removed": removal.not_removed,
            "notes": removal.notes,
        }
        receipt = _receipt(names, searched, outcome, with_id=with_id)
        self._record(receipt)
        return receipt

    def verify(
        self,
        receipt: Mapping[str, Any],
        *,
        owner_id: str | None = None,
        leave_out: Iterable[Path] = (),
    ) -> PurgeVerification:
        """Search again for an owner who was purged.

        Args:
            receipt: The result of ``execute``.
            owner_id: The owner's id, for a receipt without it.
            leave_out: Files that name the owner on purpose, such as the receipt.

        Raises:
            SettingsError: This is not a receipt, or ``owner_id`` is another owner's.
        """
        searched = leftovers.search(self._installation, _names(receipt, owner_id), leave_out)
        left = _left(searched)
        is_genuine = receipt.get("hash") == _hash(receipt)
        return PurgeVerification(
            is_gone=not left,
            is_genuine=is_genuine,
            looked_at=[{"where": each.where, "found": each.found} for each in searched],
            left=left,
        )

    def _dependents(self, dataset: Dataset) -> list[str]:
        try:
            url = self._installation.server_url_of(dataset)
            with postgres.connect(url) as connection:
                return schema_drop.dependents(connection, names_of(dataset))
        except ControlError:  # an unreachable database must not prevent the plan for the others
            return []

    def _record(self, receipt: Mapping[str, Any]) -> None:
        details = {name: receipt[name] for name in ("removed", "is_complete", "hash")}
        owner = receipt["owner"]
        with self._installation.store.begin() as session:
            audit.record(session, "purged", owner["kind"], owner["sha256"], **details)


def _receipt(
    names: SearchTerms,
    searched: list[leftovers.SearchResult],
    outcome: Mapping[str, Any],
    *,
    with_id: bool,
) -> dict[str, Any]:
    left = _left(searched)
    document = {
        "receipt": RECEIPT_TYPE,
        "version": RECEIPT_VERSION,
        "owner": {"kind": names.kind, "sha256": _digest(names.kind, names.id or "")}
        | ({"id": names.id} if with_id else {}),
        "by": "the user" if audit.actor() == names.id else audit.actor(),
        "machine": socket.gethostname(),
        "ended_at": datetime.now(UTC),
        **outcome,
        "looked_for": {
            "schemas": list(names.schemas),
            "roles": list(names.roles),
            "datasets": list(names.datasets),
            "comments": list(names.comments),
        },
        "looked_at": [{"where": each.where, "found": each.found} for each in searched],
        "left": left,
        "beyond_reach": list(BEYOND_REACH),
        "is_complete": not left and not outcome["not_removed"],
    }
    receipt: dict[str, Any] = to_json_value(document)
    return receipt | {"hash": _hash(receipt)}


def _left(searched: list[leftovers.SearchResult]) -> list[dict[str, Any]]:
    return [asdict(each) for each in searched if each.found or each.problem]


def _names(receipt: Mapping[str, Any], owner_id: str | None) -> SearchTerms:
    try:
        owner, looked_for = receipt["owner"], receipt["looked_for"]
        names = SearchTerms(
            kind={"user": "user", "project": "project"}[owner["kind"]],
            id=owner_id or (_texts([owner["id"]])[0] if "id" in owner else None),
            schemas=_texts(looked_for["schemas"]),
            datasets=_texts(looked_for["datasets"]),
            comments=_texts(looked_for["comments"]),
        )
        is_theirs = names.id is None or _digest(names.kind, names.id) == owner["sha256"]
    except (KeyError, TypeError, AttributeError):
        raise SettingsError(
            "This is not a receipt of scout purge.", "Give the JSON that scout purge printed."
        ) from None
    if not is_theirs:
        raise SettingsError(
            "This receipt belongs to another owner.", "Give the id of the owner who was purged."
        )
    return names


def _texts(values: object) -> tuple[str, ...]:
    """Return a list of texts; a receipt is a file, which may have been edited.

    Raises:
        TypeError: It is not a list of texts.
    """
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise TypeError
    return tuple(values)


def _digest(kind: str, owner_id: str) -> str:
    return hashlib.sha256(f"{kind}:{owner_id}".encode()).hexdigest()


def _hash(receipt: Mapping[str, Any]) -> str:
    """Return the digest of a receipt without its ``hash``, by which a later change shows."""
    rest = {name: value for name, value in receipt.items() if name != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
