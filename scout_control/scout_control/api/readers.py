"""The view of a dataset's login for people's tools: the only one that shows a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from scout_control.api import views

if TYPE_CHECKING:
    from scout_control.rules.reader_urls import ReaderLogin


@dataclass(frozen=True, kw_only=True)
class ReaderUrl(views.View):
    """How a tool connects as the reader of a dataset: a URL, and the same as separate fields."""

    url: str = field(repr=False)
    host: str
    """A host, or the folder of a Unix socket."""
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: dict[str, str]
    """Options of libpq that the connection needs, such as ``sslmode``."""
    schema: str
    """Where to find what is to be read."""
    expires_at: datetime | None
    """When the data, and this login with it, is dropped unless it is used before."""

    @classmethod
    def of(cls, login: ReaderLogin, dataset: views.Dataset) -> ReaderUrl:
        """Return the view of a login."""
        return cls(
            url=login.url,
            host=login.host,
            port=login.port,
            database=login.database,
            user=login.user,
            password=login.password,
            options=dict(login.options),
            schema=dataset.alias or dataset.schema,
            expires_at=dataset.expires_at,
        )
