"""What every handler of Connect is given, and Connect's own words for no."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from commcare_sandbox.connect.credentials import Access, ConnectCredentials
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
    """Data, logins and switches of one running Connect."""

    store: ConnectStore
    logins: ConnectCredentials
    switches: ConnectSwitches
    base_url: str = ""
    pages: dict[tuple[Any, ...], bytes] = field(default_factory=dict)
    """Pages that are kept, compressed."""


@dataclass
class Context:
    """A request to Connect."""

    request: Request
    connect: Connect
    path: str
    """Below the prefix."""
    version: str = "1.0"
    access: Access | None = None
    path_params: dict[str, str] = field(default_factory=dict)

    @property
    def switches(self) -> ConnectSwitches:
        """How Connect behaves."""
        return self.connect.switches

    def refuse(self, status: int, text: str, **headers: str) -> HTTPError:
        """Refuse in the caller's language, so that nobody matches on words."""
        is_french = self.request.headers.get("accept-language", "").startswith("fr")
        detail = _FRENCH.get(text, text) if is_french else text
        return HTTPError(status, {"detail": detail}, **headers)


def page_of_html(status: int, title: str) -> Response:
    """Return one of Django's HTML pages."""
    return Response(_HTML.format(title).encode(), status, content_type=HTML_TYPE)
