"""Authentication and authorization in Connect's order: version, token, scope, opportunity."""

from __future__ import annotations

from commcare_sandbox.connect.context import Context
from commcare_sandbox.connect.data.tables import UnknownRowError
from commcare_sandbox.connect.switches import ids

_KNOWN_TYPES = ("application/json", "text/html", "application/*", "text/*", "*/*")
_VERSIONS = ("1.0", "2.0")
_REALM = 'Bearer realm="api"'
_DEAD = f'{_REALM},error="invalid_token",error_description="The access token is invalid."'


def negotiate_version(context: Context) -> None:
    """Set the API version from the Accept header.

    Raises:
        HTTPError: 406, no supported media type or version.
    """
    for wanted in context.request.headers.get("accept", "*/*").split(","):
        kind, *parameters = (part.strip() for part in wanted.split(";"))
        if kind.lower() not in _KNOWN_TYPES:
            continue
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        context.version = named.get("version", "1.0").strip('"')
        if context.version not in _VERSIONS:
            raise context.refuse(406, 'Invalid version in "Accept" header.')
        return
    raise context.refuse(406, "Could not satisfy the request Accept header.")


def authenticate(context: Context, scope: str) -> None:
    """Check the access token and its scope.

    Raises:
        HTTPError: 401, no valid token; 403, the scope or the user is missing.
    """
    kind, _, token = context.request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        token = context.request.get("access_token") or ""
    context.access = context.connect.credentials.use(token.strip())
    if context.access is None:
        text = "Authentication credentials were not provided."
        raise context.refuse(401, text, WWW_Authenticate=_DEAD if token else _REALM)
    lacks = scope and scope not in context.access.scope.split()
    if lacks or not context.access.has_user or context.switches.connect_forbidden:
        raise context.refuse(403, "You do not have permission to perform this action.")


def opportunity(context: Context) -> int:
    """Return the id of the opportunity in the path.

    Raises:
        HTTPError: 404, it does not exist, or the user is not a member.
    """
    number = int(context.path_params["opportunity"])
    switches = context.switches
    hidden = ids(switches.connect_hidden) | ids(switches.connect_unlisted)
    try:
        context.connect.store.table("user_data", number)
    except UnknownRowError:
        hidden |= {number}
    if number in hidden:
        raise context.refuse(404, "Not found.")
    return number
