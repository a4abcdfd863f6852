"""Request and Response of the handlers, independent of the web framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Pairs = list[tuple[str, str]]

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass
class Request:
    """An HTTP request with its complete body."""

    method: str
    path: str
    params: Pairs
    headers: Mapping[str, str]
    body: bytes = b""
    path_params: dict[str, str] = field(default_factory=dict)
    """Path parameters by name, such as domain and id."""

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the last value of a query parameter, as Django does."""
        return next((value for key, value in reversed(self.params) if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return all values of a query parameter."""
        return [value for key, value in self.params if key == name]


@dataclass
class Response:
    """An HTTP response; ``body`` is encoded as JSON unless it is bytes."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    chunks: Iterator[bytes] | None = None
    """Streamed instead of ``body``."""
    may_compress: bool = False
    seconds: float = 0.0
    """Delay before the response is sent."""

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


class HTTPError(Exception):
    """Ends the handling of a request with an error response."""

    def __init__(self, status: int, body: Any = b"", **headers: str) -> None:
        super().__init__(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = HTML_TYPE if isinstance(body, bytes) else JSON_TYPE
        self.response = Response(body, status, named, content_type)


def bad_request(message: str) -> HTTPError:
    """Return HQ's usual 400 error."""
    return HTTPError(400, {"error": message})
