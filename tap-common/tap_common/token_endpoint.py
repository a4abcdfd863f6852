"""The token endpoint of an OAuth server: spends refresh tokens.

It must not know where tokens are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import requests

from tap_common.auth import FixedLogin, TokenAnswer, refused_grant
from tap_common.client import Api, Refusal
from tap_common.errors import ApiError, LoginRefusedError, UnavailableError
from tap_common.json_decoder import Body
from tap_common.throttling import Limits

READ = Body(TokenAnswer, "an access_token")


def exchange_at(
    url: str,
    client: Mapping[str, str],
    limits: Limits,
    session: requests.Session,
    stop: threading.Event,
) -> Callable[[str], TokenAnswer]:
    """Return a function that spends a refresh token.

    Args:
        url: The token endpoint.
        client: ``client_id`` and, unless the client is public, ``client_secret``.
        limits: How long to try.
        session: The session to send with.
        stop: Ends waiting.
    """
    api = Api(url, FixedLogin(""), limits, _explain, session, stop)

    def exchange(refresh_token: str) -> TokenAnswer:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **client}
        return api.post_form(url, form, READ)

    return exchange


def _explain(refusal: Refusal) -> ApiError:
    host = urlsplit(refusal.url).hostname or "The server"
    if refusal.error == "invalid_client" or refusal.status == 401:
        return LoginRefusedError(
            f"{host} refused client_id and client_secret.",
            "Check both; a person may have to register the client again.",
        )
    if refusal.status == 400:
        return refused_grant(host)
    return UnavailableError(
        f"{refusal.where} did not refresh the access token (HTTP {refusal.status}).",
        "Check base_url; run again later.",
    )
