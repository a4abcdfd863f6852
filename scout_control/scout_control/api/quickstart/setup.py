"""Makes of the answers what the separate commands make: by the same interface, each thing once."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from scout_control.api.quickstart.answers import choose_source, places
from scout_control.api.source_config import check_config, check_interval, check_url
from scout_control.credentials import bounded_http
from scout_control.errors import ConflictError, CredentialMissingError, NotFoundError
from scout_control.installation.setup import DEFAULT_CONNECTION
from scout_control.store import connection_urls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scout_control.api.quickstart.answers import Answers
    from scout_control.api.scout import Scout
    from scout_control.api.views import Dataset, Link
    from scout_control.meltano.project import SourceType
    from scout_control.meltano.reports import Wait

CONNECTED = "connected"
WAREHOUSE = "warehouse"
QUICK = {"max_retry_seconds": 10, "max_rate_limit_wait": 10}
"""Settings of a test, for which a person waits."""


@dataclass(frozen=True)
class Setup:
    """What a quickstart does in an installation."""

    scout: Scout

    def source_type(self, answers: Answers) -> SourceType:
        """Return the type of the source that was chosen."""
        return self.scout.installation.plugins.source_type(answers.product.source_type)

    def default_server(self, answers: Answers) -> str:
        """Return the server of a project space that is given by its name alone."""
        return str(self.source_type(answers).base_url)

    def check_place(self, answers: Answers) -> None:
        """Check the form of the answers, without a request.

        Raises:
            SettingsError: The server or the name is invalid.
        """
        check_url(answers.server)
        check_config(self.source_type(answers), answers.product.config(answers.place or ""))

    def source_name(self, answers: Answers) -> str:
        """Return the name of the source, which may not exist yet."""
        return self._source(answers)[0]

    def path(self, answers: Answers) -> str:
        """Return the name of the dataset."""
        return f"{answers.project_id}/{self.source_name(answers)}"

    def is_connected(self, answers: Answers) -> bool:
        """Return whether the account of this project is connected, as far as is known."""
        if answers.source is None or answers.server is None or answers.place is None:
            return False
        try:
            found = self.scout.credentials.show(
                self.source_name(answers), project=answers.project_id
            )
        except (CredentialMissingError, NotFoundError):
            return False
        return found.status == CONNECTED and self._link(answers) is not None

    def find_connection_error(self, answers: Answers) -> str | None:
        """Return why the server gives no response, asked without credentials; None if it does."""
        return bounded_http.find_connection_error(str(answers.server))

    def test(
        self, answers: Answers, fields: Mapping[str, str], on_wait: Callable[[Wait], None]
    ) -> None:
        """Read from the source with secrets that are not stored.

        Raises:
            CredentialRefusedError: The source rejects them.
            ControlError: The source was not reached, or has no such place.
        """
        known = self.source_type(answers).settings
        quick = {name: value for name, value in QUICK.items() if name in known}
        self.scout.credentials.test(
            answers.product.source_type,
            fields,
            name=self.source_name(answers),
            project=answers.project_id,
            base_url=answers.server,
            config=answers.product.config(answers.place or "") | quick,
            on_wait=on_wait,
        )

    def ensure_dataset(self, answers: Answers) -> Dataset:
        """Make the project, the source, their link and the dataset, as far as they are missing.

        Raises:
            ConflictError: The project reads something else from the source.
        """
        projects = {each.id for each in self.scout.projects.list()}
        if answers.project_id not in projects:
            self.scout.projects.create(answers.project_id)
        name, exists = self._source(answers)
        if not exists:
            self.scout.sources.add(
                name, answers.product.source_type, base_url=answers.server, may_be_incomplete=True
            )
        config = answers.product.config(answers.place or "")
        if (link := self._link(answers)) is None:
            self.scout.links.add(answers.project_id, name, mode="project", config=config)
        else:
            _check_same(link, self.scout.sources.show(name).config, config)
        return self.scout.datasets.ensure(answers.project_id, name)

    def save_account(self, answers: Answers, fields: Mapping[str, str]) -> None:
        """Store secrets that were tested."""
        name, kind = self.source_name(answers), answers.product.credential_kind
        self.scout.credentials.save(name, kind, fields, project=answers.project_id)

    def client_id(self, answers: Answers) -> str | None:
        """Return the id of the OAuth client of the source, if it has one."""
        name, exists = self._source(answers)
        return self.scout.sources.show(name).oauth_client_id if exists else None

    def set_client(self, answers: Answers, client_id: str, secret: str | None) -> None:
        """Let the source use an OAuth client, unless it does so already."""
        if secret is not None or client_id != self.client_id(answers):
            name = self.source_name(answers)
            self.scout.sources.update(name, client_id=client_id, client_secret=secret)

    def use_database(self, answers: Answers, url: str) -> str:
        """Let the project keep its tables in the database of a URL; return its name here.

        Raises:
            SettingsError: It is not a URL of Postgres.
            ServerError: The server does not respond, or rejects the user.
            ConflictError: The project has data elsewhere.
        """
        name = self._database(url)
        self.scout.projects.update(answers.project_id, connection=name)
        return name

    def present_database(self, answers: Answers) -> str:
        """Return the name of the database in which the project keeps its tables."""
        return self.scout.projects.show(answers.project_id).connection

    def describe_database(self, answers: Answers) -> str:
        """Return where the project keeps its tables, for people."""
        settings = self.scout.installation.settings
        if (name := self.present_database(answers)) != DEFAULT_CONNECTION:
            return f"the database {name}"
        if settings.database_url:
            return "the database of SCOUT_DATABASE_URL"
        return f"the embedded Postgres in {settings.home}"

    def present_interval(self, answers: Answers) -> int:
        """Return the hours between scheduled runs."""
        name = self.source_name(answers)
        return self.scout.links.show(answers.project_id, name).refresh_interval_hours

    def schedule(self, answers: Answers) -> None:
        """Set how often the data is read.

        Raises:
            SettingsError: The number of hours is out of range.
        """
        if answers.interval_hours is None:
            return
        check_interval(answers.interval_hours)
        link = self._link(answers)
        if link is None or link.refresh_interval_hours != answers.interval_hours:
            name = self.source_name(answers)
            self.scout.links.update(answers.project_id, name, interval_hours=answers.interval_hours)

    def _source(self, answers: Answers) -> tuple[str, bool]:
        return choose_source(self.scout.sources.list(), answers, self.default_server(answers))

    def _link(self, answers: Answers) -> Link | None:
        name, exists = self._source(answers)
        if not exists or answers.project_id not in {e.id for e in self.scout.projects.list()}:
            return None
        links = self.scout.links.list(answers.project_id, source=name)
        return next(iter(links), None)

    def _database(self, url: str) -> str:
        """Return the connection of a URL, added if missing, else with the login of this URL."""
        wanted = connection_urls.parse(url)
        place = (wanted.host, wanted.port, wanted.database)
        known = {
            each.name: (each.host, each.port, each.database)
            for each in self.scout.connections.list()
        }
        if same := next((name for name, found in known.items() if found == place), None):
            return self.scout.connections.update(same, url=url).name
        names = (WAREHOUSE, *(f"{WAREHOUSE}-{number}" for number in range(2, len(known) + 3)))
        free = next(name for name in names if name not in known)
        return self.scout.connections.add(free, url).name


def _check_same(link: Link, source: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    found = places({**source, **link.sync_config})
    if link.credential_mode != "project" or found != wanted:
        path = f"{link.project}/{link.source}"
        raise ConflictError(
            f"{path} is set up in another way already.",
            "Give another --project, or change it: scout links update "
            f"{quote(link.source)} --project {quote(link.project)}",
        )
