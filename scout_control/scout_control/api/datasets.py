"""Datasets: made, looked at, shared, touched, paused, asked, dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scout_control.api import views
from scout_control.datasets import deletion, query
from scout_control.datasets.provision import set_readers
from scout_control.errors import SettingsError
from scout_control.rules.json_values import to_json_value
from scout_control.store import audit, datasets, lookups, metadata, runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scout_control.datasets.query import QueryResult
    from scout_control.installation.installation import Site


@dataclass(frozen=True)
class Datasets:
    """Sources materialised for owners."""

    _site: Site

    def list(self, *, project: str | None = None, user: str | None = None) -> list[views.Dataset]:
        """Return all datasets, or what one owner sees.

        Raises:
            NotFoundError: There is no such project.
        """
        with self._site.store.begin() as session:
            if project is not None:
                lookups.project(session, project)
            datasets.collect_touches(session)
            found = datasets.of_owner(session, project, user)
            alive = runs.all_alive(session, [each.id for each in found])
            return [views.Dataset.of(each, alive.get(each.id)) for each in found]

    def show(self, name: str) -> views.Dataset:
        """Return one dataset: by project/source, project/source/user, schema or id."""
        with self._site.store.begin() as session:
            datasets.collect_touches(session)
            found = lookups.dataset(session, name)
            return views.Dataset.of(found, runs.alive(session, found.id))

    def ensure(self, project: str, source: str, *, user: str | None = None) -> views.Dataset:
        """Return the dataset of an owner, made when missing; it is loaded by its first run.

        With ``user`` this is how a user agrees that the project reads the source with their login;
        nothing else is. Unlinking the source ends it.

        Raises:
            SettingsError: The link is for users and none is named, or the other way round.
        """
        with self._site.store.begin() as session:
            link = lookups.link(session, project, source)
            if (link.credential_mode == "user") != bool(user):
                raise SettingsError(
                    f"{project}/{source} is read with the login of "
                    + ("the project." if user else "each user."),
                    "Leave --user out." if user else "Give --user.",
                )
            now = datetime.now(UTC)
            found = datasets.ensure(session, link, user or None, now)
            if datasets.give_consent(found, audit.actor(), now):
                audit.record(session, "agreed", "dataset", found.id, user=user, project=project)
            return views.Dataset.of(found)

    def describe(self, name: str) -> dict[str, Any]:
        """Return what discovery found at a dataset's source; it outlives the data."""
        with self._site.store.begin() as session:
            dataset = lookups.dataset(session, name)
            found = metadata.find(session, dataset)
            return {
                "dataset": lookups.path(dataset),
                "discovered_at": to_json_value(found.discovered_at) if found else None,
                **(found.document if found else {}),
            }

    def share(self, name: str, roles: Iterable[str]) -> views.Dataset:
        """Let exactly these roles of the database read a dataset; no other one may any more."""
        with self._site.store.begin() as session:
            dataset = lookups.dataset(session, name)
            dataset.readers = sorted(set(roles))
            told = audit.changes(dataset)
            if dataset.last_sync_at is not None:
                server_url = self._site.server_url_of(dataset)
                set_readers(server_url, dataset.schema_name, dataset.readers)
            names = audit.of_dataset(dataset)
            audit.record(session, "shared", "dataset", dataset.id, **names, changes=told)
            return views.Dataset.of(dataset)

    def pause(self, name: str, *, is_paused: bool = True) -> views.Dataset:
        """Leave a dataset out of the schedule, or let it in again."""
        with self._site.store.begin() as session:
            dataset = lookups.dataset(session, name)
            dataset.is_paused = is_paused
            if not is_paused and dataset.next_sync_at is None:
                dataset.next_sync_at = datetime.now(UTC)
            action, names = "paused" if is_paused else "resumed", audit.of_dataset(dataset)
            audit.record(session, action, "dataset", dataset.id, **names)
            return views.Dataset.of(dataset)

    def drop(self, name: str, *, force: bool = False) -> None:
        """Drop a dataset's data and state; the dataset stays, expired.

        Raises:
            ConflictError: A run is in progress, or something outside depends on the data.
        """
        with self._site.store.begin() as session:
            dataset = lookups.dataset(session, name)
        names = audit.of_dataset(dataset)
        with audit.recording_refusals(self._site.store, "dataset", dataset.id, **names):
            deletion.drop(self._site, dataset.id, force=force)

    def touch(self, name: str) -> views.Dataset:
        """Remember that a dataset is in use.

        Raises:
            ConflictError: Its data is gone already.
        """
        query.touch(self._site, name)
        return self.show(name)

    def query(
        self,
        name: str,
        statement: str,
        *,
        max_rows: int = query.MAX_ROWS,
        max_bytes: int = query.MAX_BYTES,
        timeout_seconds: float = query.TIMEOUT_SECONDS,
    ) -> QueryResult:
        """Ask a dataset one question as its reader; this touches it, too.

        Raises:
            ConflictError: It holds no data now.
            SettingsError: A limit is not positive, or is longer than a day.
            QueryError: The database refused the question.
        """
        return query.query(
            self._site,
            name,
            statement,
            max_rows=max_rows,
            max_bytes=max_bytes,
            timeout_seconds=timeout_seconds,
        )

    def search_path(self, project: str, *, user: str | None = None) -> str:
        """Return the search path by which an owner reads unqualified names."""
        return query.search_path(self._site, project, user)
