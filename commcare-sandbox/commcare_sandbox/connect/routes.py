"""Every address of Connect, and the headers that all its answers have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from commcare_sandbox.connect import documents, export, guard, oauth
from commcare_sandbox.connect.context import PREFIX, Connect, Request, page_of_html
from commcare_sandbox.connect.logins import UnsignedTokenError
from commcare_sandbox.wire import JSON_TYPE, Answer, Call, RefusalError

Handler = Callable[[Request], Answer]
_FAILURES = (documents.BrokenDetailError, export.MissingBlobError, UnsignedTokenError)


@dataclass(frozen=True)
class Route:
    """An address, and what happens there."""

    pattern: re.Pattern[str]
    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    is_export: bool = True
    versions: tuple[str, ...] = ("1.0", "2.0")


_KINDS = {"opportunity": r"\d+", "program": r"\d+", "slug": r"[-\w]+"}


def _pattern(path: str) -> re.Pattern[str]:
    for name, shape in _KINDS.items():
        path = path.replace(f"{{{name}}}", f"(?P<{name}>{shape})")
    return re.compile(path)


def _export(path: str, handler: Handler, versions: tuple[str, ...] = ("1.0", "2.0")) -> Route:
    return Route(_pattern(f"/export/{path}/"), handler, versions=versions)


def _open(path: str, handler: Handler, *methods: str) -> Route:
    return Route(_pattern(path), handler, methods, is_export=False)


_OF = "opportunity/{opportunity}"
ROUTES = (
    *(_export(f"{_OF}/{kind}", export.rows_of(kind)) for kind in export.LISTS),
    *(_export(f"{_OF}/{kind}", export.rows_of(kind), ("2.0",)) for kind in export.NEW_LISTS),
    _export("opp_org_program_list", documents.everything),
    _export(_OF, documents.detail),
    _export(f"{_OF}/app_structure", documents.app_structure),
    _export(f"{_OF}/image", export.blob),
    _export(f"{_OF}/attachment_signed_url", documents.signed_url),
    _export("organization/{slug}/program", documents.programs_of_organization),
    _export("program/{program}/opportunity", documents.opportunities_of_program),
    _export("llo_entity", documents.llo_entities, ("2.0",)),
    _export("labs_record", documents.labs_records),
    _open("/o/token/", oauth.token, "POST"),
    _open("/o/authorize/", oauth.authorize, "GET", "POST"),
    _open("/o/revoke_token/", oauth.revoke, "POST"),
    _open("/o/introspect/", oauth.introspect, "POST"),
    _open("/api/users/me/", oauth.me, "GET"),
)


def belongs_here(path: str) -> bool:
    """Tell whether a path is one of Connect's."""
    return path.startswith(f"{PREFIX}/")


def answer(call: Call, connect: Connect) -> Answer:
    """Answer a request as Connect does."""
    request = Request(call, connect, call.path.removeprefix(PREFIX))
    if connect.switches.connect_redirect:
        return _moved(f"https://{call.headers.get('host', '')}{call.path}")
    try:
        return _found(request)
    except RefusalError as refusal:
        return _dressed(refusal.answer, ("GET",))
    except _FAILURES:
        return page_of_html(500, "Server Error (500)")


def _found(request: Request) -> Answer:
    for route in ROUTES:
        match = route.pattern.fullmatch(request.path)
        if match:
            request.captured = match.groupdict()
            return _guarded(route, request)
        if route.pattern.fullmatch(request.path + "/"):
            return _moved(request.call.path + "/")
    return page_of_html(404, "Not Found")


def _guarded(route: Route, request: Request) -> Answer:
    if route.is_export:
        guard.negotiate(request)
        if request.version not in route.versions:
            raise request.refuse(406, 'Invalid version in "Accept" header.')
        guard.authenticate(request, "export")
    method = "GET" if request.call.method == "HEAD" else request.call.method
    if method not in route.methods:
        raise request.refuse(405, f'Method "{request.call.method}" not allowed.')
    return _dressed(route.handler(request), route.methods)


def _dressed(answer: Answer, methods: tuple[str, ...]) -> Answer:
    answer.may_compress = True
    if answer.content_type == JSON_TYPE:
        answer.content_type = "application/json"
    answer.headers |= {
        "Vary": "Accept, Accept-Language, Cookie",
        "Allow": ", ".join((*methods, "HEAD", "OPTIONS")),
        "X-API-Current-Version": "1.0",
    }
    return answer


def _moved(location: str) -> Answer:
    moved = page_of_html(301, "Moved Permanently")
    moved.headers = {"Location": location}
    return moved
