"""Parses and composes URLs of Postgres databases: what is stored of one, and the URL of that.

libpq reads the URL, so that what is stored is what the drivers read. Each parameter is either kept
or refused with the reason: one that was lost silently could weaken how a server is verified.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from scout_control.errors import SettingsError
from scout_control.rules import database_urls
from scout_control.rules.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 5432
LARGEST_PORT = 65_535
SCHEME = re.compile(r"\Apostgres(?:ql)?(?:\+\w+)?(?=://)")
SOCKET = re.compile(r"[/@]")  # how a directory of Unix sockets, or an abstract one, begins
HOST_NAME = re.compile(r"[\w.-]+")
SSLMODE = "sslmode"
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir")
SYSTEM = "system"
"""As ``sslrootcert``: the certificate authorities of the operating system."""
PARAMETERS = (
    *FILES,
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "sslcertmode",
    "sslnegotiation",
    "sslsni",
    "channel_binding",
    "require_auth",
    "gssencmode",
    "target_session_attrs",
    "connect_timeout",
    "options",
)
"""Parameters of libpq that a connection keeps, besides ``sslmode``."""
LONGEST_TIMEOUT_SECONDS = 300
IN_AUTHORITY = "Write it before the question mark: postgresql://user:password@host:port/database."
ITS_OWN = "Leave it out: Scout sets it itself."
REFUSED = {
    **dict.fromkeys(("user", "password", "port", "dbname"), IN_AUTHORITY),
    "hostaddr": "Leave it out: the password is bound to the host of the URL.",
    "passfile": "Write the password in the URL, which is stored encrypted.",
    **dict.fromkeys(
        ("service", "servicefile"), "Write the host, user and database in the URL itself."
    ),
    "sslpassword": "Use a key without a passphrase that only the account of Scout can read.",
    "application_name": "Leave it out: Scout names its sessions, so that they can be told apart.",
    "fallback_application_name": ITS_OWN,
    "client_encoding": ITS_OWN,
    "replication": "Leave it out: Scout needs ordinary sessions.",
    **dict.fromkeys(
        (
            "keepalives",
            "keepalives_idle",
            "keepalives_interval",
            "keepalives_count",
            "tcp_user_timeout",
        ),
        ITS_OWN,
    ),
}
"""Parameters of libpq that a connection cannot have, and what to do instead."""
NAME = re.compile(r"\w{1,40}", re.ASCII)
UNKNOWN = re.compile(r'invalid URI query parameter: "(?P<name>\w{1,40})"')


@dataclass(frozen=True, kw_only=True)
class ConnectionUrl:
    """The parts of the URL of a database."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    sslmode: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def compose(self) -> str:
        """Return the URL that libpq, SQLAlchemy and urllib read as these parts."""
        query = {**({SSLMODE: self.sslmode} if self.sslmode else {}), **self.parameters}
        if SOCKET.match(self.host):  # libpq takes it as a parameter
            query["host"], address = self.host, ""
        else:
            hosts = map(bracketed, self.host.split(","))
            address = ",".join(f"{each}:{self.port}" for each in hosts)
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        if not address and self.port != DEFAULT_PORT:
            address = f":{self.port}"  # part of the name of the socket
        path = "/" + quote(self.database, safe="")
        options = urlencode(query, quote_via=quote)
        return urlunsplit(("postgresql", f"{login}@{address}", path, options, ""))


