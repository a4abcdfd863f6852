"""The token endpoint of an OAuth server, which exchanges refresh tokens.

This module does not know where tokens are stored.
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

DECODE = JsonDecoder(TokenResponse, "an access_token")


def token_exchange(
    url: str,
    client: Mapping[str, str],
    limits: RequestLimits,
    session: requests.Session,
    stop: threading.Event,
) -> Callable[[str], TokenResponse]:
    """Return a function that exchanges a refresh token.

    Args:
        url: The token endpoint.
        client: ``client_id`` and, unless the client is public, ``client_secret``.
        limits: How long to retry.
        session: Sends the requests.
        stop: Ends waiting.
    """
    endpoint = ApiClient(url, StaticAuth(""), limits, _to_error, session, stop)

    def exchange(refresh_token: str) -> TokenResponse:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **client}
        return endpoint.post_form(url, form, DECODE)

    return exchange


def _to_error(response: ErrorResponse) -> ApiError:
    host = urlsplit(response.url).hostname or "The server"
    if response.text == "invalid_client" or response.status == 401:
        return CredentialRefusedError(
            f"{host} refused client_id and client_secret.",
            "Check both; the OAuth application may have to be registered again.",
        )
    if response.status == 400:
        return refresh_token_refused(host)
    return UnavailableError(
        f"{response.location} did not refresh the access token (HTTP {response.status}).",
        "Check base_url, or run again later.",
    )
