"""The control endpoint under /_sandbox/: switches, mutations, content, what was asked.

Only loopback reaches it, because the server listens on nothing else, and it refuses requests
that name another host, as a web page could send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response, StreamingResponse

from commcare_sandbox import faults
from commcare_sandbox.connect import control as connect_control
from commcare_sandbox.connect.context import Connect
from commcare_sandbox.connect.estate.tables import UnknownRowError
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.form_v1 import shown as shown_form
from commcare_sandbox.hq.programme.cases import shown_v2
from commcare_sandbox.hq.programme.collection import Query
from commcare_sandbox.hq.programme.domain import Domain, UnknownRecordError
from commcare_sandbox.switches import SwitchError
from commcare_sandbox.wire import JSON_TYPE, Call
from commcare_sandbox.world import World

Body = dict[str, Any]
_CONNECT = "connect/"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ControlError(Exception):
    """A control request that cannot be done; the message says why."""


_REFUSED = (
    *(ControlError, SwitchError, UnknownRecordError, UnknownRowError),
    *(KeyError, ValueError, TypeError),
)


def answer(call: Call, world: World) -> Response:
    """Answer a control request."""
    if urlsplit(f"//{call.headers.get('host', '')}").hostname not in _LOOPBACK:
        return _json({"error": "The control endpoint answers on loopback only."}, 403)
    action = call.path.removeprefix("/_sandbox/").strip("/")
    try:
        if action.startswith("content/") and call.method == "GET":
            return StreamingResponse(
                _content(action.removeprefix("content/"), call, world),
                media_type="application/x-ndjson",
            )
        handler = _ACTIONS.get((call.method, action))
        if handler is None:
            known = ", ".join(f"{method} /_sandbox/{name}" for method, name in _ACTIONS)
            return _json({"error": f"Known are {known}."}, 404)
        return _json(handler(_body(call), call, world))
    except _REFUSED as error:
        return _json({"error": str(error)}, 400)


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=JSON_TYPE)


def _body(call: Call) -> Body:
    try:
        body = msgspec.json.decode(call.body or b"{}")
    except msgspec.DecodeError as error:
        raise ControlError(f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise ControlError("The body is a JSON object.")
    return body


def _domain(body: Body, call: Call, world: World) -> Domain:
    name = body.pop("domain", None) or call.get("domain")
    if not name:
        return world.first_domain
    if name not in world.domains:
        raise ControlError(f"There is no domain {name!r}. Known: {', '.join(world.domains)}.")
    return world.domains[name]


# ---------------------------------------------------------------------- looking


def _status(_body: Body, _call: Call, world: World) -> Body:
    return {
        "url": world.base_url,
        "domains": {name: domain.total() for name, domain in world.domains.items()},
        "switches": asdict(world.switches),
        "requests": world.journal.total,
        "refresh_token": world.logins.refresh_token,
    }


def _requests(_body: Body, _call: Call, world: World) -> Body:
    return world.journal.shown()


def _forget(_body: Body, _call: Call, world: World) -> Body:
    world.journal.clear()
    world.throttle.clear()
    return {}


async def _content(kind: str, call: Call, world: World) -> AsyncIterator[bytes]:
    lines = _lines(kind, call, world)
    while chunk := b"".join(line for _, line in zip(range(500), lines, strict=False)):
        yield chunk


def _lines(kind: str, call: Call, world: World) -> Iterator[bytes]:
    if kind.startswith(_CONNECT):
        return connect_control.content(kind.removeprefix(_CONNECT), world.connect)
    domain = _domain({}, call, world)
    context = Context(call, world, domain)
    records: Iterator[Any]
    if kind == "cases":
        records = (shown_v2(case, domain.name) for case in domain.cases.all(Query()))
    else:
        records = (shown_form(context, form) for form in domain.forms.all(Query()))
    return (msgspec.json.encode(record) + b"\n" for record in records)


# ---------------------------------------------------------------------- switching


def _set(body: Body, call: Call, world: World) -> Body:
    faults.check(body)
    world.switches.set(body)
    apply_late(world)
    return _status(body, call, world)


def apply_late(world: World) -> None:
    """Hide what the switches of late visibility say, once."""
    switches = world.switches
    if not switches.late_every:
        return
    until = switches.late_requests and world.journal.total + switches.late_requests
    for domain in world.domains.values():
        domain.hide(switches.late_every, switches.late_seconds, until)
    switches.late_every = 0


def _end_access_tokens(_body: Body, _call: Call, world: World) -> Body:
    world.logins.end_access_tokens()
    return {}


def _end_refresh_token(_body: Body, _call: Call, world: World) -> Body:
    world.logins.end_refresh_token()
    return {}


# ---------------------------------------------------------------------- mutating


def _submit_form(body: Body, call: Call, world: World) -> Body:
    domain = _domain(body, call, world)
    count = int(body.pop("count", 1))
    return {"form_ids": [domain.submit_form(dict(body))["id"] for _ in range(count)]}


def _edit_case(body: Body, call: Call, world: World) -> Body:
    domain = _domain(body, call, world)
    wanted = [body.pop("case_id", None)]
    ids = wanted if wanted[0] else domain.some_cases(int(body.pop("count", 1)))
    changes = body or {"properties": {"edited": "yes"}}
    return {"case_ids": [domain.edit_case(str(each), changes).case_id for each in ids]}


def _each_form(
    change: Callable[[Domain, str, Body], object],
) -> Callable[[Body, Call, World], Body]:
    def handle(body: Body, call: Call, world: World) -> Body:
        domain = _domain(body, call, world)
        wanted = [body.pop("form_id", None)]
        ids = wanted if wanted[0] else domain.some_forms(int(body.pop("count", 1)))
        for each in ids:
            change(domain, str(each), body)
        return {"form_ids": ids}

    return handle


def _delete_case(body: Body, call: Call, world: World) -> Body:
    domain = _domain(body, call, world)
    wanted = [body.pop("case_id", None)]
    ids = wanted if wanted[0] else domain.some_cases(int(body.pop("count", 1)))
    for each in ids:
        domain.delete_case(str(each))
    return {"case_ids": ids}


def _reindex(body: Body, call: Call, world: World) -> Body:
    _domain(body, call, world).reindex()
    return {}


_ACTIONS: dict[tuple[str, str], Callable[[Body, Call, World], Body]] = {
    ("GET", "status"): _status,
    ("GET", "requests"): _requests,
    ("POST", "forget-requests"): _forget,
    ("POST", "set"): _set,
    ("POST", "submit-form"): _submit_form,
    ("POST", "edit-form"): _each_form(lambda domain, each, body: domain.edit_form(each, body)),
    ("POST", "archive-form"): _each_form(lambda domain, each, _: domain.archive_form(each)),
    ("POST", "unarchive-form"): _each_form(
        lambda domain, each, _: domain.archive_form(each, archived=False)
    ),
    ("POST", "delete-form"): _each_form(lambda domain, each, _: domain.delete_form(each)),
    ("POST", "edit-case"): _edit_case,
    ("POST", "delete-case"): _delete_case,
    ("POST", "reindex"): _reindex,
    ("POST", "expire-access-tokens"): _end_access_tokens,
    ("POST", "kill-refresh-token"): _end_refresh_token,
}


def _of_connect(
    act: Callable[[Body, Connect], Body],
) -> Callable[[Body, Call, World], Body]:
    return lambda body, _call, world: act(body, world.connect)


_ACTIONS |= {
    (method, f"{_CONNECT}{name}"): _of_connect(act)
    for (method, name), act in connect_control.ACTIONS.items()
}
