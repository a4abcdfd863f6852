"""One installation: its settings, store, keys and plugins, opened when they are first needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlunsplit

from sqlalchemy import select

from scout_control.installation import embedded_postgres, secret_context
from scout_control.installation.encryption import Keyring
from scout_control.installation.settings import Settings
from scout_control.meltano.project import Plugins
from scout_control.store.database import Store
from scout_control.store.models import Connection
from scout_control.store.postgres import url_as_role

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from scout_control.store.models import Dataset

POSTGRES = "postgres"
DATABASE = "control"


class Site:
    """What commands and workers work with. Close it, or use it as a context."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def load(cls) -> Site:
        """Return the installation that the environment names."""
        return cls(Settings.load())

    @cached_property
    def url(self) -> str:
        """Return the URL of the store; the embedded Postgres is started when no other is named."""
        if self.settings.database_url:
            return self.settings.database_url
        data = self.settings.make_home() / POSTGRES
        return embedded_postgres.create_database(embedded_postgres.start(data), DATABASE)

    @cached_property
    def store(self) -> Store:
        """Return the store."""
        return Store(self.url)

    @cached_property
    def keyring(self) -> Keyring:
        """Return the encryption keys."""
        return Keyring.of(self.settings.encryption_keys, self.settings.key_file)

    @cached_property
    def plugins(self) -> Plugins:
        """Return what meltano.yml offers."""
        return Plugins(self.settings.project_root)

    @property
    def state_url(self) -> str:
        """Return the URL of the database where control keeps the state of datasets."""
        return self.store.driver_url

    def server_url(self, connection: Connection) -> str:
        """Return the URL of a database that dataset schemas live in."""
        if connection.host is None or connection.login is None:
            return self.store.driver_url
        login = self.keyring.decrypt(connection.login, secret_context.of_connection(connection))
        options = {"sslmode": connection.sslmode} if connection.sslmode else {}
        host = connection.host
        if host.startswith("/"):
            options["host"], host = host, ""
        place = f"{host}:{connection.port}" if host else ""
        address = ("postgresql", place, "/" + quote(connection.database or "", safe=""))
        return url_as_role(
            urlunsplit((*address, urlencode(options, quote_via=quote), "")),
            login["user"],
            login["password"],
        )

    def server_urls(self) -> set[str]:
        """Return the URLs of all databases that dataset schemas may live in."""
        with self.store.begin() as session:
            found = session.scalars(select(Connection)).all()
        return {self.store.driver_url, *map(self.server_url, found)}

    def server_url_of(self, dataset: Dataset) -> str:
        """Return the URL of the database that a dataset lives in."""
        return self.server_url(dataset.project_source.project.connection)

    def dbt_folder(self, schema: str) -> Path:
        """Return where dbt keeps on this machine what it knows of a dataset schema."""
        return self.settings.make_home() / "dbt" / schema

    def is_in_store(self, dataset: Dataset) -> bool:
        """Tell whether a dataset lives in the store's own database."""
        return dataset.project_source.project.connection.host is None

    def close(self) -> None:
        """Close what was opened."""
        if "store" in self.__dict__:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
