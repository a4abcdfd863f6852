"""Streamable HTTP: an ASGI endpoint, mounted by ``serve``, for holders of tokens.

Without sessions: each request has its own token and is complete in itself. Nothing in the memory
of a process belongs to a person, a token that ends ends everything, and several processes on one
store answer alike.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from scout_control.access.access import Access
from scout_control.access.identity import Identity, authenticate, not_signed_in
from scout_control.errors import ForbiddenError, NotSignedInError
from scout_control.mcp.caller import Threads
from scout_control.mcp.server import create_server
from scout_control.rules.error_document import error_document
from scout_control.rules.permissions import Scope as Reach
from scout_control.rules.remedies import Surface

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from scout_control.api.scout import Scout

MAX_BODY = 1024 * 1024


class Endpoint:
    """The endpoint of an installation.

    Args:
        scout: The installation.
        described_at: Returns where it is described how to get a token, for a request.
    """

    def __init__(self, scout: Scout, described_at: Callable[[Scope], str]) -> None:
        self._scout = scout
        self._threads = Threads()
        server = create_server(self._identify, self._threads)
        self._manager = StreamableHTTPSessionManager(
            server, stateless=True, max_request_body_size=MAX_BODY
        )
        inner: ASGIApp = AuthContextMiddleware(
            _signed_in(self._manager.handle_request, described_at)
        )
        backend = BearerAuthBackend(Verifier(scout, self._threads))
        self._app: ASGIApp = _of_own_pages(AuthenticationMiddleware(inner, backend=backend))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; no one is left to tell if its sender disappears while it is read."""
        with suppress(ClientDisconnect):
            await self._app(scope, receive, send)

    def routes(self) -> list[Route]:
        """Return where it answers; nothing to GET or DELETE: there are no sessions."""
        paths = ("/mcp", "/mcp/")
        return [Route(each, self, methods=["POST"], include_in_schema=False) for each in paths]

    async def running(self) -> AsyncIterator[None]:
        """Serve while the application runs; requests in flight end with it."""
        async with self._manager.run():
            yield

    def _identify(self) -> Access:
        """Return the installation as the sender of the current request may use it."""
        token = get_access_token()
        if token is None or token.subject is None:
            raise not_signed_in()
        # Authenticated again: a call may wait for minutes, and its token ends meanwhile.
        return Access(self._scout, authenticate(self._scout.installation, token.token))


class Verifier:
    """Verifies tokens for the SDK: those of this installation."""

    def __init__(self, scout: Scout, threads: Threads) -> None:
        self._scout = scout
        self._threads = threads

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose a token is; None if it is not valid."""
        try:
            identity = await self._threads.run(
                lambda: authenticate(self._scout.installation, token)
            )
        except NotSignedInError:
            return None
        return access_token(token, identity)


def access_token(token: str, identity: Identity) -> AccessToken:
    """Return a valid token in the form of the SDK."""
    reaches = [each.name.lower() for each in Reach if each <= identity.scope]
    return AccessToken(
        token=token, client_id=identity.person, subject=identity.person, scopes=reaches
    )


def _signed_in(app: ASGIApp, described_at: Callable[[Scope], str]) -> ASGIApp:
    """Refuse requests without a valid token, in the form of the REST interface."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(scope.get("user"), AuthenticatedUser):
            await app(scope, receive, send)
            return
        headers = {"WWW-Authenticate": challenge(scope, described_at(scope))}
        answer = JSONResponse(error_document(not_signed_in(), Surface.AGENTS), 401, headers)
        await answer(scope, receive, send)

    return checked


def challenge(scope: Scope, described_at: str) -> str:
    """Return what a request without a valid token is told, as RFC 6750 and RFC 9728 have it."""
    has_token = "authorization" in Headers(scope=scope)
    error = 'error="invalid_token", ' if has_token else ""
    return f'Bearer {error}resource_metadata="{described_at}"'


def _of_own_pages(app: ASGIApp) -> ASGIApp:
    """Refuse what pages of other hosts send."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if is_own(headers.get("origin"), headers.get("host")):
            await app(scope, receive, send)
            return
        error = ForbiddenError(
            "A page of another host may not use this interface.", "Use a program with a token."
        )
        await JSONResponse(error_document(error, Surface.AGENTS), 403)(scope, receive, send)

    return checked


def is_own(origin: str | None, host: str | None) -> bool:
    """Return whether a request is from a program, or from a page of the host that it is sent to."""
    return origin is None or (bool(host) and origin in {f"http://{host}", f"https://{host}"})
