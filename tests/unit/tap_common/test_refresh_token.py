"""Rotating refresh tokens: each works once, so none may be lost, spent twice or stored half."""

from __future__ import annotations

import itertools
import json
import logging
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_common.auth import RefreshTokenAuth, TokenResponse, api_key_auth, basic_auth, bearer_auth
from tap_common.client import ErrorResponse
from tap_common.credential_file import CredentialFile, StoredToken, digest
from tap_common.errors import CredentialRefusedError, SettingsError, UnavailableError
from tap_common.token_endpoint import _to_error

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


class TokenServer:
    """A server that rotates: a refresh token works once, and its successor from then on."""

    def __init__(self, first: str = "r0", expires_in: float | None = 900.0) -> None:
        self.valid, self.expires_in = first, expires_in
        self.spent: list[str] = []
        self._numbers = itertools.count(1)

    def __call__(self, refresh_token: str) -> TokenResponse:
        self.spent.append(refresh_token)
        if refresh_token != self.valid:
            raise CredentialRefusedError("The refresh token is dead.")
        number = next(self._numbers)
        self.valid = f"r{number}"
        return TokenResponse(
            access_token=f"a{number}", refresh_token=self.valid, expires_in=self.expires_in
        )


@pytest.fixture
def file(tmp_path: Path) -> CredentialFile:
    return CredentialFile(tmp_path / "token.json")


def content(file: CredentialFile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.path.read_bytes())
    return found


def expire(file: CredentialFile) -> None:
    """Let the access token in the file be too old."""
    file.path.write_text(json.dumps(content(file) | {"expires_at": time.time() - 1}))


def test_a_run_after_another_continues_with_the_token_that_it_left(file):
    server = TokenServer()
    first = RefreshTokenAuth("r0", server, file).header()
    second = RefreshTokenAuth("r0", server, file).header()

    assert (first, second) == ("Bearer a1", "Bearer a1")
    assert server.spent == ["r0"]


@pytest.mark.parametrize("runs", [2, 5])
def test_no_token_is_spent_twice_by_runs_that_follow_each_other(file, runs):
    server = TokenServer()
    for _ in range(runs):
        RefreshTokenAuth("r0", server, file).header()
        expire(file)

    assert server.spent == [f"r{number}" for number in range(runs)]


def test_two_processes_that_share_a_file_spend_one_token(file):
    server = TokenServer()
    one, other = RefreshTokenAuth("r0", server, file), RefreshTokenAuth("r0", server, file)

    assert one.header() == other.header() == "Bearer a1"
    assert one.renew("Bearer a1")
    assert other.renew("Bearer a1")
    assert one.header() == other.header() == "Bearer a2"
    assert server.spent == ["r0", "r1"]


def test_an_expired_token_that_another_process_left_is_exchanged_and_not_used(file):
    server = TokenServer()
    auth = RefreshTokenAuth("r0", server, file)
    auth.renew(auth.header())
    stored = content(file) | {"access_token": "of another", "expires_at": time.time() - 1}
    file.path.write_text(json.dumps(stored))
    auth.mark_accepted("Bearer a2")

    assert auth.renew("Bearer a2")
    assert auth.header() == "Bearer a3"


def test_a_token_in_the_settings_that_is_new_replaces_the_file(file):
    RefreshTokenAuth("r0", TokenServer(), file).header()
    server = TokenServer("fresh")

    assert RefreshTokenAuth("fresh", server, file).header() == "Bearer a1"
    assert server.spent == ["fresh"]
    assert content(file)["origin"] == digest("fresh")


def test_a_file_that_says_no_origin_belongs_to_any_token(file):
    file.path.write_text('{"refresh_token":"r0"}')
    server = TokenServer()

    assert RefreshTokenAuth("of the settings", server, file).header() == "Bearer a1"


@pytest.mark.parametrize(
    ("expires_in", "is_stored_until"),
    [(900.0, 840), (60.0, 48), (None, None), (0.0, 0)],
    ids=["long", "short", "never", "at once"],
)
def test_an_access_token_is_renewed_a_little_before_it_expires(file, expires_in, is_stored_until):
    before = time.time()
    RefreshTokenAuth("r0", TokenServer(expires_in=expires_in), file).header()
    after = time.time()
    stored = content(file).get("expires_at")

    if is_stored_until is None:
        assert stored is None
    else:
        assert before + is_stored_until <= stored <= after + is_stored_until


def test_a_token_that_expires_at_once_is_renewed_for_each_request(file):
    server = TokenServer(expires_in=0.0)
    auth = RefreshTokenAuth("r0", server, file)

    assert [auth.header() for _ in range(3)] == ["Bearer a1", "Bearer a2", "Bearer a3"]


def test_the_file_can_be_read_by_its_owner_only_whatever_was_there(file):
    file.path.write_text("")
    file.path.chmod(0o666)
    RefreshTokenAuth("r0", TokenServer(), file).header()

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert sorted(path.name for path in file.path.parent.iterdir()) == [
        "token.json",
        "token.json.lock",
    ]


def test_a_refusal_leaves_the_file_and_no_draft(file):
    RefreshTokenAuth("r0", TokenServer(), file).header()
    expire(file)
    before = file.path.read_bytes()
    with pytest.raises(CredentialRefusedError):
        RefreshTokenAuth("r0", TokenServer("another"), file).header()

    assert file.path.read_bytes() == before
    assert not list(file.path.parent.glob(".*draft"))


