"""One installation: its settings, store, keys and plugins, each opened on first use.

What they need is imported then, too: commands such as ``status`` would spend most of their time on
modules that they do not use.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scout_control.errors import SettingsError
from scout_control.installation.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from scout_control.installation.encryption import Keyring
    from scout_control.meltano.project import Plugins
    from scout_control.store.database import Store
    from scout_control.store.models import Connection, Dataset

log = logging.getLogger(__name__)

POSTGRES = "postgres"
DATABASE = "control"
PARAMETERS = "parameters"
QUICKSTART_ANSWERS = "quickstart.json"
"""In ``SCOUT_HOME``: the answers of a quickstart that has not ended."""


class Installation:
    """The store, keys and plugins of an installation. Use it as a context manager, or close it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def load(cls) -> Installation:
        """Return the installation that the environment describes."""
        return cls(Settings.load())

    @cached_property
    def url(self) -> str:
        """The URL of the store; starts the embedded Postgres if no other is configured."""
        if self.settings.database_url:
            return self.settings.database_url
        from scout_control.installation import embedded_postgres

        data = self.settings.make_home() / POSTGRES
        return embedded_postgres.create_database(embedded_postgres.start(data), DATABASE)

    @property
    def reader_address(self) -> tuple[str, int] | None:
        """The host and port of the embedded Postgres for tools; None for its socket, or elsewhere.

        Control itself always uses the socket.
        """
        if self.settings.database_url:
            return None
        from scout_control.installation import embedded_postgres

        return embedded_postgres.reader_address(self.settings.home / POSTGRES)

    @cached_property
    def store(self) -> Store:
        """The store."""
        from scout_control.store.database import Store

        return Store(self.url)

    @cached_property
    def keyring(self) -> Keyring:
        """The encryption keys; a key file is made for a store that holds no secrets only.

        Raises:
            SettingsError: There is no key, or the key file is missing that encrypted the secrets.
        """
        from scout_control.installation.encryption import Keyring, missing_file

        file = self.settings.key_file
        if file and not self.settings.encryption_keys and not file.exists() and self._has_secrets():
            raise missing_file(file)
        return Keyring.of(self.settings.encryption_keys, self.settings.key_file)

    def _has_secrets(self) -> bool:
        from scout_control.store import ciphertexts

        with self.store.begin_at_any_version() as session:
            return ciphertexts.exist(session.connection())

    def forget_keyring(self) -> None:
        """Read the keys again on the next use, after the key file has changed."""
        self.__dict__.pop("keyring", None)

    @cached_property
    def plugins(self) -> Plugins:
        """The plugins and jobs of meltano.yml."""
        from scout_control.meltano.project import Plugins

        return Plugins(self.settings.project_root)

    @property
    def state_url(self) -> str:
        """The URL of the database that holds the Singer state of all datasets."""
        return self.store.driver_url

    def server_url(self, connection: Connection) -> str:
        """Return the URL of a database that holds dataset schemas, with control's password."""
        if connection.host is None or connection.login is None:
            return self.store.driver_url
        from scout_control.store.connection_urls import ConnectionUrl

        login = self.login_of(connection)
        return ConnectionUrl(
            host=connection.host,
            port=connection.port,
            database=connection.database or "",
            user=login["user"],
            password=login["password"],
            sslmode=connection.sslmode,
            parameters=login.get(PARAMETERS, {}),
        ).compose()

    def login_of(self, connection: Connection) -> dict[str, Any]:
        """Return the ``user``, the ``password`` and the ``parameters`` of the URL of a database.

        The parameters are stored with the password: who can change rows of the store must not be
        able to exchange the certificates that a server is verified by.

        Raises:
            SettingsError: No configured key decrypts them, or they are bound to another address.
        """
        if connection.login is None:
            return {}
        from scout_control.installation import secret_context

        return self.keyring.decrypt(connection.login, secret_context.of_connection(connection))

    def server_urls(self) -> set[str]:
        """Return the URLs of all databases that may hold dataset schemas.

        Raises:
            SettingsError: The password of one of them cannot be decrypted.
        """
        from sqlalchemy import select

        from scout_control.store.models import Connection

        with self.store.begin() as session:
            connections = session.scalars(select(Connection)).all()
        return {self.store.driver_url, *map(self.server_url, connections)}

    def usable_server_urls(self) -> dict[str, str]:
        """Return the databases whose password can be decrypted: a connection's name by its URL.

        For work that continues elsewhere; ``scout doctor`` reports the others.
        """
        from sqlalchemy import select

        from scout_control.store.models import Connection

        with self.store.begin() as session:
            connections = session.scalars(select(Connection)).all()
        urls: dict[str, str] = {}
        for each in connections:
            try:
                urls.setdefault(self.server_url(each), each.name)
            except SettingsError as error:
                log.warning("connection_skipped: %s", error)
        return urls

    def server_url_of(self, dataset: Dataset) -> str:
        """Return the URL of the database that holds a dataset."""
        return self.server_url(dataset.project_source.project.connection)

    def dbt_folder(self, schema: str) -> Path:
        """Return the folder of this machine for dbt's artifacts of a dataset schema."""
        return self.settings.make_home() / "dbt" / schema

    def is_in_store(self, dataset: Dataset) -> bool:
        """Return whether a dataset is in the same database as the store."""
        return dataset.project_source.project.connection.host is None

    def close(self) -> None:
        """Close the store if it was opened."""
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
