"""Projects, their links and their members, as a person sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.access.pages import LIMIT, Page, check_limit, cut, page, uuid_cursor
from scout_control.api import people_views, views
from scout_control.store import lookups, models, visibility

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scout_control.access.authorization import Authorizer
    from scout_control.api.link_changes import ColumnPaths
    from scout_control.api.projects import Belongings


@dataclass(frozen=True)
class Projects:
    """The projects that a person may see."""

    _auth: Authorizer

    def list(self, *, after: str | None = None, limit: int = LIMIT) -> Page[views.Project]:
        """Return projects, in the order of their ids."""
        with self._auth.reading() as (session, viewer):
            visible = visibility.projects(viewer, "projects.list")
            rows: Sequence[models.Project]
            rows, following = page(
                session,
                select(models.Project).where(models.Project.is_active, visible),
                models.Project.id,
                after=after,
                limit=limit,
                cursor=lambda row: row.id,
            )
            return Page([views.Project.of(row) for row in rows], following)

    def show(self, project: str) -> views.Project:
        """Return one project."""
        with self._auth.project("projects.show", project) as project_id:
            return self._auth.scout.projects.show(project_id)

    def create(
        self,
        project: str,
        *,
        name: str | None = None,
        connection: str = "default",
        db_schema: str = "public",
    ) -> views.Project:
        """Create a project."""
        with self._auth.installation("projects.create"):
            return self._auth.scout.projects.create(
                project, name=name, connection=connection, db_schema=db_schema
            )

    def update(
        self,
        project: str,
        *,
        name: str | None = None,
        connection: str | None = None,
        db_schema: str | None = None,
        unset: Collection[str] = (),
    ) -> views.Project:
        """Change a project, also its connection: one that the person may see."""
        if connection is not None:
            with self._auth.connection("connections.show", connection):
                pass
        with self._auth.project("projects.update", project) as project_id:
            return self._auth.scout.projects.update(
                project_id, name=name, connection=connection, db_schema=db_schema, unset=unset
            )

    def belongings(self, project: str) -> Belongings:
        """Return what a project still has."""
        with self._auth.project("projects.belongings", project) as project_id:
            return self._auth.scout.projects.belongings(project_id)

    def remove(self, project: str, *, with_credentials: bool = False) -> Sequence[str]:
        """Remove a project."""
        with self._auth.project("projects.remove", project) as project_id:
            return self._auth.scout.projects.remove(project_id, with_credentials=with_credentials)


@dataclass(frozen=True)
class Links:
    """The links of the projects that a person may see."""

    _auth: Authorizer

    def list(
        self,
        project: str | None = None,
        *,
        source: str | None = None,
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page[views.Link]:
        """Return links, of a project or of all that the person may see, in the order of ids."""
        with self._auth.reading() as (session, viewer):
            statement = select(models.ProjectSource).where(
                models.ProjectSource.is_active, visibility.links(viewer, "links.list")
            )
            if project is not None:
                seen = visibility.projects(viewer, "projects.show")
                project_id = lookups.project(session, project, visible=seen).id
                statement = statement.where(models.ProjectSource.project_id == project_id)
            if source is not None:
                shown = visibility.sources(viewer, "sources.show")
                source_id = lookups.source(session, source, visible=shown).id
                statement = statement.where(models.ProjectSource.source_id == source_id)
            rows: Sequence[models.ProjectSource]
            rows, following = page(
                session,
                statement,
                models.ProjectSource.id,
                after=uuid_cursor(after),
                limit=limit,
                cursor=lambda row: str(row.id),
            )
            return Page([views.Link.of(row) for row in rows], following)

    def unlinked(
        self,
        project: str,
        *,
        source: str | None = None,
        after: str | None = None,
        limit: int = LIMIT,
    ) -> Page[views.Link]:
        """Return the removed links of a project whose data has not expired yet."""
        if source is not None:
            with self._auth.source("sources.show", source):
                pass
        with self._auth.project("links.unlinked", project) as project_id:
            found = self._auth.scout.links.unlinked(project_id, source=source)
        return cut(found, lambda each: each.id, after, limit)

    def named(self, link_id: str) -> tuple[str, str]:
        """Return the project and the source of a link, also of one that was removed."""
        with self._auth.link("links.show", link_id) as names:
            return names

    def remaining(self, project: str, source: str) -> Sequence[views.Dataset]:
        """Return the datasets of a link, removed or not, that hold data and that one may see."""
        with self._auth.in_project("links.remaining", project, source) as names:
            found = self._auth.scout.links.remaining(*names)
            seen = self._visible_paths(*names)
        return [each for each in found if each.path in seen]

    def show(self, project: str, source: str) -> views.Link:
        """Return one link."""
        with self._auth.in_project("links.show", project, source) as names:
            return self._auth.scout.links.show(*names)

    def add(
        self,
        project: str,
        source: str,
        *,
        mode: str | None = None,
        interval_hours: int | None = None,
        config: Mapping[str, Any] | None = None,
        exclude: ColumnPaths | None = None,
        hash: ColumnPaths | None = None,  # noqa: A002 - what the command calls it
    ) -> views.Link:
        """Let a project use a source."""
        with self._auth.in_project("links.add", project, source) as names:
            return self._auth.scout.links.add(
                *names,
                mode=mode,
                interval_hours=interval_hours,
                config=config,
                exclude=exclude,
                hash=hash,
            )

    def update(
        self,
        project: str,
        source: str,
        *,
        mode: str | None = None,
        interval_hours: int | None = None,
        config: Mapping[str, Any] | None = None,
        exclude: ColumnPaths | None = None,
        hash: ColumnPaths | None = None,  # noqa: A002 - what the command calls it
        unset: Collection[str] = (),
    ) -> views.Link:
        """Change a link."""
        with self._auth.in_project("links.update", project, source) as names:
            return self._auth.scout.links.update(
                *names,
                mode=mode,
                interval_hours=interval_hours,
                config=config,
                exclude=exclude,
                hash=hash,
                unset=unset,
            )

    def earlier_rows(self, project: str, source: str) -> Sequence[str]:
        """Return the datasets of a link that may hold rows, of those that the person may see."""
        with self._auth.in_project("links.earlier_rows", project, source) as names:
            found = self._auth.scout.links.earlier_rows(*names)
            seen = self._visible_paths(*names)
        return [path for path in found if path in seen]

    def _visible_paths(self, project_id: str, source: str) -> Collection[str]:
        """Return the datasets of a link that the person may see."""
        with self._auth.reading() as (session, viewer):
            statement = (
                select(models.Dataset)
                .join(models.Dataset.project_source)
                .join(models.ProjectSource.source)
                .where(models.ProjectSource.project_id == project_id, models.Source.name == source)
                .where(visibility.datasets(viewer, "datasets.show"))
            )
            return {lookups.path(row) for row in session.scalars(statement)}

    def remove(self, project: str, source: str, *, drop: bool = False) -> None:
        """Detach a source from a project."""
        with self._auth.in_project("links.remove", project, source) as names:
            self._auth.scout.links.remove(*names, drop=drop)


@dataclass(frozen=True)
class Members:
    """The members of the projects that a person may see."""

    _auth: Authorizer

    def list(
        self, project: str, *, after: str | None = None, limit: int = LIMIT
    ) -> Page[people_views.Member]:
        """Return the members of a project, in the order of their ids."""
        with self._auth.reading() as (session, viewer):
            seen = visibility.projects(viewer, "projects.show")
            project_id = lookups.project(session, project, visible=seen).id
            statement = (
                select(models.Member, models.Person)
                .join(models.Person, models.Person.id == models.Member.person_id)
                .where(models.Member.project_id == project_id)
                .where(visibility.members(viewer, "members.list"))
            )
            if after is not None:
                statement = statement.where(models.Person.id > after)
            ordered = statement.order_by(models.Person.id).limit(check_limit(limit) + 1)
            found = [people_views.Member.of(*row) for row in session.execute(ordered).tuples()]
            more = found[limit - 1].person if len(found) > limit else None
            return Page(found[:limit], more)

    def show(self, project: str, person: str) -> people_views.Member:
        """Return what a person is in a project."""
        with self._auth.member("members.show", project, person) as names:
            return self._auth.scout.members.show(*names)

    def add(self, project: str, person: str, *, role: str = "member") -> people_views.Member:
        """Make a person a member of a project."""
        with self._auth.new_member("members.add", project, person) as names:
            return self._auth.scout.members.add(*names, role=role)

    def update(self, project: str, person: str, *, role: str) -> people_views.Member:
        """Change the role of a member."""
        with self._auth.member("members.update", project, person) as names:
            return self._auth.scout.members.update(*names, role=role)

    def remove(self, project: str, person: str) -> None:
        """End a membership; one's own, too."""
        with self._auth.member("members.remove", project, person) as names:
            self._auth.scout.members.remove(*names)
