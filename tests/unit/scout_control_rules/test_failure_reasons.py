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


@pytest.mark.parametrize(
    "message",
    [
        "401 Client Error: Unauthorized for url: https://x",
        "HTTPStatusError: Client error '401 Unauthorized' for url 'https://x'",
        "Request to /users failed: 401",
        "Request to /users failed (401)",
        "statusCode: 401",
        "status_code=401",
        'ApiError: {"code": 401, "message": "no"}',
        'ApiError: {"error": "unauthorized"}',
        "HTTP/1.1 401 Unauthorized",
        "server returned 401 for /me",
        "got 401 status",
        "Bad credentials",
        "Invalid username or password",
        "Invalid username/password combination",
        "wrong user name or password",
        "Login failed for user",
        "log-in incorrect",
        "Failed to authenticate with the API",
        "could not log in",
        "Authentication required",
        "AuthenticationError: no",
        "google.auth: UNAUTHENTICATED",
        "Authentication credentials were not provided.",
        "Could not validate credentials",
        "not authenticated",
        "invalid_client",
        "invalid_token",
        "token_expired",
        "Session has expired, please log in",
        "jwt expired",
        "Signature has expired",
        "The api key is revoked",
        "API-Key invalid",
        "expired access token",
        "Your credentials were rejected",
        'FATAL: password authentication failed for user "x"',
    ],
)
def test_a_refused_credential_is_recognised_in_the_words_of_many_programs(message):
    assert failure_reasons.of(message) is errors.CredentialRefusedError


@pytest.mark.parametrize(
    "message",
    [
        "403 Client Error: Forbidden for url: https://x",
        "error 403: Access denied",
        "error 403 Access denied",
        "AccessDenied: when calling ListObjects",
        "insufficient_scope",
        "The user does not have permission to view this",
        "You have no permission for this report",
        "The account does not have access to this project",
        "You are not authorized to view this",
        "PERMISSION_DENIED",
    ],
)
def test_a_missing_permission_is_recognised_in_the_words_of_many_programs(message):
    assert failure_reasons.of(message) is errors.PermissionDeniedError


@pytest.mark.parametrize(
    "message",
    [
        "returned 401 objects",
        "got 403 visits and stopped",
        "error 401 records in",
        "answered 401 times",
        "Row (401): value too long",
        "value too long at index [401]",
        "record #403 is not valid",
        "line 401, column 3: unexpected end",
        "page 503 is empty",
        "id=401 has no date",
        "postal code 401 is unknown",
        "Skipped things (401)",
        "401 rows, 403 objects",
        "KeyError: 'forbidden'",
        "KeyError: 'unauthorized'",
        'column "unauthorized" does not exist',
        "Unknown field 'access denied'",
        "column unauthorized is not in the schema",
        "column forbidden_since is null",
        "stream 'unauthorized' has no key",
        "unauthorized_users: no primary key",
        "is_forbidden is not a boolean",
        "SyntaxError: Invalid token at line 3",
        "JSONDecodeError: invalid token in JSON",
        "invalid login date in record 7",
        "invalid password hash format",
        "value is not allowed to be null",
        "name is not permitted to be empty",
        "invalid token_count",
        "unexpected token < in JSON",
    ],
)
def test_numbers_and_names_tell_nothing_of_a_failure(message):
    assert failure_reasons.of(message) is None
