"""Routes of HQ: each resource at its new and its old URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from commcare_sandbox.hq import (
    attachments,
    case_v1,
    case_v2,
    consent,
    directory,
    exports,
    form_v1,
    identity_and_apps,
    messaging_events,
    oauth,
    tables,
)
from commcare_sandbox.hq.auth import (
    Access,
    authenticate,
    check_permission,
    check_rate_limit,
    count,
)
from commcare_sandbox.hq.context import HQ, Context
from commcare_sandbox.http_types import HTTPError, Request, Response

Handler = Callable[[Context], Response]


@dataclass(frozen=True)
class Resource:
    """A resource: its versions, access rules and handlers."""

    name: str
    versions: tuple[str, ...]
    access: Access
    listing: Handler | None = None
    detail: Handler | None = None


V1, V2 = ("v1", "v0.5"), ("v2", "v0.6")
_DATA = Access("edit_data")
_CASES = Access("edit_data", tastypie=False, sees_subset=True)
_SOURCES = Access("edit_data", tastypie=False)
_WORKERS = Access("edit_commcare_users")
_PLACES = Access("edit_locations", throttled=False, needs_locations=True)
_ANYONE = Access(None, throttled=False)
_MEMBER = Access(
    None,
    throttled=False,
    unauthorized_body="Username or API Key is incorrect, expired or deactivated",
)

RESOURCES = (
    Resource("case", V1, _DATA, case_v1.case_list_v1, case_v1.case_detail_v1),
    Resource("form", V1, _DATA, form_v1.form_list, form_v1.form_detail),
    Resource(
        "application",
        V1,
        Access(),
        identity_and_apps.application_list,
        identity_and_apps.application_detail,
    ),
    Resource("user", V1, _WORKERS, directory.user_list, directory.user_detail),
    Resource(
        "web-user",
        V1,
        Access("edit_web_users"),
        directory.web_user_list,
        directory.web_user_detail,
    ),
    Resource("group", V1, _WORKERS, directory.group_list, directory.group_detail),
    Resource("location", V1, _PLACES, directory.location_list, directory.location_detail),
    Resource("location", V2, _PLACES, directory.location_list_v2),
    Resource(
        "location_type",
        V1,
        _PLACES,
        directory.location_type_list,
        directory.location_type_detail,
    ),
    Resource("lookup_table", V1, Access(), tables.lookup_table_list, tables.lookup_table_detail),
    Resource(
        "lookup_table_item",
        (*V1, *V2),
        Access(),
        tables.lookup_row_list,
        tables.lookup_row_detail,
    ),
    Resource("fixture", V1, Access("edit_apps"), tables.fixture_list, tables.fixture_detail),
    Resource("simplereportconfiguration", V1, Access(), tables.report_list),
    Resource("configurablereportdata", V1, Access("view_reports"), detail=tables.report_data),
    Resource("ucr", V1, _SOURCES, tables.source_data),
    Resource("ucr_data_source", V1, Access("edit_ucrs"), tables.source_list, tables.source_detail),
    Resource(
        "messaging-event", V1, _SOURCES, messaging_events.event_list, messaging_events.event_detail
    ),
    Resource(
        "det_export_instance",
        ("v1",),
        Access("view_reports"),
        exports.export_list,
        exports.export_detail,
    ),
)


_FILES = Access("edit_data", tastypie=False, throttled=False)
FILES = (
    ("/a/{domain}/api/form_attachment/v1/{form}/{name}", attachments.form_attachment),
    ("/a/{domain}/api/form/attachment/{form}/{name}", attachments.form_attachment),
    ("/a/{domain}/api/case_attachment/v1/{case}/{name}", attachments.case_attachment),
    ("/a/{domain}/api/case/attachment/{case}/{name}", attachments.case_attachment),
    ("/a/{domain}/data/export/custom/{kind}/{id}/det_config.xlsx", exports.export_workbook),
)


@dataclass(frozen=True)
class Route:
    """A URL pattern and its handler."""

    pattern: re.Pattern[str]
    method: str
    access: Access
    handler: Handler


def _route(path: str, access: Access, handler: Handler, method: str = "GET") -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace(".", r"\."))
    return Route(re.compile(pattern), method, access, handler)


def _addresses(name: str, version: str) -> str:
    """Return the URL of a version of a resource: name/v1 since 2025, v0.5/name before."""
    tail = f"{version}/{name}" if "." in version else f"{name}/{version}"
    return f"/a/{{domain}}/api/{tail}/"


def _routes() -> list[Route]:
    routes = []
    for version in V2:
        home = _addresses("case", version)
        routes += [
            _route(f"{home}?", _CASES, case_v2.case_list),
            _route(f"{home}bulk-fetch/?", _CASES, case_v2.bulk_fetch, "POST"),
            _route(f"{home}ext/{{id}}/?", _CASES, case_v2.case_by_external_id),
            _route(f"{home}{{id}}/?", _CASES, case_v2.case_detail),
        ]
    for resource in RESOURCES:
        for version in resource.versions:
            home = _addresses(resource.name, version)
            if resource.listing:
                routes.append(_route(home, resource.access, resource.listing))
            if resource.detail:
                routes.append(_route(f"{home}{{id}}/", resource.access, resource.detail))
    for path, handler in FILES:
        routes.append(_route(path, _FILES, handler))
    for name, access, handler in (
        ("identity", _ANYONE, identity_and_apps.identity),
        ("user_domains", _MEMBER, identity_and_apps.user_domains),
    ):
        routes += [
            _route(f"/api/{name}/v1/", access, handler),
            _route(f"/api/v0.5/{name}/", access, handler),
        ]
    return routes


ROUTES = _routes()
_OAUTH = {
    "/oauth/token/": (("POST",), oauth.token),
    "/oauth/revoke_token/": (("POST",), oauth.revoke),
    consent.AUTHORIZE: (("GET", "HEAD", "POST"), consent.authorize),
    consent.LOGIN: (("GET", "HEAD", "POST"), consent.log_in),
}


def handles_path(path: str) -> bool:
    """Return whether HQ serves a path."""
    return path.startswith(("/a/", "/api/", "/oauth/", "/accounts/"))


def handle(request: Request, hq: HQ) -> Response:
    """Handle a request as HQ does."""
    try:
        return _oauth(request, hq) if request.path in _OAUTH else _dispatch(request, hq)
    except HTTPError as error:
        return error.response


def _oauth(request: Request, hq: HQ) -> Response:
    methods, handler = _OAUTH[request.path]
    if request.method not in methods:
        raise HTTPError(405, b"", Allow=", ".join(methods))
    return handler(request, hq)


def _dispatch(request: Request, hq: HQ) -> Response:
    for route in ROUTES:
        match = route.pattern.fullmatch(request.path)
        if match:
            request.path_params = match.groupdict()
            return _authorized(route, request, hq)
    raise HTTPError(404, b"<h1>Not Found</h1>")


def _authorized(route: Route, request: Request, hq: HQ) -> Response:
    if request.method != route.method and (request.method, route.method) != ("HEAD", "GET"):
        body = b"" if route.access.tastypie else {"error": "Request method not allowed"}
        raise HTTPError(405, body, Allow=route.method)
    authenticate(request, hq, route.access)
    context = Context(request, hq)
    if "domain" not in request.path_params:
        return route.handler(context)
    check_permission(request, hq, route.access)
    check_rate_limit(request, hq, route.access)
    context.optional_domain = hq.domains[request.path_params["domain"]]
    context.domain.reveal_due(hq.request_log.total)
    found = route.handler(context)
    count(request, hq, route.access)
    return found
