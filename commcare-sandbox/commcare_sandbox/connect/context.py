"""The request context of Connect's handlers, and its error responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from commcare_sandbox.connect.credentials import AccessToken, ConnectCredentials
from commcare_sandbox.connect.data.store import ConnectStore
from commcare_sandbox.connect.switches import ConnectSwitches
from commcare_sandbox.http_types import HTML_TYPE, HTTPError, Request, Response

PREFIX = "/connect"
_HTML = "<!doctype html>\n<html lang=en>\n<head><title>{0}</title></head><body><h1>{0}</h1></body>"

_FRENCH = {
    "Not found.": "Non trouvé.",
    "Authentication credentials were not provided.": (
        "Informations d'authentification non fournies."
    ),
}


@dataclass
class Connect:
    """State of one Connect server."""

    store: ConnectStore
    credentials: ConnectCredentials
    switches: ConnectSwitches
    base_url: str = ""
    pages: dict[tuple[Any, ...], bytes] = field(default_factory=dict)
    """Cached pages, gzip-compressed."""


@dataclass
class Context:
    """A request to Connect and what is known about it."""

    request: Request
    connect: Connect
    path: str
    """Path below the prefix."""
    version: str = "1.0"
    access: AccessToken | None = None
    path_params: dict[str, str] = field(default_factory=dict)

    @property
    def switches(self) -> ConnectSwitches:
        """The switches of Connect."""
        return self.connect.switches

    def refuse(self, status: int, text: str, **headers: str) -> HTTPError:
        """Return an error in the request's language, as production does: texts are no contract."""
        is_french = self.request.headers.get("accept-language", "").startswith("fr")
        detail = _FRENCH.get(text, text) if is_french else text
        return HTTPError(status, {"detail": detail}, **headers)


def html_page(status: int, title: str) -> Response:
    """Return an HTML page like Django's default error pages."""
    return Response(_HTML.format(title).encode(), status, content_type=HTML_TYPE)
