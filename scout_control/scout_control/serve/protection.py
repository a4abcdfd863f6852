"""What every response tells a browser, and where each request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.access.attempts import coming_from

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOR_PROGRAMS = ("/api/", "/mcp", "/.well-known/", "/health", "/ready")
OAUTH = "/api/datasources/oauth/"
"""To which browsers are sent, too."""
PAGES = frozenset(
    {
        *("sign-in", "sign-out", "connect", "accounts", "synced"),
        *("datasets", "runs", "projects", "operator", "account"),
    }
)
"""The first parts of their paths."""
PROGRAM_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# No inline script or style, and nothing from other hosts: what a row holds cannot run.
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # With no-referrer, browsers would send our own forms without their origin.
    (b"referrer-policy", b"same-origin"),
)
TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")


class Protection:
    """Adds the headers that a response does not have itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_page = not scope["path"].startswith(FOR_PROGRAMS)
        policy = (b"content-security-policy", PAGE_POLICY if is_page else PROGRAM_POLICY)
        added = [*HEADERS, policy, *([TLS_ONLY] if scope.get("scheme") == "https" else [])]

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                more = [each for each in added if each[0] not in present]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        path = scope["path"]
        if path.partition("/")[2].partition("/")[0] in PAGES and not path.endswith("/"):
            scope = {**scope, "path": path + "/"}  # both are answered, without a redirect
        client = scope.get("client")
        with coming_from(client[0] if client else ""):
            await self._app(scope, receive, protected)


def wants_page(request: Request) -> bool:
    """Return whether a person reads the answer."""
    path = request.url.path
    is_for_programs = path.startswith(FOR_PROGRAMS)
    is_browser = "text/html" in request.headers.get("accept", "")
    return not is_for_programs or (path.startswith(OAUTH) and is_browser)
