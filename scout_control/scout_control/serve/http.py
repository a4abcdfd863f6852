"""What holds for every request and response, before and after the endpoints.

Requests are bounded: the length of the address, the size of the body; a body is JSON. Responses are
not stored by browsers and proxies, and nothing guesses their type.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from scout_control.errors import ControlError, SettingsError
from scout_control.rules import entity_tags
from scout_control.rules.error_document import error_document
from scout_control.serve import protection
from scout_control.serve.parameters import is_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/"
LONGEST_ADDRESS = 8_192
LARGEST_BODY = 1 << 20
WITHOUT_SLASH = ("/api/openapi.json", "/api/docs")
FORMS = ("/api/datasources/oauth/",)
"""Where a browser sends forms."""
ONCE = (
    b"authorization",
    b"content-type",
    b"host",
    b"idempotency-key",
    b"origin",
    b"sec-fetch-site",
)
"""Headers that decide who asks, and for what."""
WITHOUT_HEAD = "/sign-in/"
"""Addresses that only people open: what looks at their headers gets no answer."""
HEADERS = (*protection.HEADERS, (b"content-security-policy", protection.PROGRAM_POLICY))
"""Of what is refused here, before the rest of the application sees it."""


class HttpRules:
    """Checks requests and completes responses; the outermost part of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_head = not scope["path"].startswith(WITHOUT_HEAD)
        if scope["method"] == "HEAD" and has_head:  # as GET; the server sends no body for it
            scope = {**scope, "method": "GET"}
        headers = dict(scope["headers"])
        reply = _Reply(send, scope["method"], headers.get(b"if-none-match", b"").decode("latin-1"))
        problem = _find_problem(scope, headers) or _find_repetition(scope)
        if problem is not None:
            await _refuse(reply, *problem)
            return
        path = scope["path"]
        if path.startswith(API) and not path.endswith("/") and path not in WITHOUT_SLASH:
            # Both are answered, without a redirect: that would lose the token.
            scope = {**scope, "path": path + "/", "raw_path": scope["raw_path"] + b"/"}
        await self._app(scope, _Bounded(receive), reply)


def _find_problem(scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, ControlError] | None:
    """Return why a request is refused, with the status; None if it is not."""
    raw_path = scope.get("raw_path") or b""
    if len(raw_path) + len(scope["query_string"]) > LONGEST_ADDRESS:
        return 414, SettingsError("The address is too long.", "Send less in it.")
    if b"%00" in raw_path or b"%00" in scope["query_string"] or "\ufffd" in scope["path"]:
        return 400, SettingsError("The address has characters that cannot be.", "Use UTF-8.")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 12 or int(length) > LARGEST_BODY:
        return _too_large()
    has_body = length != b"0" or b"transfer-encoding" in headers
    if not scope["path"].startswith(API) or scope["path"].startswith(FORMS) or not has_body:
        return None
    if not is_json(headers.get(b"content-type", b"").decode("latin-1")):
        return 415, SettingsError(
            "The body is not JSON.", "Send JSON, with Content-Type: application/json."
        )
    return None


def _find_repetition(scope: Scope) -> tuple[int, ControlError] | None:
    """Return why a request is refused that says something twice: proxies may read the other."""
    names = [name for name, _ in scope["headers"]]
    twice = next((each for each in ONCE if names.count(each) > 1), None)
    if twice is None:
        return None
    cause = f"The header {twice.decode()} was sent more than once."
    return 400, SettingsError(cause, "Send it once.")


def _too_large() -> tuple[int, ControlError]:
    most = LARGEST_BODY >> 20
    return 413, SettingsError(f"The body is larger than {most} MiB.", "Send less.")


async def _refuse(send: Send, status: int, error: ControlError) -> None:
    body = json.dumps(error_document(error)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class KnownHosts:
    """Refuses requests that call the server by a name that it does not have, with a document."""

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or await self._is_known(scope, receive):
            await self._app(scope, receive, send)
            return
        await _refuse(
            send,
            400,
            SettingsError(
                "This server is not called by the name in the header Host.",
                "Use the address that it was given; who runs it gives another by --public-url.",
            ),
        )

    async def _is_known(self, scope: Scope, receive: Receive) -> bool:
        """Return what the framework decides, whose own answer is discarded."""
        admitted = False

        async def admit(_scope: Scope, _receive: Receive, _send: Send) -> None:
            nonlocal admitted
            admitted = True

        async def discard(_message: Message) -> None:
            return

        check = TrustedHostMiddleware(admit, allowed_hosts=self._names, www_redirect=False)
        await check(scope, receive, discard)
        return admitted


class _Bounded:
    """Receives a body without a declared size, up to the largest."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > LARGEST_BODY:
            raise HTTPException(413)
        return message


class _Reply:
    """Adds headers to a response; one that the caller has already is sent without its body."""

    def __init__(self, send: Send, method: str, known: str) -> None:
        self._send = send
        self._known = known if method == "GET" else ""
        self._is_known = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = self._started(message)
        elif self._is_known:
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def _started(self, message: Message) -> Message:
        headers = [(name.lower(), value) for name, value in message["headers"]]
        present = dict(headers)
        headers += [each for each in HEADERS if each[0] not in present]
        tag = present.get(b"etag", b"").decode("latin-1")
        if self._known and tag and message["status"] == 200:
            self._is_known = entity_tags.is_known(self._known, tag)
        if self._is_known:
            left_out = (b"content-length", b"content-type")
            kept = [each for each in headers if each[0] not in left_out]
            return {**message, "status": 304, "headers": kept}
        return {**message, "headers": headers}
