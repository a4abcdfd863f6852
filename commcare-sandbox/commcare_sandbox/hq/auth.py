"""Authentication, permissions and rate limits, in HQ's order and with its error responses."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import md5
from urllib.request import parse_http_list, parse_keqv_list

from commcare_sandbox.hq import throttling
from commcare_sandbox.hq.context import HQ
from commcare_sandbox.hq.credentials import Credentials
from commcare_sandbox.hq.switches import HQSwitches
from commcare_sandbox.http_types import HTTPError, Request

REALM = "CommCareHQ"
_CUT_OFF = (
    "API access has been temporarily cut off due to too many requests.  "
    "To re-enable, please contact support."
)
_NO_PLAN = "Your current subscription does not have access to this feature"
FORBIDDEN = b"<!doctype html>\n<html><head><title>403 Forbidden</title></head></html>"
"""What views outside tastypie return to a member who lacks the permission."""
_MALFORMED = "Bad HTTP_AUTHORIZATION header. Expected 'ApiKey username:api_key'"


@dataclass(frozen=True)
class Access:
    """Access rules of a resource."""

    permission: str | None = "access_api"
    throttled: bool = True
    tastypie: bool = True
    needs_locations: bool = False
    sees_subset: bool = False
    """A location-restricted user gets a partial list instead of 403."""
    unauthorized_body: str = ""
    """Body of the 401 for wrong credentials; usually empty."""


def authenticate(request: Request, hq: HQ, access: Access) -> None:
    """Check the credentials of a request.

    Raises:
        HTTPError: 401 as HQ returns it, or 400 for a malformed header.
    """
    header = request.headers.get("authorization", "")
    scheme, _, rest = header.partition(" ")
    if not header and access.tastypie and request.get("api_key"):
        scheme, rest = "apikey", f"{request.get('username') or ''}:{request.get('api_key')}"
    if not _SCHEMES.get(scheme.lower(), _challenge)(rest.strip(), request, hq.credentials):
        raise _unauthorized(access)
    one_time = request.headers.get("x-commcarehq-otp") or request.get("otp")
    if scheme.lower() in ("basic", "digest") and hq.switches.two_factor and not one_time:
        raise HTTPError(401, {"error": "must send X-CommcareHQ-OTP header or 'otp' URL parameter"})


def _unauthorized(access: Access) -> HTTPError:
    error = HTTPError(401, access.unauthorized_body.encode())
    if access.unauthorized_body:
        error.response.content_type = "text/plain; charset=utf-8"
    return error


def check_permission(request: Request, hq: HQ, access: Access) -> None:
    """Check the permission to use a resource of a domain.

    Raises:
        HTTPError: 401 or 403, as HQ returns it.
    """
    switches = hq.switches
    if request.path_params["domain"] not in hq.domains:
        raise HTTPError(403)
    if switches.expired_subscription:
        raise HTTPError(401, {"error": _NO_PLAN})
    if switches.cut_off:
        raise HTTPError(401, {"error": _CUT_OFF})
    forbidden = HTTPError(403, b"" if access.tastypie else FORBIDDEN)
    missing = {each.strip() for each in switches.missing_permission.split(",")}
    needed = {access.permission, "access_api"}
    if needed & missing or (access.needs_locations and switches.no_locations):
        raise forbidden
    if switches.location_restricted and not access.sees_subset:
        raise forbidden


def check_rate_limit(request: Request, hq: HQ, access: Access) -> None:
    """Check the rate limit of the domain.

    Raises:
        HTTPError: 429 with an empty body.
    """
    if not access.throttled:
        return
    domain = request.path_params["domain"]
    seconds = hq.throttle.wait(domain, hq.switches)
    if seconds > 0:
        raise too_many(hq.switches, seconds, tastypie=access.tastypie)
    if not access.tastypie:
        hq.throttle.count(domain, hq.switches)


def count(request: Request, hq: HQ, access: Access) -> None:
    """Count a successful request. Views outside tastypie are counted before they run."""
    if access.throttled and access.tastypie:
        hq.throttle.count(request.path_params["domain"], hq.switches)


def too_many(switches: HQSwitches, seconds: float, *, tastypie: bool) -> HTTPError:
    """Return a 429 with the configured Retry-After."""
    error = HTTPError(429)
    error.response.headers |= throttling.retry_after(switches, seconds, tastypie=tastypie)
    return error


def _api_key(rest: str, _call: Request, credentials: Credentials) -> bool:
    username, colon, api_key = rest.partition(":")
    if not colon:
        raise HTTPError(400, _MALFORMED.encode())
    return credentials.accepts_key(username, api_key)


def _basic(rest: str, _call: Request, credentials: Credentials) -> bool:
    try:
        username, colon, password = base64.b64decode(rest).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise HTTPError(400, b"Bad HTTP_AUTHORIZATION header") from None
    if not colon:
        raise HTTPError(400, b"Bad HTTP_AUTHORIZATION header")
    return credentials.accepts_password(username, password)


def _bearer(rest: str, _call: Request, credentials: Credentials) -> bool:
    return credentials.accepts_token(rest)


def _challenge(_rest: str, _call: Request, credentials: Credentials) -> bool:
    fields = f'realm="{REALM}", nonce="{_nonce(credentials)}", algorithm="MD5", qop="auth"'
    raise HTTPError(401, b"", WWW_Authenticate=f"Digest {fields}")


def _nonce(credentials: Credentials) -> str:
    return _md5(credentials.account.client_secret)


def _digest(rest: str, request: Request, credentials: Credentials) -> bool:
    try:
        given = parse_keqv_list(parse_http_list(rest))
        username, nonce, uri = given["username"], given["nonce"], given["uri"]
        response = given["response"]
    except (KeyError, ValueError, IndexError):
        raise HTTPError(400, b"Bad HTTP_AUTHORIZATION header") from None
    account = credentials.account
    if username.lower() != account.username or nonce != _nonce(credentials):
        return _challenge(rest, request, credentials)
    secret = _md5(f"{username}:{REALM}:{account.password}")
    requested = _md5(f"{request.method}:{uri}")
    middle = nonce
    if "qop" in given:
        middle = f"{nonce}:{given.get('nc')}:{given.get('cnonce')}:{given['qop']}"
    return _md5(f"{secret}:{middle}:{requested}") == response


def _md5(text: str) -> str:
    return md5(text.encode()).hexdigest()  # noqa: S324 - HTTP Digest is defined with MD5


_SCHEMES = {"apikey": _api_key, "basic": _basic, "bearer": _bearer, "digest": _digest}
