"""Routes of Connect, and the headers of every response."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from commcare_sandbox.connect import auth, export_lists, oauth, opportunities
from commcare_sandbox.connect.context import PREFIX, Connect, Context, html_page
from commcare_sandbox.connect.credentials import UnsignedTokenError
from commcare_sandbox.http_types import JSON_TYPE, HTTPError, Request, Response

Handler = Callable[[Context], Response]
_FAILURES = (opportunities.BrokenDetailError, export_lists.MissingBlobError, UnsignedTokenError)


@dataclass(frozen=True)
class Route:
    """A URL pattern and its handler."""

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
    *(_export(f"{_OF}/{kind}", export_lists.rows_of(kind)) for kind in export_lists.LISTS),
    *(
        _export(f"{_OF}/{kind}", export_lists.rows_of(kind), ("2.0",))
        for kind in export_lists.NEW_LISTS
    ),
    _export("opp_org_program_list", opportunities.all_rows),
    _export(_OF, opportunities.detail),
    _export(f"{_OF}/app_structure", opportunities.app_structure),
    _export(f"{_OF}/image", export_lists.blob),
    _export(f"{_OF}/attachment_signed_url", opportunities.signed_url),
    _export("organization/{slug}/program", opportunities.programs_of_organization),
    _export("program/{program}/opportunity", opportunities.opportunities_of_program),
    _export("llo_entity", opportunities.llo_entities, ("2.0",)),
    _export("labs_record", opportunities.labs_records),
    _open("/o/token/", oauth.token, "POST"),
    _open("/o/authorize/", oauth.authorize, "GET", "POST"),
    _open("/o/revoke_token/", oauth.revoke, "POST"),
    _open("/o/introspect/", oauth.introspect, "POST"),
    _open("/api/users/me/", oauth.me, "GET"),
)


def handles_path(path: str) -> bool:
    """Return whether Connect serves a path."""
    return path.startswith(f"{PREFIX}/")


def handle(request: Request, connect: Connect) -> Response:
    """Handle a request as Connect does."""
    context = Context(request, connect, request.path.removeprefix(PREFIX))
    if connect.switches.connect_redirect:
        return _redirected(f"https://{request.headers.get('host', '')}{request.path}")
    try:
        return _dispatch(context)
    except HTTPError as error:
        return _with_headers(error.response, ("GET",))
    except _FAILURES:
        return html_page(500, "Server Error (500)")


def _dispatch(context: Context) -> Response:
    for route in ROUTES:
        match = route.pattern.fullmatch(context.path)
        if match:
            context.path_params = match.groupdict()
            return _authorized(route, context)
        if route.pattern.fullmatch(context.path + "/"):
            return _redirected(context.request.path + "/")
    return html_page(404, "Not Found")


def _authorized(route: Route, context: Context) -> Response:
    if route.is_export:
        auth.negotiate_version(context)
        if context.version not in route.versions:
            raise context.refuse(406, 'Invalid version in "Accept" header.')
        auth.authenticate(context, "export")
    method = "GET" if context.request.method == "HEAD" else context.request.method
    if method not in route.methods:
        raise context.refuse(405, f'Method "{context.request.method}" not allowed.')
    return _with_headers(route.handler(context), route.methods)


def _with_headers(response: Response, methods: tuple[str, ...]) -> Response:
    response.may_compress = True
    if response.content_type == JSON_TYPE:
        response.content_type = "application/json"
    response.headers |= {
        "Vary": "Accept, Accept-Language, Cookie",
        "Allow": ", ".join((*methods, "HEAD", "OPTIONS")),
        "X-API-Current-Version": "1.0",
    }
    return response


def _redirected(location: str) -> Response:
    moved = html_page(301, "Moved Permanently")
    moved.headers = {"Location": location}
    return moved
