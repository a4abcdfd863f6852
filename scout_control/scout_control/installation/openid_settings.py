"""How an OpenID Connect provider signs people in: environment variables ``SCOUT_OIDC_...``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scout_control.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "SCOUT_OIDC_"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SUBJECT = "sub"
SCOPES = "openid profile email"


@dataclass(frozen=True, kw_only=True)
class OpenIDSettings:
    """Environment variables, each prefixed ``SCOUT_OIDC_``."""

    issuer: str
    """``ISSUER``: the URL of the provider, exactly as it calls itself."""

    client_id: str
    """``CLIENT_ID``: what this installation is called there."""

    client_secret: str | None = field(default=None, repr=False)
    """``CLIENT_SECRET``; without it, the client is a public one."""

    audience: str
    """``AUDIENCE``: for whom tokens of programs must be issued; the client id by default."""

    subject_claim: str = SUBJECT
    """``SUBJECT_CLAIM``: the claim that is compared with the subject of a person; ``sub`` by
    default. It must be one that the provider never gives to someone else."""

    new_person_claim: str | None = None
    """``NEW_PERSON_CLAIM``: the claim that becomes the id of a person who signs in for the first
    time; without it, an operator adds people before they sign in."""

    scopes: str = SCOPES
    """``SCOPES``: what is requested from the provider; ``openid profile email`` by default."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> OpenIDSettings | None:
        """Return the settings of an environment; None if it names no provider.

        Raises:
            SettingsError: One of them is missing, or the provider is not reached by TLS.
        """
        found = {
            name.removeprefix(PREFIX).lower(): value.strip()
            for name, value in environment.items()
            if name.startswith(PREFIX) and value.strip()
        }
        if not found:
            return None
        if unknown := sorted(set(found) - set(cls.__dataclass_fields__)):
            raise SettingsError(
                f"There is no setting {PREFIX}{unknown[0].upper()}.", "Correct its name."
            )
        for name in ("issuer", "client_id"):
            if name not in found:
                raise SettingsError(
                    f"{PREFIX}{name.upper()} is not set.",
                    "Set it, or remove the other settings of the provider.",
                )
        check_address(found["issuer"], f"{PREFIX}ISSUER")
        return cls(**{"audience": found["client_id"]} | found)


def check_address(url: str, name: str) -> str:
    """Return the URL of a provider, or of one of its endpoints.

    Raises:
        SettingsError: It is not one of TLS, or of this machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not host or not is_safe or parts.fragment or parts.username or "\\" in url:
        raise SettingsError(
            f"{name} is not the URL of a provider.", "Give one that begins with https://"
        )
    return url
