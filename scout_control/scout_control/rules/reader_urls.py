"""The connection URL of a dataset's reader, for tools outside of control."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

# What else the URL of control contains, such as its client key, is not for readers.
OPTIONS = (
    *("sslmode", "sslrootcert", "sslnegotiation", "channel_binding", "gssencmode"),
    *("target_session_attrs", "load_balance_hosts"),
)
VARIABLE = "PG{}"


@dataclass(frozen=True, kw_only=True)
class ReaderLogin:
    """How a tool connects as the reader of a dataset."""

    host: str
    """A host, or the folder of a Unix socket."""
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of libpq that the connection needs, such as ``sslmode``."""

    @property
    def is_socket(self) -> bool:
        """Whether the server is reached by a Unix socket, which most tools cannot use."""
        return self.host.startswith("/")

    @property
    def url(self) -> str:
        """The URL, with the password."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        options = dict(self.options)
        if self.is_socket:
            options = {"host": self.host, "port": str(self.port), **options}
            server = ""
        else:
            # Brackets: the address of IPv6 contains colons, too.
            server = f"[{self.host}]" if ":" in self.host else quote(self.host)
            server += f":{self.port}"
        query = f"?{urlencode(options, safe='/', quote_via=quote)}" if options else ""
        return f"postgresql://{login}@{server}/{quote(self.database, safe='')}{query}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of libpq for a program that gets all of it by its environment."""
        names = {"host": self.host, "port": str(self.port), "database": self.database}
        names |= {"user": self.user, "password": self.password, **self.options}
        return {VARIABLE.format(name.replace("_", "").upper()): names[name] for name in names}


def options_for_readers(conninfo: Mapping[str, object]) -> dict[str, str]:
    """Return the options of control's connection that a reader needs, too."""
    return {name: str(conninfo[name]) for name in OPTIONS if conninfo.get(name) is not None}