def bracketed(host: str) -> str:
    """Return a host as a URL has it: IPv6 addresses in brackets, their zone percent-encoded."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else quote(host, safe="")


def parse(url: str) -> ConnectionUrl:
    """Return the parts of the URL of a database.

    Raises:
        SettingsError: It is not a Postgres URL with a user and one host, or has a parameter that a
            connection cannot keep. No part of the URL is quoted that may be a secret.
    """
    given = _read(url)
    host, port, user = given.pop("host", ""), given.pop("port", None), given.pop("user", "")
    ports = set(port.split(",")) if port else {""}
    if len(ports) > 1:
        raise SettingsError(
            "The URL has several hosts with different ports; a connection has one port.",
            "Name one host, or hosts that have the same port.",
        )
    port = ports.pop() or None
    database, password = given.pop("dbname", ""), given.pop("password", "")
    is_port = port is None or (port.isascii() and port.isdecimal() and len(port) < 6)
    number = int(port or DEFAULT_PORT) if is_port else 0
    if not host or not user or not 0 < number <= LARGEST_PORT:
        raise _not_a_url()
    sslmode = given.pop(SSLMODE, None)
    check_parameters(given)
    return ConnectionUrl(
        host=host if SOCKET.match(host) else host.lower(),
        port=number,
        database=database or user,
        user=user,
        password=password,
        sslmode=sslmode or None,
        parameters={name: value for name, value in given.items() if value},
    )


def of_parts(parts: Mapping[str, Any]) -> ConnectionUrl:
    """Return the same for parts that are given one by one, which the same rules hold for.

    Raises:
        SettingsError: The host or the user is missing, or a part is invalid.
    """
    if not parts.get("host") or not parts.get("user"):
        raise SettingsError("A connection needs a host and a user.", "Give both, or a URL.")
    url = ConnectionUrl(
        host=parts["host"],
        port=parts.get("port") or DEFAULT_PORT,
        database=parts.get("database") or parts["user"],
        user=parts["user"],
        password=parts.get("password") or "",
        sslmode=parts.get("sslmode"),
        parameters=_given_parameters(parts.get("parameters") or {}),
    )
    if not SOCKET.match(url.host) and not all(map(_is_host, url.host.split(","))):
        raise SettingsError("The host is neither a name nor an address.", "Correct it.")
    return parse(url.compose())


def removed_parameters(parts: Mapping[str, Any]) -> frozenset[str]:
    """Return the parameters that are to be removed: those that are given as None."""
    given = parts.get("parameters") or {}
    return frozenset(name for name, value in given.items() if value is None)


def _given_parameters(given: Mapping[str, Any]) -> dict[str, str]:
    for name, value in given.items():
        if name not in {*PARAMETERS, SSLMODE}:
            raise _refused(name)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise SettingsError(
                f"The parameter {name} of a connection is neither a text nor a number.",
                "Correct it, or leave it out.",
            )
    return {name: str(value) for name, value in given.items() if value is not None}


def _is_host(text: str) -> bool:
    if HOST_NAME.fullmatch(text):
        return True
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def check_parameters(parameters: Mapping[str, str]) -> None:
    """Check the parameters of a connection, other than ``sslmode``.

    Raises:
        SettingsError: One is unknown, cannot be kept, or is invalid.
    """
    for name, value in parameters.items():
        if name not in PARAMETERS:
            raise _refused(name)
        # A relative path would name another file for each process.
        if name in FILES and not value.startswith("/") and (name, value) != (FILES[0], SYSTEM):
            raise SettingsError(
                f"The parameter {name} of the URL is not an absolute path.",
                "Write the path from / on; the file must exist on each machine that executes runs.",
            )
    seconds = parameters.get("connect_timeout", "1")
    is_number = seconds.isascii() and seconds.isdecimal() and len(seconds) < 4
    if not is_number or not 1 <= int(seconds) <= LONGEST_TIMEOUT_SECONDS:
        raise SettingsError(
            "The parameter connect_timeout of the URL is not a number of seconds from 1 to "
            f"{LONGEST_TIMEOUT_SECONDS}.",
            "Correct it, or leave it out.",
        )


def _read(url: str) -> dict[str, str]:
    """Return what libpq reads of a URL; a parameter that is given twice counts once."""
    try:
        url.encode()
    except UnicodeEncodeError:
        raise _not_a_url() from None
    # libpq and other readers may disagree about where the password of such a URL ends.
    if SCHEME.match(url) is None or database_urls.is_ambiguous(url) or "\0" in url:
        raise _not_a_url()
    _check_names(url)
    try:
        found = conninfo_to_dict(SCHEME.sub("postgresql", url))
    except psycopg.Error as error:
        unknown = UNKNOWN.search(str(error))
        raise (_refused(unknown["name"]) if unknown else _not_a_url()) from None
    return {str(name): str(value) for name, value in found.items()}


def _check_names(url: str) -> None:
    """Refuse what libpq would read in the place of a part before the question mark."""
    _, _, query = url.partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&") if pair]
    if not all(map(NAME.fullmatch, names)):  # libpq decodes names, too: %70assword
        raise _not_a_url()
    for name in names:
        if name in REFUSED:
            raise _refused(name)
        if name in {*PARAMETERS, SSLMODE, "host"} and names.count(name) > 1:
            raise SettingsError(f"The URL has the parameter {name} twice.", "Leave one of them.")
    authority = url.partition("://")[2].split("/")[0].split("?")[0]
    if "host" in names and authority.rpartition("@")[2].partition(":")[0]:
        raise SettingsError("The URL has a host, and another one as a parameter.", IN_AUTHORITY)


def _refused(name: str) -> SettingsError:
    if name in REFUSED:
        return SettingsError(f"A connection cannot keep the URL's parameter {name}.", REFUSED[name])
    known = [SSLMODE, *PARAMETERS]
    meant = did_you_mean([name], known)
    return SettingsError(
        f"A connection cannot keep the URL's parameter {name}.",
        f"{meant} It keeps: {', '.join(known)}.".strip(),
    )


def _not_a_url() -> SettingsError:
    return SettingsError(
        "This is not a Postgres URL with a host and a user.",
        "Write postgresql://user:password@host:port/database; in a password, write @ : / ? # %"
        " as %40 %3A %2F %3F %23 %25.",
    )
