"""Datasets: create, show, share, query, pause and drop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scout_control.api import views
from scout_control.api.changes import check_unset
from scout_control.api.readers import ReaderUrl
from scout_control.datasets import (
    aliases,
    dataset_drop,
    person_login,
    query,
    reader_login,
    sharing,
    use,
)
from scout_control.errors import SettingsError
from scout_control.rules import alias_names, retention
from scout_control.rules.json_values import to_json_value
from scout_control.store import audit, datasets, lookups, metadata, reader_logins, runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.orm import Session

    from scout_control.datasets.query import QueryResult
    from scout_control.installation.installation import Installation
    from scout_control.rules.reader_urls import ReaderLogin
    from scout_control.store.models import Dataset, ProjectSource, Run


def check_mode(link: ProjectSource, user: str | None) -> None:
    """Refuse an owner that a link is not read for.

    Raises:
        SettingsError: The link is for users and ``user`` is missing, or the other way round.
    """
    if (link.credential_mode == "user") != bool(user):
        raise SettingsError(
            f"{link.project_id}/{link.source.name} is read with "
            + ("the credential of the project." if user else "each user's own credential."),
            "Leave --user out." if user else "Give --user.",
        )


@dataclass(frozen=True)
class Datasets:
    """Sources materialised for owners, each in one schema of Postgres.

    Methods take a dataset as project/source, project/source/user, its schema, alias or id.
    """

    _installation: Installation

    def list(self, *, project: str | None = None, user: str | None = None) -> list[views.Dataset]:
        """Return all datasets, or those that a project or user sees.

        Raises:
            NotFoundError: The project does not exist.
        """
        with self._installation.store.begin() as session:
            if project is not None:
                lookups.project(session, project)
            datasets.collect_touches(session)  # else last_activity_at is up to a minute old
            rows = datasets.of_owner(session, project, user)
            active_runs = runs.all_alive(session, [row.id for row in rows])
            keep = datasets.default_keep(session)
            return [views.Dataset.of(row, keep, active_runs.get(row.id)) for row in rows]

    def show(self, name: str) -> views.Dataset:
        """Return one dataset."""
        with self._installation.store.begin() as session:
            datasets.collect_touches(session)
            dataset = lookups.dataset(session, name)
            return _view(session, dataset, runs.alive(session, dataset.id))

    def ensure(self, project: str, source: str, *, user: str | None = None) -> views.Dataset:
        """Return the dataset of an owner, created if missing; its first run loads it.

        With ``user``, this call records the user's consent that the project reads the source with
        their credential. There is no other way to consent; unlinking the source ends it.

        Raises:
            SettingsError: The link is for users and ``user`` is missing, or the other way round.
        """
        with self._installation.store.begin() as session:
            link = lookups.link(session, project, source)
            check_mode(link, user)
            now = datetime.now(UTC)
            dataset = datasets.ensure(session, link, user or None, now)
            if datasets.give_consent(dataset, audit.actor(), now):
                audit.record(session, "agreed", "dataset", dataset.id, user=user, project=project)
            return _view(session, dataset)

    def describe(self, name: str) -> dict[str, Any]:
        """Return the discovered streams of a dataset's source, kept even after its data expires."""
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, name)
            discovery = metadata.find(session, dataset)
            return {
                "dataset": lookups.path(dataset),
                "discovered_at": to_json_value(discovery.discovered_at) if discovery else None,
                **(discovery.document if discovery else {}),
            }

    def share(self, name: str, roles: Iterable[str]) -> views.Dataset:
        """Set which roles of the database may read a dataset; all others lose access.

        Raises:
            SettingsError: A role is one of Postgres or of Scout, or can do more than read.
            NotFoundError: A role does not exist.
        """
        chosen = sorted({roles} if isinstance(roles, str) else set(roles))
        sharing.check_names(self._installation, chosen)
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, name)
            dataset.readers = chosen
            changes = audit.changes(dataset)
            if dataset.last_sync_at is not None:
                server_url = self._installation.server_url_of(dataset)
                sharing.set_readers(server_url, dataset.schema_name, dataset.readers)
            names = audit.of_dataset(dataset)
            audit.record(session, "shared", "dataset", dataset.id, **names, changes=changes)
            return _view(session, dataset)

    def pause(self, name: str, *, is_paused: bool = True) -> views.Dataset:
        """Pause the schedule of a dataset, or resume it."""
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, name)
            dataset.is_paused = is_paused
            if not is_paused and dataset.next_sync_at is None:
                dataset.next_sync_at = datetime.now(UTC)
            action, names = "paused" if is_paused else "resumed", audit.of_dataset(dataset)
            audit.record(session, action, "dataset", dataset.id, **names)
            return _view(session, dataset)

    def update(
        self,
        name: str,
        *,
        keep: str | None = None,
        is_paused: bool | None = None,
        readers: Iterable[str] | None = None,
        alias: str | None = None,
        unset: Collection[str] = (),
    ) -> views.Dataset:
        """Change a dataset; what is left out keeps its value.

        Args:
            name: The dataset.
            keep: How long its data is kept without use: a period such as 24h, 30d or forever;
                ``default`` for the installation's.
            is_paused: Whether its schedule is paused.
            readers: The only roles of the database that may read it.
            alias: The schema in which people find what is to be read.
            unset: Names to reset to their defaults: ``keep``, ``paused``, ``readers``, ``alias``.

        Raises:
            SettingsError: The period or the alias is invalid, or a name to unset is unknown.
            ConflictError: The alias is taken.
        """
        given = {"keep": keep, "is_paused": is_paused, "readers": readers, "alias": alias}
        names = [each for each, value in given.items() if value is not None]
        spellings = {"paused": "is_paused"}
        reset = check_unset(unset, given, names, f"The dataset {name}", spellings)
        if keep is not None or "keep" in reset:
            self._keep(name, keep or "default")
        if readers is not None or "readers" in reset:
            self.share(name, readers or ())
        if is_paused is not None or "is_paused" in reset:
            self.pause(name, is_paused=bool(is_paused))
        if alias is not None or "alias" in reset:
            return self.choose_alias(name, alias)
        return self.show(name)

    def choose_alias(self, name: str, alias: str | None) -> views.Dataset:
        """Rename the schema in which people find what is to be read.

        Args:
            name: The dataset.
            alias: The new name; None for the default, which is made of the ids of the owner.

        Raises:
            SettingsError: The name is invalid.
            ConflictError: It is taken.
        """
        if alias is not None and (why := alias_names.find_error(alias)):
            raise SettingsError(f"The alias {alias!r} {why}.", "Choose another name.")
        with self._installation.store.begin() as session:
            identity = lookups.dataset(session, name).id
        aliases.choose(self._installation, identity, alias)
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, str(identity))
            names = audit.of_dataset(dataset)
            audit.record(session, audit.CHANGED, "dataset", dataset.id, **names, alias=alias)
            return _view(session, dataset, runs.alive(session, dataset.id))

    def _keep(self, name: str, keep: str) -> None:
        hours = None if keep == "default" else retention.parse(keep)
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, name)
            if dataset.keep_hours != hours:
                dataset.keep_hours = hours
                names = audit.of_dataset(dataset)
                audit.record(session, audit.CHANGED, "dataset", dataset.id, **names, keep=keep)

    def drop(self, name: str, *, force: bool = False) -> None:
        """Drop the data and state of a dataset; the dataset itself remains, expired.

        Args:
            name: The dataset.
            force: Also drop objects outside that depend on the data.

        Raises:
            ConflictError: A run is in progress, or an object outside depends on the data.
        """
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, name)
        names = audit.of_dataset(dataset)
        with audit.recording_refusals(self._installation.store, "dataset", dataset.id, **names):
            dataset_drop.drop(self._installation, dataset.id, force=force)

    remove = drop

    def touch(self, name: str) -> views.Dataset:
        """Mark a dataset as used so it does not expire.

        Raises:
            ConflictError: Its data has already been dropped.
        """
        use.touch(self._installation, name)
        return self.show(name)

    def query(
        self,
        name: str,
        statement: str,
        *,
        max_rows: int = query.MAX_ROWS,
        max_bytes: int = query.MAX_BYTES,
        timeout_seconds: float = query.TIMEOUT_SECONDS,
        person: str | None = None,
    ) -> QueryResult:
        """Run one SQL statement as the reader of a dataset; this also marks it as used.

        Args:
            name: The dataset.
            statement: The statement; it runs in a read-only transaction.
            max_rows: Limit on the number of rows.
            max_bytes: Limit on the size of the result as text.
            timeout_seconds: Time after which the statement is cancelled.
            person: Who asks: it runs as their own role of the database, which no one else uses.

        Raises:
            ConflictError: The dataset holds no data.
            SettingsError: A limit is not positive, or longer than a day.
            QueryError: Postgres rejected the statement.
        """
        return query.query(
            self._installation,
            name,
            statement,
            max_rows=max_rows,
            max_bytes=max_bytes,
            timeout_seconds=timeout_seconds,
            person=person,
        )

    def url(
        self,
        name: str,
        *,
        new_password: bool = False,
        person: str | None = None,
        token: str | None = None,
    ) -> ReaderUrl:
        """Return how a BI tool or a notebook connects as the reader of a dataset.

        The login is made on the first call, and stays until it is revoked or the data is dropped.
        That of a person is theirs alone, and also ends with their access.

        Args:
            name: The dataset.
            new_password: Replace the password, and end the sessions that used the former.
            person: Whose login it is; by default that of the dataset itself.
            token: The id of the token with which they ask: the login ends with it, too.

        Raises:
            ConflictError: The dataset holds no data.
            NotFoundError: The person may not read the dataset.
            SettingsError: No configured key decrypts the password.
        """
        if person is not None:
            reader = person_login.Reader(person=person, token_id=token)
            theirs = person_login.login(self._installation, name, reader, new_password=new_password)
            return ReaderUrl.of(theirs[1], self.show(str(theirs[0].id)))
        dataset, login = reader_login.login(
            self._installation, name, new_password=new_password, action="reader shown"
        )
        return ReaderUrl.of(login, self.show(str(dataset.id)))

    def reader(self, name: str) -> ReaderLogin:
        """Return the login of ``url`` for a program that is started here, such as psql."""
        return reader_login.login(self._installation, name, action="reader used")[1]

    def revoke_url(self, name: str) -> bool:
        """Remove the logins of ``url``, and end their sessions; return whether there were any.

        These are that of the dataset, and those of people, who can request new ones.
        """
        with self._installation.store.begin() as session:
            ended = reader_logins.end_all(session, lookups.dataset(session, name).id)
        was_there = reader_login.revoke(self._installation, name)
        return bool(person_login.end(self._installation, ended)) or was_there

    def search_path(self, project: str, *, user: str | None = None) -> str:
        """Return the search_path with which a project, or a user in it, reads its tables."""
        return use.search_path(self._installation, project, user)


def _view(session: Session, dataset: Dataset, run: Run | None = None) -> views.Dataset:
    return views.Dataset.of(dataset, datasets.default_keep(session), run)
