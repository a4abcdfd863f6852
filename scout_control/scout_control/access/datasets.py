"""Datasets and their models, as a person sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.access import queries
from scout_control.access.pages import LIMIT, Page, page
from scout_control.api import datasets as datasets_api
from scout_control.api import views
from scout_control.datasets import query
from scout_control.store import datasets, lookups, runs, visibility
from scout_control.store.models import Dataset, ProjectSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from scout_control.access.authorization import Authorizer
    from scout_control.api.readers import ReaderUrl
    from scout_control.datasets.query import QueryResult


@dataclass(frozen=True)
class Datasets:
    """The datasets that a person may see."""

    _auth: Authorizer

    def list(
        self,
        *,
        project: str | None = None,
        after: str | None = None,
        limit: int = LIMIT,
        operation: str = "datasets.list",
    ) -> Page[views.Dataset]:
        """Return datasets, in the order of their schemas.

        Args:
            project: Only those of this project.
            after: The cursor of the page before.
            limit: How many.
            operation: Only those to which the person may do this, such as ``models.describe``.

        Raises:
            NotFoundError: There is no such project that the person may see.
        """
        with self._auth.reading() as (session, viewer):
            statement = (
                select(Dataset)
                .join(Dataset.project_source)
                .where(visibility.datasets(viewer, operation))
            )
            if project is not None:
                seen = visibility.projects(viewer, "projects.show")
                project_id = lookups.project(session, project, visible=seen).id
                statement = statement.where(ProjectSource.project_id == project_id)
            datasets.collect_touches(session)
            rows: Sequence[Dataset]
            rows, following = page(
                session,
                statement,
                Dataset.schema_name,
                after=after,
                limit=limit,
                cursor=lambda row: row.schema_name,
            )
            active, keep = (
                runs.all_alive(session, [row.id for row in rows]),
                datasets.default_keep(session),
            )
            found = [views.Dataset.of(row, keep, active.get(row.id)) for row in rows]
            return Page(found, following)

    def show(self, name: str) -> views.Dataset:
        """Return one dataset."""
        with self._auth.dataset("datasets.show", name) as dataset:
            return self._auth.scout.datasets.show(dataset)

    def ensure(self, project: str, source: str, *, user: str | None = None) -> views.Dataset:
        """Return the dataset of a project or of the person, who thereby consents.

        Raises:
            SettingsError: The project reads this source with each user's own credential, or with
                its own, and that is not what was requested.
        """
        with self._auth.reading() as (session, viewer):
            seen = visibility.projects(viewer, "projects.show")
            project = lookups.project(session, project, visible=seen).id
            found = visibility.sources(viewer, "sources.show")
            source = lookups.source(session, source, visible=found).name
            # Before the permission: who forgot to say that it is theirs is told that.
            datasets_api.check_mode(lookups.link(session, project, source), user)
        names = self._auth.in_project("datasets.ensure", project, source, user=user)
        with names as (project_id, source_name):
            return self._auth.scout.datasets.ensure(project_id, source_name, user=user)

    def describe(self, name: str) -> dict[str, Any]:
        """Return the discovered streams of a dataset's source."""
        with self._auth.dataset("datasets.describe", name) as dataset:
            return self._auth.scout.datasets.describe(dataset)

    def share(self, name: str, roles: Iterable[str]) -> views.Dataset:
        """Set which roles of the database may read a dataset."""
        with self._auth.dataset("datasets.share", name) as dataset:
            return self._auth.scout.datasets.share(dataset, roles)

    def pause(self, name: str, *, is_paused: bool = True) -> views.Dataset:
        """Pause the schedule of a dataset, or resume it."""
        with self._auth.dataset("datasets.pause", name) as dataset:
            return self._auth.scout.datasets.pause(dataset, is_paused=is_paused)

    def update(
        self,
        name: str,
        *,
        keep: str | None = None,
        is_paused: bool | None = None,
        alias: str | None = None,
        unset: Collection[str] = (),
    ) -> views.Dataset:
        """Change a dataset; its readers are changed by ``share`` only."""
        for operation, is_needed in (
            ("datasets.share", "readers" in unset),
            ("datasets.choose_alias", alias is not None),
        ):
            if is_needed:
                with self._auth.dataset(operation, name):
                    pass
        with self._auth.dataset("datasets.update", name) as dataset:
            return self._auth.scout.datasets.update(
                dataset, keep=keep, is_paused=is_paused, alias=alias, unset=unset
            )

    def choose_alias(self, name: str, alias: str | None) -> views.Dataset:
        """Rename the schema in which people find what is to be read."""
        with self._auth.dataset("datasets.choose_alias", name) as dataset:
            return self._auth.scout.datasets.choose_alias(dataset, alias)

    def drop(self, name: str) -> None:
        """Drop the data and state of a dataset."""
        with self._auth.dataset("datasets.drop", name) as dataset:
            self._auth.scout.datasets.drop(dataset)

    def touch(self, name: str) -> views.Dataset:
        """Mark a dataset as used so it does not expire."""
        with self._auth.dataset("datasets.touch", name) as dataset:
            return self._auth.scout.datasets.touch(dataset)

    def query(
        self,
        name: str,
        statement: str,
        *,
        max_rows: int = query.MAX_ROWS,
        max_bytes: int = query.MAX_BYTES,
        timeout_seconds: float = query.TIMEOUT_SECONDS,
    ) -> QueryResult:
        """Run one SQL statement as the reader of a dataset, within the limits of a query.

        The limits are the largest possible, too: others use this installation at the same time.
        """
        limits = queries.Limits(max_rows, max_bytes, timeout_seconds)
        with self._auth.dataset("datasets.query", name) as dataset:
            return queries.execute(self._auth, dataset, statement, limits)

    def url(self, name: str, *, new_password: bool = False) -> ReaderUrl:
        """Return how a tool of the person connects as a reader of a dataset.

        The login is theirs alone. It ends with their access to the dataset, and with the token with
        which they ask.
        """
        with self._auth.dataset("datasets.url", name) as dataset:
            return self._auth.scout.datasets.url(
                dataset,
                new_password=new_password,
                person=self._auth.identity.person,
                token=self._auth.identity.token_id,
            )

    def revoke_url(self, name: str) -> bool:
        """Remove the logins of all people and tools; return whether there were any."""
        with self._auth.dataset("datasets.revoke_url", name) as dataset:
            return self._auth.scout.datasets.revoke_url(dataset)

    def search_path(self, project: str) -> str:
        """Return the search_path with which the person reads the tables of a project."""
        with self._auth.project("datasets.search_path", project) as project_id:
            person = self._auth.identity.person
            return self._auth.scout.datasets.search_path(project_id, user=person)


@dataclass(frozen=True)
class Models:
    """The dbt models of the datasets whose rows a person may read."""

    _auth: Authorizer

    def describe(self, name: str, *, table: str | None = None) -> dict[str, Any]:
        """Return the data dictionary of a dataset, or of one of its tables."""
        with self._auth.dataset("models.describe", name) as dataset:
            return self._auth.scout.models.describe(dataset, table=table)

    def list(self, name: str) -> Sequence[dict[str, Any]]:
        """Return the models of a dataset."""
        with self._auth.dataset("models.list", name) as dataset:
            return self._auth.scout.models.list(dataset)

    def show(self, name: str, table: str) -> dict[str, Any]:
        """Return one model of a dataset."""
        with self._auth.dataset("models.show", name) as dataset:
            return self._auth.scout.models.show(dataset, table)
