"""The one place where permissions are applied.

Each method finds an object among those that the person may see, decides whether the operation is
allowed, and lets the caller act in the person's name. An object that is hidden is not found by the
same statement, and with the same message, as one that does not exist.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, select

from scout_control.access.grants import Grants
from scout_control.access.identity import Identity, not_signed_in
from scout_control.errors import ControlError, ForbiddenError, NotFoundError
from scout_control.rules.permissions import TABLE, Decision, Relation, Role, decide
from scout_control.rules.server_paths import hide_folders
from scout_control.store import audit, lookups, people, visibility
from scout_control.store.models import Person, Source
from scout_control.store.visibility import Viewer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from scout_control.api.scout import Scout

_LISTS = {"person": "people list", "project": "projects list"}


@dataclass(frozen=True)
class Authorizer:
    """Applies the table of permissions for one person."""

    scout: Scout
    identity: Identity

    @contextmanager
    def reading(self) -> Iterator[tuple[Session, Viewer]]:
        """Open a transaction as the person, whose roles are read each time.

        What is forbidden is recorded in the audit trail; what is hidden is not, since that is what
        any mistyped name is.

        Raises:
            NotSignedInError: The person was removed, or is inactive.
        """
        store = self.scout.installation.store
        with self._acting():
            try:
                with store.begin() as session:
                    yield session, self._viewer(session)
            except ForbiddenError as error:
                names = {"user": self.identity.person, "reason": error.cause}
                audit.record_refusal(store, "operation", error.operation, **names)
                raise

    def _viewer(self, session: Session) -> Viewer:
        person = session.get(Person, self.identity.person)
        if person is None or not person.is_active:
            raise not_signed_in()
        return Viewer(person_id=person.id, roles=people.roles_of(person))

    @contextmanager
    def dataset(self, operation: str, name: str) -> Iterator[str]:
        """Act on a dataset; yields its id."""
        with self.reading() as (session, viewer):
            visible = visibility.datasets(viewer, _view(operation))
            row = lookups.dataset(session, name, visible=visible)
            project = row.project_source.project_id
            self._check_owned(session, viewer, operation, project, row.user_id)
        with self._acting():
            yield str(row.id)

    @contextmanager
    def run(self, operation: str, name: str) -> Iterator[str]:
        """Act on a run; yields its id."""
        with self.reading() as (session, viewer):
            visible = visibility.datasets(viewer, _view(operation))
            row = lookups.run(session, name, visible=visible)
            project, user = row.dataset.project_source.project_id, row.dataset.user_id
            self._check_owned(session, viewer, operation, project, user)
        with self._acting():
            yield str(row.id)

    @contextmanager
    def project(self, operation: str, name: str) -> Iterator[str]:
        """Act on a project; yields its id."""
        with self.reading() as (session, viewer):
            row = lookups.project(session, name, visible=_project(viewer))
            self._check_owned(session, viewer, operation, row.id, None)
        with self._acting():
            yield row.id

    @contextmanager
    def in_project(
        self, operation: str, project: str, source: str, *, user: str | None = None
    ) -> Iterator[tuple[str, str]]:
        """Act on what a project has of a source, or a user in it; yields the id and the name."""
        with self.reading() as (session, viewer):
            project_id = lookups.project(session, project, visible=_project(viewer)).id
            source_name = lookups.source(session, source, visible=_source(viewer)).name
            self._check_owned(session, viewer, operation, project_id, user)
        with self._acting():
            yield project_id, source_name

    @contextmanager
    def credential(
        self, operation: str, source: str, project: str | None, user: str | None
    ) -> Iterator[tuple[str, str | None, str | None]]:
        """Act on a credential, by default the person's; yields source, project and user."""
        with self.reading() as (session, viewer):
            if project is None:
                user = user or viewer.person_id
            else:
                project = lookups.project(session, project, visible=_project(viewer)).id
            self._check_owned(session, viewer, operation, project, user)
            source = lookups.source(session, source, visible=_source(viewer)).name
        with self._acting():
            yield source, project, user

    def owner_of_credential(self, credential_id: str) -> tuple[str, str | None, str | None]:
        """Return source, project and user of a credential that the person may see."""
        with self.reading() as (session, viewer):
            visible = visibility.credentials(viewer, "credentials.show")
            row = lookups.credential_by_id(session, credential_id, visible=visible)
            return row.source.name, row.project_id, row.user_id

    @contextmanager
    def link(self, operation: str, link_id: str) -> Iterator[tuple[str, str]]:
        """Act on a link by its id, also on one that was removed; yields project and source."""
        with self.reading() as (session, viewer):
            visible = visibility.links(viewer, _view(operation))
            row = lookups.link_by_id(session, link_id, visible=visible)
            self._check_owned(session, viewer, operation, row.project_id, None)
        with self._acting():
            yield row.project_id, row.source.name

    @contextmanager
    def source(self, operation: str, name: str) -> Iterator[str]:
        """Act on a source; yields its name."""
        with self.reading() as (session, viewer):
            row = lookups.source(session, name, visible=_source(viewer))
            used = visibility.sources_of_projects(viewer, _view(operation))
            is_used = session.scalar(select(exists().where(Source.id == row.id, used)))
            relation = Relation.PROJECT if is_used else Relation.INSTALLATION
            roles = people.roles_anywhere(session, viewer.person_id) | viewer.roles
            self._check(operation, roles, relation)
        with self._acting():
            yield row.name

    @contextmanager
    def connection(self, operation: str, name: str) -> Iterator[str]:
        """Act on a connection; yields its name."""
        with self.reading() as (session, viewer):
            visible = visibility.installation(viewer, _view(operation))
            row = lookups.connection(session, name, visible=visible)
            roles = people.roles_anywhere(session, viewer.person_id) | viewer.roles
            self._check(operation, roles, Relation.INSTALLATION)
        with self._acting():
            yield row.name

    @contextmanager
    def person(self, operation: str, name: str) -> Iterator[str]:
        """Act on a person, or on what is theirs; yields the id."""
        with self.reading() as (session, viewer):
            visible = visibility.people(viewer, _view(operation))
            row = lookups.person(session, name, visible=visible)
            self._check(operation, viewer.roles, viewer.relation(row.id))
        with self._acting():
            yield row.id

    @contextmanager
    def new_person(self, operation: str, name: str) -> Iterator[None]:
        """Act on a person who may not exist yet."""
        with self.reading() as (_, viewer):
            missing = NotFoundError(f"No person {name!r} exists.", "See: scout people list")
            self._check(operation, viewer.roles, viewer.relation(name), missing)
        with self._acting():
            yield

    @contextmanager
    def owner(self, operation: str, project: str | None, user: str | None) -> Iterator[None]:
        """Act on everything that belongs to a project or a user, who may be removed already."""
        with self.reading() as (session, viewer):
            kind, name = ("person", user) if user is not None else ("project", project)
            missing = NotFoundError(f"No {kind} {name!r} exists.", f"See: scout {_LISTS[kind]}")
            roles = self._roles_in(session, viewer, project)
            self._check(operation, roles, viewer.relation(user), missing)
        with self._acting():
            yield

    @contextmanager
    def token(self, operation: str, token_id: str) -> Iterator[str]:
        """Act on a token; yields its id."""
        with self.reading() as (session, viewer):
            visible = visibility.tokens(viewer, _view(operation))
            row = lookups.token(session, token_id, visible=visible)
            self._check(operation, viewer.roles, viewer.relation(row.person_id))
        with self._acting():
            yield str(row.id)

    @contextmanager
    def member(self, operation: str, project: str, person: str) -> Iterator[tuple[str, str]]:
        """Act on the membership of a person; yields the ids of project and person."""
        with self.reading() as (session, viewer):
            project_id = lookups.project(session, project, visible=_project(viewer)).id
            visible = visibility.members(viewer, _view(operation))
            row = lookups.member(session, project_id, person, visible=visible)
            self._check_owned(session, viewer, operation, project_id, row.person_id)
        with self._acting():
            yield project_id, row.person_id

    @contextmanager
    def new_member(self, operation: str, project: str, person: str) -> Iterator[tuple[str, str]]:
        """Act on a person who is to become a member; yields the ids of project and person."""
        with self.reading() as (session, viewer):
            project_id = lookups.project(session, project, visible=_project(viewer)).id
            self._check_owned(session, viewer, operation, project_id, person)
            person_id = lookups.person(session, person).id
        with self._acting():
            yield project_id, person_id

    @contextmanager
    def installation(self, operation: str) -> Iterator[None]:
        """Act on the installation."""
        with self.reading() as (session, viewer):
            roles = people.roles_anywhere(session, viewer.person_id) | viewer.roles
            self._check(operation, roles, Relation.INSTALLATION)
        with self._acting():
            yield

    def check_scope(self, operation: str) -> None:
        """Check that the sign-in reaches as far as an operation needs.

        Raises:
            ForbiddenError: It does not.
        """
        if self.identity.scope < TABLE[operation].scope:
            with self.reading():
                raise _forbidden_by_scope(operation)

    def grants(self) -> Grants:
        """Return what the person may do now, to offer it or not; nothing is recorded."""
        with self.scout.installation.store.begin() as session:
            viewer = self._viewer(session)
            projects = people.roles_by_project(session, viewer.person_id)
        return Grants(viewer=viewer, projects=projects, scope=self.identity.scope)

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """Act in the person's name; what fails does not tell them where files of the server are."""
        try:
            with audit.acting_as(self.identity.person):
                yield
        except ControlError as error:
            hide_folders(error, self.scout.installation.settings.server_folders)
            raise

    def _check_owned(
        self,
        session: Session,
        viewer: Viewer,
        operation: str,
        project_id: str | None,
        user_id: str | None,
    ) -> None:
        """Check an operation on what a user owns in a project, or else the project itself."""
        roles = self._roles_in(session, viewer, project_id)
        missing = NotFoundError(f"No person {user_id!r} exists.", f"See: scout {_LISTS['person']}")
        self._check(operation, roles, viewer.relation(user_id), missing)

    def _roles_in(
        self, session: Session, viewer: Viewer, project_id: str | None
    ) -> frozenset[Role]:
        role = people.role_in(session, viewer.person_id, project_id) if project_id else None
        return viewer.roles if role is None else viewer.roles | {role}

    def _check(
        self,
        operation: str,
        roles: Collection[Role],
        relation: Relation,
        missing: NotFoundError | None = None,
    ) -> None:
        decision = decide(operation, roles, relation, self.identity.scope)
        if decision is Decision.HIDDEN:
            raise missing or NotFoundError(
                "This does not exist.", "See who may do what: docs/reference/permissions.md"
            )
        if decision is Decision.FORBIDDEN:
            raise _forbidden(operation, roles, relation)


def _forbidden(operation: str, roles: Collection[Role], relation: Relation) -> ForbiddenError:
    audience = TABLE[operation].audience.get(relation, frozenset())
    needed = " or ".join(str(each) for each in Role if each in audience)
    if not needed:
        cause = f"No one may do this here ({operation}) through anything but a shell."
        remedy = "Ask the person to whom it belongs, or who runs this installation."
    elif not audience.isdisjoint(roles):
        return _forbidden_by_scope(operation)
    else:
        cause = f"Your role does not allow this ({operation})."
        remedy = f"Ask someone with the role of {needed}."
    return ForbiddenError(cause, remedy, operation)


def _forbidden_by_scope(operation: str) -> ForbiddenError:
    cause = f"The token does not reach far enough ({operation})."
    return ForbiddenError(cause, "Use one with a wider scope, or sign in yourself.", operation)


def _view(operation: str) -> str:
    return TABLE[operation].view


def _project(viewer: Viewer) -> ColumnElement[bool]:
    return visibility.projects(viewer, "projects.show")


def _source(viewer: Viewer) -> ColumnElement[bool]:
    return visibility.sources(viewer, "sources.show")
