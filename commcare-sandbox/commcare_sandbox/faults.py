"""Fault injection: the switches decide which requests get which faulty response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commcare_sandbox.hq.throttling import retry_after
from commcare_sandbox.http_types import HTML_TYPE, Request, Response
from commcare_sandbox.switches import SwitchError, Switches

_GATEWAY = (
    "<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n<center><h1>{0} {1}</h1></center>"
    "\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_REASONS = {500: "", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
_VIEWS = ("/case/v2", "/v0.6/case", "/ucr/")
COLLECTION_KEYS = ("cases", "objects", "data", "results")


def _gateway(status: int) -> Response:
    body = _GATEWAY.format(status, _REASONS[status]).encode()
    return Response(body, status, content_type=HTML_TYPE)


def _server_error(_call: Request, _switches: Switches) -> Response:
    message = "Sorry, this request could not be processed. Please try again later."
    return Response({"error_message": message}, 500)


def _too_many(request: Request, switches: Switches) -> Response:
    tastypie = not any(part in request.path for part in _VIEWS)
    headers = retry_after(switches, switches.retry_after_seconds, tastypie=tastypie)
    return Response(b"", 429, headers, HTML_TYPE)


def _unavailable(_call: Request, switches: Switches) -> Response:
    response = _gateway(503)
    response.headers = retry_after(switches, switches.retry_after_seconds, tastypie=False)
    return response


REPLACING: dict[str, Callable[[Request, Switches], Response]] = {
    "429": _too_many,
    "500": _server_error,
    "502": lambda _call, _switches: _gateway(502),
    "503": _unavailable,
    "504": lambda _call, _switches: _gateway(504),
    "401": lambda _call, _switches: Response(b"", 401, content_type=HTML_TYPE),
    "403": lambda _call, _switches: Response(b"", 403, content_type=HTML_TYPE),
}
"""Faults that replace the response; the request is not handled."""

DAMAGING = ("missing-key", "truncate", "reset", "stall")
"""Faults that damage or delay the correct response."""

FAULTS = (*REPLACING, *DAMAGING)


@dataclass
class Faults:
    """Decides which requests get a fault."""

    matched: int = 0
    injected: int = 0
    configuration: tuple[str, int, str] = ("", 0, "")

    def choose(self, path: str, switches: Switches) -> str | None:
        """Return the fault for this request, if any."""
        configuration = switches.fault, switches.fault_every, switches.fault_path
        if configuration != self.configuration:
            self.configuration, self.matched, self.injected = configuration, 0, 0
        wanted = [name.strip() for name in switches.fault.split(",") if name.strip()]
        if not wanted or switches.fault_path not in path:
            return None
        # A fault at the token endpoint would hide what a client does about faults of the API.
        if not switches.fault_path and path.startswith(("/oauth/", "/connect/o/")):
            return None
        self.matched += 1
        if switches.fault_every and self.matched % switches.fault_every:
            return None
        if switches.fault_next:
            switches.fault_next -= 1
            if not switches.fault_next:
                switches.fault = ""
        self.injected += 1
        return wanted[(self.injected - 1) % len(wanted)]


def without_collection(response: Response) -> Response:
    """Remove the list of records from a response."""
    if isinstance(response.body, dict):
        response.body = {k: v for k, v in response.body.items() if k not in COLLECTION_KEYS}
    return response


def first_half(body: bytes) -> bytes:
    """Return the first half of a body, so that its JSON is truncated."""
    return body[: max(len(body) // 2, 1)]


async def stall(switches: Switches) -> None:
    """Wait for ``stall_seconds``."""
    await asyncio.sleep(switches.stall_seconds)


def check(changes: dict[str, Any]) -> None:
    """Validate the fault names in a change of switches.

    Raises:
        SwitchError: A fault name is unknown.
    """
    for name in str(changes.get("fault") or "").split(","):
        if name.strip() and name.strip() not in FAULTS:
            raise SwitchError(f"Unknown fault {name.strip()!r}. Known: {', '.join(FAULTS)}.")
