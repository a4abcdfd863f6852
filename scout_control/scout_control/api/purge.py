"""The right to be forgotten: removes all of an owner, and says on a receipt what was done."""

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from scout_control.installation.installation import Site
    from scout_control.store.models import Dataset

KIND, VERSION = "scout purge", 1
BEYOND = (
    "backups and replicas of the databases",
    "the write-ahead log and dead rows of Postgres, until it reuses them",
    "log files outside of SCOUT_HOME, and files of other machines: purge there too",
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
    """What others built on the data."""
    runs_in_progress: int
    credentials: int
    links: int
    source_metadata: int


@dataclass(frozen=True, kw_only=True)
class Verified(views.View):
    """What a later look found of an owner who was purged."""

    is_gone: bool
    is_genuine: bool
    """Whether the receipt is as it was written."""
    looked_at: list[dict[str, Any]]
    left: list[dict[str, Any]]


@dataclass(frozen=True)
class Erasure:
    """Removes owners."""

    _site: Site

    def plan(self, *, project: str | None = None, user: str | None = None) -> Plan:
        """Return what a purge would remove, and remove nothing."""
        owner = Owner(project_id=project, user_id=user)
        with self._site.store.begin() as session:
            names = owner_data.search_terms(session, owner)
            found = owner_data.datasets(session, owner)
            alive = runs.all_alive(session, [each.id for each in found])
            return Plan(
                owner=str(owner),
                datasets=[lookups.path(each) for each in found],
                schemas=list(names.schemas),
                roles=list(names.roles),
                dropped_too=sorted({each for one in found for each in self._dependents(one)}),
                runs_in_progress=len(alive),
                credentials=len(owner_data.credentials(session, owner)),
                links=len(owner_data.links(session, owner)),
                source_metadata=len(owner_data.metadata(session, owner)),
            )

    def purge(
        self,
        *,
        project: str | None = None,
        user: str | None = None,
        with_id: bool = True,
        leave_out: Iterable[Path] = (),
    ) -> dict[str, Any]:
        """Remove all that belongs to an owner, look for what is left, and return the receipt.

        It may be called again, whatever stopped it.

        Args:
            project: The project: with the data of its users in it.
            user: Or the user: their data in all projects.
            with_id: Whether the receipt holds the id, or its digest only.
            leave_out: Files that name the owner on purpose.
        """
        owner = Owner(project_id=project, user_id=user)
        began = datetime.now(UTC)
        with self._site.store.begin() as session:
            names = owner_data.search_terms(session, owner)
        removal = steps.purge(self._site, owner)
        looked = leftovers.search(self._site, names, leave_out)
        facts = {
            "began_at": began,
            "removed": dict(sorted(removal.removed.items())),
            "not_removed": removal.not_removed,
            "notes": removal.notes,
        }
        receipt = _receipt(names, looked, facts, with_id=with_id)
        self._record(receipt)
        return receipt

    def verify(
        self,
        receipt: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the owner's
        leave_out: Iterable[Path] = (),
    ) -> Verified:
        """Look again for an owner who was purged; says what of them is there.

        Args:
            receipt: What ``purge`` returned.
            id: The owner's id, for a receipt without it.
            leave_out: Files that name the owner on purpose, as the receipt.

        Raises:
            SettingsError: This is no receipt, or another owner's.
        """
        looked = leftovers.search(self._site, _names(receipt, id), leave_out)
        left = _left(looked)
        is_genuine = receipt.get("hash") == _hash(receipt)
        return Verified(
            is_gone=not left,
            is_genuine=is_genuine,
            looked_at=[{"where": each.where, "found": each.found} for each in looked],
            left=left,
        )

    def _dependents(self, dataset: Dataset) -> list[str]:
        try:
            url = self._site.server_url_of(dataset)
            with postgres.connect(url) as connection:
                return schema_drop.dependents(connection, dataset.schema_name)
        except ControlError:
            return []

    def _record(self, receipt: Mapping[str, Any]) -> None:
        told = {name: receipt[name] for name in ("removed", "is_complete", "hash")}
        owner = receipt["owner"]
        with self._site.store.begin() as session:
            audit.record(session, "purged", owner["kind"], owner["sha256"], **told)


def _receipt(
    names: SearchTerms,
    looked: list[leftovers.SearchResult],
    facts: Mapping[str, Any],
    *,
    with_id: bool,
) -> dict[str, Any]:
    left = _left(looked)
    told = {
        "receipt": KIND,
        "version": VERSION,
        "owner": {"kind": names.kind, "sha256": _digest(names.kind, names.id or "")}
        | ({"id": names.id} if with_id else {}),
        "by": "the user" if audit.actor() == names.id else audit.actor(),
        "machine": socket.gethostname(),
        "ended_at": datetime.now(UTC),
        **facts,
        "looked_for": {
            "schemas": list(names.schemas),
            "roles": list(names.roles),
            "datasets": list(names.datasets),
            "comments": list(names.comments),
        },
        "looked_at": [{"where": each.where, "found": each.found} for each in looked],
        "left": left,
        "beyond_reach": list(BEYOND),
        "is_complete": not left and not facts["not_removed"],
    }
    receipt: dict[str, Any] = to_json_value(told)
    return receipt | {"hash": _hash(receipt)}


def _left(looked: list[leftovers.SearchResult]) -> list[dict[str, Any]]:
    return [asdict(each) for each in looked if each.found or each.problem]


def _names(receipt: Mapping[str, Any], told: str | None) -> SearchTerms:
    try:
        owner, wanted = receipt["owner"], receipt["looked_for"]
        names = SearchTerms(
            kind={"user": "user", "project": "project"}[owner["kind"]],
            id=told or owner.get("id"),
            schemas=tuple(wanted["schemas"]),
            datasets=tuple(wanted["datasets"]),
            comments=tuple(wanted["comments"]),
        )
        is_theirs = names.id is None or _digest(names.kind, names.id) == owner["sha256"]
    except (KeyError, TypeError, AttributeError):
        raise SettingsError(
            "This is not the receipt of a purge.", "Give what scout purge printed."
        ) from None
    if not is_theirs:
        raise SettingsError("This receipt is of another owner.", "Give the id that it is of.")
    return names


def _digest(kind: str, identity: str) -> str:
    return hashlib.sha256(f"{kind}:{identity}".encode()).hexdigest()


def _hash(receipt: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in receipt.items() if name != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
