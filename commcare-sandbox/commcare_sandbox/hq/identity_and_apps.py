"""Identity, user domains and applications."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data import apps
from commcare_sandbox.hq.tastypie import paginated, unpaginated
from commcare_sandbox.http_types import HTTPError, Response


def identity(context: Context) -> Response:
    """Return the current user."""
    me = context.hq.first_domain.directory.web_users()[0]
    return Response(
        {name: me[name] for name in ("id", "username", "first_name", "last_name", "email")}
    )


def user_domains(context: Context) -> Response:
    """Return the domains of the user."""
    hidden = context.hq.switches.hidden_domains.split(",")
    if context.request.get("feature_flag"):
        raise HTTPError(400, {"error": f"{context.request.get('feature_flag')!r} is not a flag"})
    found = [
        {"domain_name": name, "project_name": name.replace("-", " ").title()}
        for name in context.hq.domains
        if name not in hidden
    ]
    if context.hq.switches.old_user_domains:
        return paginated(context, found)
    return unpaginated(found, {"total_count": len(found)})


def application_list(_context: Context) -> Response:
    """Return all applications in one page."""
    meta: dict[str, Any] = {"limit": None, "next": None, "offset": 0, "previous": None}
    found = apps.applications()
    return unpaginated(found, meta | {"total_count": len(found)})


def application_detail(context: Context) -> Response:
    """Return one application, or a build of one."""
    wanted = context.request.path_params["id"]
    for application in [*apps.applications(), apps.build()]:
        if application["id"] == wanted:
            return Response(application)
    raise HTTPError(404)
