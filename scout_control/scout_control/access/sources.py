"""Sources, connections and credentials, as a person sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from scout_control.access.pages import LIMIT, Page, cut, page, uuid_cursor
from scout_control.api import views
from scout_control.store import lookups, models, visibility

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scout_control.access.authorization import Authorizer
    from scout_control.credentials.oauth import AuthorizationRequest
    from scout_control.meltano.project import SourceType


@dataclass(frozen=True)
class Sources:
    """The sources that a person may see."""

    _auth: Authorizer

    def types(self) -> Sequence[SourceType]:
        """Return the source types."""
        with self._auth.installation("sources.types"):
            return self._auth.scout.sources.types()

    def list(self, *, after: str | None = None, limit: int = LIMIT) -> Page[views.Source]:
        """Return sources, in the order of their names."""
        with self._auth.reading() as (session, viewer):
            visible = visibility.sources(viewer, "sources.list")
            rows: Sequence[models.Source]
            rows, following = page(
                session,
                select(models.Source).where(models.Source.is_active, visible),
                models.Source.name,
                after=after,
                limit=limit,
                cursor=lambda row: row.name,
            )
            return Page([views.Source.of(row) for row in rows], following)

    def show(self, name: str) -> views.Source:
        """Return one source."""
        with self._auth.source("sources.show", name) as source:
            return self._auth.scout.sources.show(source)

    def add(
        self,
        name: str,
        source_type: str,
        *,
        base_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
    ) -> views.Source:
        """Add a source."""
        with self._auth.installation("sources.add"):
            return self._auth.scout.sources.add(
                name,
                source_type,
                base_url=base_url,
                config=config,
                client_id=client_id,
                client_secret=client_secret,
            )

    def update(
        self,
        name: str,
        *,
        base_url: str | None = None,
        config: Mapping[str, Any] | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        unset: Collection[str] = (),
    ) -> views.Source:
        """Change a source."""
        with self._auth.source("sources.update", name) as source:
            return self._auth.scout.sources.update(
                source,
                base_url=base_url,
                config=config,
                client_id=client_id,
                client_secret=client_secret,
                unset=unset,
            )

    def remove(self, name: str) -> Sequence[str]:
        """Remove a source with its credentials."""
        with self._auth.source("sources.remove", name) as source:
            return self._auth.scout.sources.remove(source)


@dataclass(frozen=True)
class Connections:
    """The databases that dataset schemas are created in, for those who may see them."""

    _auth: Authorizer

    def list(self, *, after: str | None = None, limit: int = LIMIT) -> Page[views.Connection]:
        """Return connections, in the order of their names."""
        with self._auth.installation("connections.list"):
            found = self._auth.scout.connections.list()
        return cut(found, lambda each: each.name, after, limit)

    def show(self, name: str) -> views.Connection:
        """Return one connection, without its password."""
        with self._auth.connection("connections.show", name) as connection:
            return self._auth.scout.connections.show(connection)

    def add(
        self,
        name: str,
        url: str | None = None,
        *,
        parts: Mapping[str, Any] | None = None,
        description: str = "",
        test: bool = True,
    ) -> views.Connection:
        """Add a database by its URL or the parts of it, by default after a test login."""
        with self._auth.installation("connections.add"):
            return self._auth.scout.connections.add(
                name, url, parts=parts, description=description, test=test
            )

    def update(
        self,
        name: str,
        *,
        url: str | None = None,
        parts: Mapping[str, Any] | None = None,
        description: str | None = None,
        test: bool = True,
        unset: Collection[str] = (),
    ) -> views.Connection:
        """Change a connection, by default after a test login."""
        with self._auth.connection("connections.update", name) as connection:
            return self._auth.scout.connections.update(
                connection,
                url=url,
                parts=parts,
                description=description,
                test=test,
                unset=unset,
            )

    def test(self, name: str) -> None:
        """Test a connection by logging in."""
        with self._auth.connection("connections.test", name) as connection:
            self._auth.scout.connections.test(connection)

    def remove(self, name: str) -> None:
        """Remove a connection that no project uses."""
        with self._auth.connection("connections.remove", name) as connection:
            self._auth.scout.connections.remove(connection)


@dataclass(frozen=True)
class Credentials:
    """Credentials: by default the person's, with ``project`` that of a project."""

    _auth: Authorizer

    def list(
        self, *, project: str | None = None, after: str | None = None, limit: int = LIMIT
    ) -> Page[views.Credential]:
        """Return credentials without their secrets, in the order of their ids."""
        now = datetime.now(UTC)
        with self._auth.reading() as (session, viewer):
            visible = visibility.credentials(viewer, "credentials.list")
            statement = select(models.Credential).where(visible)
            if project is not None:
                seen = visibility.projects(viewer, "projects.show")
                project_id = lookups.project(session, project, visible=seen).id
                statement = statement.where(models.Credential.project_id == project_id)
            rows: Sequence[models.Credential]
            rows, following = page(
                session,
                statement,
                models.Credential.id,
                after=uuid_cursor(after),
                limit=limit,
                cursor=lambda row: str(row.id),
            )
            return Page([views.Credential.of(row, now) for row in rows], following)

    def show(
        self, source: str, *, project: str | None = None, user: str | None = None
    ) -> views.Credential:
        """Return one credential, without its secrets."""
        found = self._auth.credential("credentials.show", source, project, user)
        with found as (name, project_id, user_id):
            credentials = self._auth.scout.credentials
            return credentials.show(name, project=project_id, user=user_id)

    def named(self, credential_id: str) -> tuple[str, str | None, str | None]:
        """Return the source of a credential, and the project or the user that it belongs to."""
        return self._auth.owner_of_credential(credential_id)

    def to_connect(self, credential_id: str) -> views.Credential:
        """Return a credential in whose place the person may connect an account again."""
        source, project, user = self.named(credential_id)
        with self._auth.credential("credentials.save", source, project, user):
            pass
        return self.show(source, project=project, user=user)

    def default_kind(self, source: str) -> str:
        """Return the kind of credential to connect."""
        with self._auth.source("credentials.default_kind", source) as name:
            return self._auth.scout.credentials.default_kind(name)

    def source_type(self, source: str) -> SourceType:
        """Return the source type of a source."""
        with self._auth.source("credentials.source_type", source) as name:
            return self._auth.scout.credentials.source_type(name)

    def check_connectable(self, source: str, *, project: str | None = None) -> None:
        """Check that the person may connect an account, before they type a secret.

        Raises:
            ForbiddenError: They may not, in a project that they see.
            NotFoundError: There is no such source or project for them.
        """
        with self._auth.credential("credentials.save", source, project, None):
            pass

    def save(
        self,
        source: str,
        kind: str,
        fields: Mapping[str, str],
        *,
        project: str | None = None,
        test: bool = True,
    ) -> views.Credential:
        """Store a credential, by default after reading from the source with it."""
        found = self._auth.credential("credentials.save", source, project, None)
        with found as (name, project_id, user_id):
            return self._auth.scout.credentials.save(
                name, kind, fields, project=project_id, user=user_id, test=test
            )

    def authorization_request(
        self,
        source: str,
        redirect_uri: str,
        scopes: str | None = None,
        *,
        project: str | None = None,
    ) -> AuthorizationRequest:
        """Start the OAuth authorization code flow."""
        operation = "credentials.authorization_request"
        with self._auth.credential(operation, source, project, None) as (name, _, _):
            return self._auth.scout.credentials.authorization_request(name, redirect_uri, scopes)

    def complete_authorization(
        self,
        source: str,
        request: AuthorizationRequest,
        redirect_url: str,
        *,
        project: str | None = None,
    ) -> views.Credential:
        """Complete the OAuth flow with the URL that the browser was redirected to."""
        found = self._auth.credential("credentials.complete_authorization", source, project, None)
        with found as (name, project_id, user_id):
            return self._auth.scout.credentials.complete_authorization(
                name, request, redirect_url, project=project_id, user=user_id
            )

    def check(
        self, source: str, *, project: str | None = None, user: str | None = None
    ) -> views.Credential:
        """Test a credential at its source."""
        found = self._auth.credential("credentials.check", source, project, user)
        with found as (name, project_id, user_id):
            credentials = self._auth.scout.credentials
            return credentials.check(name, project=project_id, user=user_id)

    def revoke(self, source: str, *, project: str | None = None, user: str | None = None) -> bool:
        """Delete a credential; return whether the source confirmed the revocation."""
        found = self._auth.credential("credentials.revoke", source, project, user)
        with found as (name, project_id, user_id):
            credentials = self._auth.scout.credentials
            return credentials.revoke(name, project=project_id, user=user_id)
