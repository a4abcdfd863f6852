"""Who may pass, in Connect's order: version, then token, then scope, then the opportunity."""

from __future__ import annotations

from commcare_sandbox.connect.context import Request
from commcare_sandbox.connect.estate.tables import UnknownRowError
from commcare_sandbox.connect.switches import ids

_KNOWN_TYPES = ("application/json", "text/html", "application/*", "text/*", "*/*")
_VERSIONS = ("1.0", "2.0")
_REALM = 'Bearer realm="api"'
_DEAD = f'{_REALM},error="invalid_token",error_description="The access token is invalid."'


def negotiate(request: Request) -> None:
    """Find the version that the caller asks for.

    Raises:
        RefusalError: 406.
    """
    for wish in request.call.headers.get("accept", "*/*").split(","):
        kind, *parameters = (part.strip() for part in wish.split(";"))
        if kind.lower() not in _KNOWN_TYPES:
            continue
        named = dict(part.split("=", 1) for part in parameters if "=" in part)
        request.version = named.get("version", "1.0").strip('"')
        if request.version not in _VERSIONS:
            raise request.refuse(406, 'Invalid version in "Accept" header.')
        return
    raise request.refuse(406, "Could not satisfy the request Accept header.")


def authenticate(request: Request, scope: str) -> None:
    """Let a caller pass whose token is alive and has a scope.

    Raises:
        RefusalError: 401 or 403.
    """
    kind, _, token = request.call.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        token = request.call.get("access_token") or ""
    request.access = request.connect.logins.use(token.strip())
    if request.access is None:
        text = "Authentication credentials were not provided."
        raise request.refuse(401, text, WWW_Authenticate=_DEAD if token else _REALM)
    lacks = scope and scope not in request.access.scope.split()
    if lacks or not request.access.has_user or request.switches.connect_forbidden:
        raise request.refuse(403, "You do not have permission to perform this action.")


def opportunity(request: Request) -> int:
    """Return the opportunity of the path.

    Raises:
        RefusalError: 404: it does not exist, or the user is no member any more.
    """
    number = int(request.captured["opportunity"])
    switches = request.switches
    gone = ids(switches.connect_hidden) | ids(switches.connect_unlisted)
    try:
        request.connect.estate.table("user_data", number)
    except UnknownRowError:
        gone |= {number}
    if number in gone:
        raise request.refuse(404, "Not found.")
    return number
