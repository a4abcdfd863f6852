"""Where the server is reached, by which names, and whether that is safe."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scout_control.errors import SettingsError
from scout_control.rules.own_pages import is_loopback, origin_of

if TYPE_CHECKING:
    from fastapi import Request

HOST, PORT = "127.0.0.1", 8765
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared, not bound to
HOW = (
    "Give a certificate (--tls-cert FILE --tls-key FILE), or say which proxy encrypts "
    "(--behind-proxy ADDRESS)."
)


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """How a server listens, and what it is called."""

    host: str = HOST
    port: int = PORT
    certificate: str | None = None
    """The file of the TLS certificate."""
    key: str | None = None
    proxies: tuple[str, ...] = ()
    """Addresses of proxies, which say where a request comes from."""
    public_url: str | None = None
    """The address that people use, if it is another."""

    def check(self) -> None:
        """Refuse what would send tokens and rows over a network in clear.

        Raises:
            SettingsError: TLS is missing, or a value is invalid.
        """
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("A certificate and its key belong together.", HOW)
        for each in self.proxies:
            _check_proxy(each)
        if self.public_url is not None:
            _check_public(self.public_url)
        if not is_loopback(self.host) and not self.is_encrypted and not self.proxies:
            raise SettingsError(
                f"On {self.host}, others could read the tokens that are sent here.", HOW
            )

    @property
    def is_encrypted(self) -> bool:
        """Whether this server itself speaks TLS."""
        return self.certificate is not None

    @property
    def names(self) -> list[str]:
        """The hosts by which requests may call this server.

        A page of another host that is resolved to this address must not reach it (DNS rebinding).
        """
        public = urlsplit(self.public_url or "").hostname
        own = None if self.host in ANY else self.host
        return list(dict.fromkeys(filter(None, (*LOOPBACK, own, public))))

    def address(self, port: int) -> str:
        """Return the address to print for the port that was opened."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in ANY else self.host
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.is_encrypted else 'http'}://{shown}:{port}"


def hosting_of(request: Request) -> Hosting:
    """Return the hosting of the application that answers a request."""
    hosting: Hosting = request.app.state.hosting
    return hosting


def public_origin(request: Request) -> str:
    """Return the origin by which the browser of a request calls us.

    The header ``Host`` is one of ``Hosting.names`` here.
    """
    hosting = hosting_of(request)
    return origin_of(hosting.public_url or str(request.base_url)) or str(request.base_url)


def own_origins(request: Request) -> frozenset[str]:
    """Return the origins that our own pages have."""
    found = (origin_of(str(request.base_url)), public_origin(request))
    return frozenset(each for each in found if each is not None)


def is_secure(request: Request) -> bool:
    """Return whether the browser of a request reaches us by TLS."""
    public = hosting_of(request).public_url
    return request.url.scheme == "https" or (public or "").startswith("https://")


def _check_proxy(address: str) -> None:
    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError:
        network = None
    if network is None or network.prefixlen == 0:
        raise SettingsError(
            f"{address!r} is not the address of a proxy.",
            "Give an address or a network, such as 10.0.0.5 or 10.0.0.0/24.",
        )


def _check_public(url: str) -> None:
    origin = origin_of(url)
    if origin is None or urlsplit(url).path not in {"", "/"} or urlsplit(url).query:
        raise SettingsError("The public URL is invalid.", "Write it like https://scout.example.org")
    if not url.startswith("https://") and not is_loopback(urlsplit(url).hostname or ""):
        raise SettingsError(
            "The public URL must begin with https://", "Otherwise tokens are sent in clear."
        )
