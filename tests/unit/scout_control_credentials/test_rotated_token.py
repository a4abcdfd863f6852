"""What counts as a token in the file of a tap, and when it replaces the stored one."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.credentials import records
from scout_control.credentials.rotated_token import ORIGIN, RotatedToken, digest

PARENT, CHILD = "given to the run", "renewed by the tap"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=8,
)


def written(**fields) -> bytes:
    return json.dumps({"refresh_token": CHILD, **fields}).encode()


def test_a_complete_file_is_read_as_it_is():
    file = written(access_token="a", expires_at=1_900_000_000.5, origin="digest")

    assert RotatedToken.parse(file) == RotatedToken(
        refresh_token=CHILD,
        access_token="a",
        expires_at=datetime(2030, 3, 17, 17, 46, 40, 500_000, tzinfo=UTC),
        origin="digest",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b"null",
        b'"refresh_token"',
        b'["refresh_token"]',
        b"{}",
        b'{"refresh_token": null}',
        b'{"refresh_token": ""}',
        b'{"refresh_token": 7}',
        b'{"refresh_token": ["a"]}',
        b'{"refresh_token": {"a": "b"}}',
    ],
    ids=[
        "empty",
        "not UTF-8",
        "cut short",
        "nested without end",
        "null",
        "a text",
        "a list",
        "no token",
        "a null token",
        "an empty token",
        "a number as token",
        "a list as token",
        "an object as token",
    ],
)
def test_a_file_without_a_token_changes_nothing(content):
    credential = records.RunCredential(credential_id=None, kind="oauth", fields={}, known=PARENT)

    assert RotatedToken.parse(content) is None
    # Without a store: it must not even be opened.
    assert records.store_rotated_token(None, None, credential, content) is False
    assert credential.known == PARENT


def test_the_token_that_the_store_holds_already_is_not_stored_again():
    credential = records.RunCredential(credential_id=None, kind="oauth", fields={}, known=CHILD)

    assert records.store_rotated_token(None, None, credential, written(origin="x")) is False


@pytest.mark.parametrize(
    "value",
    [None, "soon", [], {}, 1e300, -1e300, float("nan"), float("inf"), 10**400],
    ids=["null", "text", "list", "object", "far", "long ago", "NaN", "infinite", "400 digits"],
)
def test_an_expiry_that_is_no_time_is_unknown(value):
    token = RotatedToken.parse(written(expires_at=value))

    assert token is not None
    assert token.expires_at is None


@pytest.mark.parametrize("value", [5, ["a"], {"a": 1}, None, True])
def test_other_fields_of_the_wrong_type_are_ignored_and_the_token_is_kept(value):
    token = RotatedToken.parse(written(access_token=value, origin=value))

    assert (token.refresh_token, token.access_token, token.origin) == (CHILD, "", None)


def test_the_digest_is_that_of_the_taps():
    expected = hashlib.sha256(b"refresh token:" + PARENT.encode()).hexdigest()

    assert digest(PARENT) == expected
    assert digest("\ud800") != digest("\ud801")  # JSON may hold half a character


@pytest.mark.parametrize(
    ("origin", "stored", "descends"),
    [
        (digest(PARENT), {"refresh_token": PARENT}, True),
        (digest(PARENT), {"refresh_token": "second", ORIGIN: digest(PARENT)}, True),
        (digest(PARENT), {"refresh_token": "reconnected"}, False),
        (digest(PARENT), {"refresh_token": "reconnected", ORIGIN: digest("other")}, False),
        (digest(PARENT), {ORIGIN: digest(PARENT)}, False),
        (digest(PARENT), {"api_key": "now by API key"}, False),
        (None, {"refresh_token": PARENT}, False),
        (None, {"refresh_token": PARENT, ORIGIN: None}, False),
        (["list"], {"refresh_token": PARENT}, False),
        ({"a": 1}, {"refresh_token": PARENT}, False),
        ("", {"refresh_token": PARENT, ORIGIN: None}, False),
    ],
    ids=[
        "child of the stored token",
        "sibling of the stored token",
        "account was exchanged",
        "account was exchanged and renewed",
        "token was taken away",
        "other kind of credential",
        "no origin, fresh account",
        "no origin, renewed account",
        "origin is a list",
        "origin is an object",
        "origin is empty",
    ],
)
def test_only_a_token_of_the_stored_grant_replaces_it(origin, stored, descends):
    assert RotatedToken.parse(written(origin=origin)).descends_from(stored) is descends


@given(JSON, JSON, JSON, JSON)
def test_no_content_of_a_file_raises(refresh_token, access_token, expires_at, origin):
    document = {
        "refresh_token": refresh_token,
        "access_token": access_token,
        "expires_at": expires_at,
        "origin": origin,
    }
    token = RotatedToken.parse(json.dumps(document).encode())

    assert (token is not None) == (isinstance(refresh_token, str) and refresh_token != "")
    if token is not None:
        assert token.descends_from({"refresh_token": PARENT}) == (origin == digest(PARENT))


def test_tokens_are_not_in_the_representation():
    token = RotatedToken.parse(written(access_token="canary-2"))

    assert CHILD not in repr(token)
    assert "canary-2" not in repr(token)