def test_no_token_is_spent_if_the_new_one_could_not_be_stored(tmp_path):
    server = TokenServer()
    file = CredentialFile(tmp_path / "missing" / "token.json")
    with pytest.raises(SettingsError, match="credential_file cannot be written: No such file"):
        RefreshTokenAuth("r0", server, file).header()

    assert server.spent == []


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"refresh_token":5}', "no JSON", '"\ud800"', "[" * 100_000, '{"refresh_token"'],
    ids=["list", "empty", "number", "text", "surrogate", "deep", "cut off"],
)
def test_a_file_of_another_program_is_refused_and_not_overwritten(file, text):
    written = text.encode("utf-8", "surrogatepass")
    file.path.write_bytes(written)
    with pytest.raises(SettingsError, match="did not write"):
        RefreshTokenAuth("r0", TokenServer(), file)

    assert file.path.read_bytes() == written


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_file_is_none(file, text):
    assert file.read() is None
    file.path.write_text(text)
    assert file.read() is None


def test_a_folder_in_place_of_the_file_is_an_invalid_setting(file):
    file.path.mkdir()
    with pytest.raises(SettingsError, match="credential_file cannot be read: Is a directory"):
        file.read()


@settings(max_examples=30)
@given(token=UNICODE, access=st.none() | UNICODE, expires=st.none() | st.floats(0, 2e9))
def test_what_is_stored_is_read_back(tmp_path_factory, token, access, expires):
    file = CredentialFile(tmp_path_factory.mktemp("credentials") / "token")
    stored = StoredToken(
        refresh_token=token, access_token=access, expires_at=expires, origin=digest(token)
    )
    file.write(file.prepare(), stored)

    assert file.read() == stored
    assert digest(token) != digest(token + "x")


@pytest.mark.parametrize(
    ("answer", "is_lost"),
    [("r1", True), ("r0", False), (None, False), ("", False)],
    ids=["rotated", "the same", "missing", "empty"],
)
def test_a_rotated_token_without_a_file_is_reported_as_lost(caplog, answer, is_lost):
    auth = RefreshTokenAuth(
        "r0", lambda _: TokenResponse(access_token="a", refresh_token=answer), None
    )
    auth.header()
    caplog.clear()
    auth.warn_if_lost()

    assert ("is lost now" in caplog.text) is is_lost


def test_a_token_that_could_not_be_stored_after_all_is_still_used_and_reported(file, caplog):
    class Full(CredentialFile):
        def write(self, draft: int, token: StoredToken) -> None:
            del token
            self.discard(draft)
            raise OSError(28, "No space left on device")

    auth = RefreshTokenAuth("r0", TokenServer(), Full(file.path))

    assert auth.header() == "Bearer a1"
    assert "credential_file could not be written: No space left on device" in caplog.text
    auth.warn_if_lost()
    assert "is lost now" in caplog.text


def test_nothing_that_is_logged_shows_a_token(file, caplog):
    caplog.set_level(logging.DEBUG)
    auth = RefreshTokenAuth("s3cret-r0", TokenServer("s3cret-r0"), file)
    auth.renew(auth.header())
    auth.warn_if_lost()
    RefreshTokenAuth("s3cret-r0", TokenServer("s3cret-r0"), None)

    assert "refresh token rotated: True" in caplog.text
    assert not any(token in caplog.text for token in ("s3cret", "Bearer", "a1", "r1"))


@pytest.mark.parametrize(
    ("make", "header"),
    [
        (lambda: api_key_auth(" Amina@Example.ORG ", " k3y\n"), "ApiKey amina@example.org:k3y"),
        (lambda: basic_auth(" amina ", " pa:ss "), "Basic YW1pbmE6IHBhOnNzIA=="),
        (lambda: basic_auth("é", "🌊"), "Basic w6k68J+Mig=="),
        (lambda: bearer_auth("\ttoken "), "Bearer token"),
    ],
    ids=["API key", "password with spaces", "unicode", "bearer"],
)
def test_a_static_header_is_what_the_server_expects(make, header):
    auth = make()

    assert auth.header() == header
    assert not auth.renew(header)  # there is no other one
    auth.mark_accepted(header)
    auth.warn_if_lost()


REFUSALS: list[tuple[int, str, type[Exception], str]] = [
    (401, "", CredentialRefusedError, "refused client_id and client_secret"),
    (400, "invalid_client", CredentialRefusedError, "refused client_id and client_secret"),
    (400, "invalid_grant", CredentialRefusedError, "no longer accepts the refresh token"),
    (403, "", UnavailableError, "did not refresh the access token (HTTP 403)"),
    (500, "invalid_grant", UnavailableError, "did not refresh the access token (HTTP 500)"),
]


@pytest.mark.parametrize(
    ("status", "text", "kind", "message"), REFUSALS, ids=[f"{r[0]} {r[1]}" for r in REFUSALS]
)
def test_a_refusal_of_the_token_endpoint_says_whose_credential_it_is(status, text, kind, message):
    refused = _to_error(
        ErrorResponse(
            status=status, url="https://hq.example.org/oauth/token/", domain="", text=text
        )
    )

    assert type(refused) is kind
    assert message in str(refused)
    assert "hq.example.org" in str(refused)


def exit_code(make: Callable[[], Any]) -> int:
    with pytest.raises(CredentialRefusedError) as caught:
        make()
    return caught.value.exit_code


def test_a_dead_token_ends_with_the_code_that_asks_to_reconnect(file):
    auth = RefreshTokenAuth("dead", TokenServer(), file)

    assert exit_code(auth.header) == 77
    assert exit_code(auth.header) == 77
