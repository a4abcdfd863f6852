"""What a message says about the kind of failure."""

from __future__ import annotations

import pytest
from scout_control.rules import failure_reasons

from scout_control import errors


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("127.0.0.1 /api/ could not be read: no connection, 4 tries.", errors.NetworkError),
        ("127.0.0.1 /api/ could not be read: no response in time, 4 tries.", errors.NetworkError),
        ("ConnectionRefusedError: [Errno 111] Connection refused", errors.NetworkError),
        ("socket.gaierror: [Errno -2] Name or service not known", errors.NetworkError),
        ("dial tcp: lookup api.example.org: no such host", errors.NetworkError),
        ("Error: connect ECONNREFUSED 127.0.0.1:9", errors.NetworkError),
        ("requests.exceptions.ReadTimeout: Read timed out.", errors.NetworkError),
        ("ssl.SSLError: certificate verify failed", errors.NetworkError),
        ("503 Server Error: Service Unavailable for url: x", errors.NetworkError),
        ("Postgres at db does not answer, or refuses the login.", errors.NetworkError),
        ("403 Client Error: Forbidden for url: https://x", errors.PermissionDeniedError),
        ("The account may not read hq /a/x/api (HTTP 401).", errors.PermissionDeniedError),
        ("User lacks permission for this report", errors.PermissionDeniedError),
        ("401 Client Error: Unauthorized for url: https://x", errors.CredentialRefusedError),
        ("Invalid API key", errors.CredentialRefusedError),
        ("invalid_grant: token was revoked", errors.CredentialRefusedError),
        ("The access token has expired", errors.CredentialRefusedError),
        ("Config validation failed: 'x' is a required property", errors.SettingsError),
        ("Missing required key: token", errors.SettingsError),
        ("ModuleNotFoundError: No module named 'x'", errors.SettingsError),
        ("Another run holds the dataset schema data_x.", errors.ConflictError),
        ("ValueError: bad value", None),
        ("exit after 401000 rows", None),
        ("", None),
    ],
)
def test_the_kind_of_a_failure_is_recognised(message, kind):
    assert failure_reasons.of(message) is kind


@pytest.mark.parametrize(
    "message",
    [
        "Stopped after 401 records.",
        "things failed (403 records)",
        "Row 401: value too long",
        "503 rows were read before the error",
        "error 401 records in",
    ],
)
def test_a_number_that_counts_records_is_no_status(message):
    assert failure_reasons.of(message) is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("401 Client Error: Unauthorized for url", "CredentialRefusedError"),
        ("HTTP 401", "CredentialRefusedError"),
        ("request failed with status code: 401", "CredentialRefusedError"),
        ("HTTPError: 403 Client Error", "PermissionDeniedError"),
        ("the API answered with 403", "PermissionDeniedError"),
        ("Response [403]", "PermissionDeniedError"),
        ("503 Server Error", "NetworkError"),
        ("status=502", "NetworkError"),
    ],
)
def test_an_http_status_is_recognised_beside_a_word_for_it(message, kind):
    assert failure_reasons.of(message).__name__ == kind
