"""The token endpoint of an OAuth server: spends refresh tokens.

It must not know where tokens are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import requests

from tap_common.auth import StaticAuth, TokenResponse, refresh_token_refused
from tap_common.client import ApiClient, ErrorResponse
from tap_common.errors import ApiError, CredentialRefusedError, UnavailableError
from tap_common.json_decoder import JsonDecoder
from tap_common.throttling import RequestLimits

READ = JsonDecoder(TokenResponse, "an access_token")


def token_exchange(
    url: str,
    client: Mapping[str, str],
    limits: RequestLimits,
    session: requests.Session,
    stop: threading.Event,
) -> Callable[[str], TokenResponse]:
    """Return a function that spends a refresh token.

    Args:
        url: The token endpoint.
        client: ``client_id`` and, unless the client is public, ``client_secret``.
        limits: How long to try.
        session: The session to send with.
        stop: Ends waiting.
    """
    api = ApiClient(url, StaticAuth(""), limits, _explain, session, stop)

    def exchange(refresh_token: str) -> TokenResponse:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **client}
        return api.post_form(url, form, READ)

    return exchange


def _explain(refusal: ErrorResponse) -> ApiError:
    host = urlsplit(refusal.url).hostname or "The server"
    if refusal.error == "invalid_client" or refusal.status == 401:
        return CredentialRefusedError(
            f"{host} refused client_id and client_secret.",
            "Check both; a person may have to register the client again.",
        )
    if refusal.status == 400:
        return refresh_token_refused(host)
    return UnavailableError(
        f"{refusal.where} did not refresh the access token (HTTP {refusal.status}).",
        "Check base_url; run again later.",
    )
