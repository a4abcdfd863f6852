"""The control endpoint /_sandbox/: switches, changes to the data, content, request log.

It is reachable from loopback only, where the server listens, and it rejects requests that name
another host, as a web page could send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response as ASGIResponse
from starlette.responses import StreamingResponse

from commcare_sandbox import faults
from commcare_sandbox.backend import SandboxBackend
from commcare_sandbox.connect import control as connect_control
from commcare_sandbox.connect.context import Connect
from commcare_sandbox.connect.data.tables import UnknownRowError
from commcare_sandbox.hq import control as hq_control
from commcare_sandbox.hq.context import HQ
from commcare_sandbox.hq.control import UnknownDomainError
from commcare_sandbox.hq.data.domain import UnknownRecordError
from commcare_sandbox.http_types import JSON_TYPE, Request
from commcare_sandbox.switches import SwitchError

Body = dict[str, Any]
_CONNECT = "connect/"
_LINES_AT_ONCE = 500
# Content types that an HTML form can send across origins without preflight, with JSON inside.
# That of `curl -d` is allowed: it would escape the JSON, and a script's request has an Origin.
_HTML_FORM_TYPES = {"text/plain", "multipart/form-data"}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ControlError(Exception):
    """An invalid control request."""


_CLIENT_ERRORS = (
    *(ControlError, SwitchError, UnknownDomainError, UnknownRecordError, UnknownRowError),
    *(KeyError, ValueError, TypeError),
)


def handle(request: Request, backend: SandboxBackend) -> ASGIResponse:
    """Handle a control request."""
    if reason := _rejection(request):
        return _json({"error": reason}, 403)
    action = request.path.removeprefix("/_sandbox/").strip("/")
    try:
        if action.startswith("content/") and request.method == "GET":
            lines = _content(action.removeprefix("content/"), request, backend)
            return StreamingResponse(_in_chunks(lines), media_type="application/x-ndjson")
        handler = _ACTIONS.get((request.method, action))
        if handler is None:
            known = ", ".join(f"{method} /_sandbox/{name}" for method, name in _ACTIONS)
            return _json({"error": f"Unknown action. Known: {known}."}, 404)
        return _json(handler(_body(request), backend))
    except _CLIENT_ERRORS as error:
        return _json({"error": str(error)}, 400)


def _rejection(request: Request) -> str:
    """Return why a request is rejected: it may come from a web page. Empty if accepted.

    Another host's name may resolve to this address (DNS rebinding), and a page can submit forms to
    any address; browsers then send its origin.
    """
    origins = [request.headers[name] for name in ("origin", "referer") if name in request.headers]
    hosts = [f"//{request.headers.get('host', '')}", *origins]
    if any(_host_of(address) not in _LOOPBACK for address in hosts):
        return "The control endpoint rejects other hosts' names and web pages: use loopback."
    if origins and urlsplit(origins[0]).netloc != request.headers.get("host"):
        return "The control endpoint accepts no request from another server's web page."
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "The control endpoint accepts no cross-site request."
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return "The control endpoint accepts no HTML forms." if kind in _HTML_FORM_TYPES else ""


def _host_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _json(body: Any, status: int = 200) -> ASGIResponse:
    return ASGIResponse(msgspec.json.encode(body), status, media_type=JSON_TYPE)


def _body(request: Request) -> Body:
    try:
        body = msgspec.json.decode(request.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControlError(f"The body is not valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise ControlError("The body must be a JSON object.")
    return body


def _status(_body: Body, backend: SandboxBackend) -> Body:
    about = {
        "url": backend.base_url,
        "switches": asdict(backend.switches),
        "requests": backend.request_log.total,
    }
    return about | hq_control.status(backend.hq)


def _requests(_body: Body, backend: SandboxBackend) -> Body:
    return backend.request_log.to_json()


def _forget(_body: Body, backend: SandboxBackend) -> Body:
    backend.request_log.clear()
    backend.hq.throttle.clear()
    return {}


def _set(body: Body, backend: SandboxBackend) -> Body:
    faults.check(body)
    backend.switches.set(body)
    hq_control.apply_late(backend.hq)
    return _status(body, backend)


async def _in_chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    while chunk := b"".join(islice(lines, _LINES_AT_ONCE)):
        yield chunk


def _content(kind: str, request: Request, backend: SandboxBackend) -> Iterator[bytes]:
    if kind.startswith(_CONNECT):
        return connect_control.content(kind.removeprefix(_CONNECT), backend.connect)
    if kind not in ("cases", "forms"):
        raise ControlError(
            "Content is available at content/cases, content/forms and content/connect/..."
        )
    return hq_control.content(kind, request, backend.hq)


def _hq_action(act: Callable[[Body, HQ], Body]) -> Callable[[Body, SandboxBackend], Body]:
    return lambda body, backend: act(body, backend.hq)


def _connect_action(act: Callable[[Body, Connect], Body]) -> Callable[[Body, SandboxBackend], Body]:
    return lambda body, backend: act(body, backend.connect)


_ACTIONS: dict[tuple[str, str], Callable[[Body, SandboxBackend], Body]] = {
    ("GET", "status"): _status,
    ("GET", "requests"): _requests,
    ("POST", "forget-requests"): _forget,
    ("POST", "set"): _set,
    **{address: _hq_action(act) for address, act in hq_control.ACTIONS.items()},
    **{
        (method, f"{_CONNECT}{name}"): _connect_action(act)
        for (method, name), act in connect_control.ACTIONS.items()
    },
}
