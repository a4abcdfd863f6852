"""What is particular to HQ: links between pages, and whose fault an error response is."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_commcare import client
from tap_common.client import ErrorResponse
from tap_common.errors import (
    ApiDisabledError,
    ApiError,
    CredentialRefusedError,
    FailureScope,
    ForbiddenError,
    NotFoundError,
    RequestRejectedError,
    UnexpectedResponseError,
)

URL = "https://hq.example.org/a/river/api/user/v1/?cursor=s3cret"


def error(status: int, text: str = "", url: str = URL) -> ApiError:
    return client.to_error(ErrorResponse(status=status, url=url, domain="river", text=text))


RESPONSES: list[tuple[int, str, type[ApiError], int, str]] = [
    (401, "", CredentialRefusedError, 77, "refused the credential for river"),
    (401, "User is Not Authorized", ForbiddenError, 1, "Check the spelling of the setting domain"),
    (401, "Your subscription lacks this", ApiDisabledError, 1, "The plan of river"),
    (403, "Your SUBSCRIPTION lacks this", ApiDisabledError, 1, "The plan of river"),
    (401, "API access was cut off", ApiDisabledError, 1, "after too many requests"),
    (403, "", ForbiddenError, 1, "Access APIs"),
    (404, "subscription", NotFoundError, 1, "does not exist (HTTP 404)"),
    (410, "", NotFoundError, 1, "does not exist (HTTP 410)"),
    (301, "", NotFoundError, 1, "redirects (HTTP 301)"),
    (308, "", NotFoundError, 1, "Set base_url to the address of the server itself"),
    (400, "", RequestRejectedError, 1, "rejected the request (HTTP 400)"),
    (406, "", RequestRejectedError, 1, "rejected the request (HTTP 406)"),
]


@pytest.mark.parametrize(
    ("status", "text", "kind", "code", "message"),
    RESPONSES,
    ids=[f"{status} {text}" for status, text, *_ in RESPONSES],
)
def test_an_error_response_says_who_can_mend_it(status, text, kind, code, message):
    found = error(status, text)

    assert (type(found), found.exit_code) == (kind, code)
    assert message in str(found)
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("status", [401, 403])
def test_a_disabled_api_ends_the_domain_and_a_missing_permission_one_stream(status):
    assert error(status, "subscription").scope is FailureScope.DOMAIN
    assert error(403).scope is FailureScope.STREAM
    assert error(401, "not authorized").scope is FailureScope.STREAM


def test_only_a_server_without_case_v2_is_told_of_v1():
    assert "case_api" in str(error(404, url="https://hq.example.org/a/river/api/case/v2/?x=1"))
    assert "case_api" not in str(error(404))


HERE = "/prefix/a/river/api/user/v1/?limit=2"
NEXT = "/prefix/a/river/api/user/v1/?limit=2&offset=2"


@pytest.mark.parametrize(
    "link",
    [
        "?limit=2&offset=2",
        "/a/river/api/user/v1/?limit=2&offset=2",
        "/a/river/api/v0.5/user/?limit=2&offset=2",
        "https://hq.example.org/a/river/api/user/v1/?limit=2&offset=2",
        "https://evil.example/a/river/api/user/v1/?limit=2&offset=2",
        "http://hq.internal:8000/x/a/river/api/user/v0.5/?limit=2&offset=2#here",
    ],
    ids=["query", "path", "old path", "address", "another host", "behind a proxy"],
)
def test_only_the_query_of_a_link_is_followed(link):
    assert client.next_path(link, HERE) == NEXT


@pytest.mark.parametrize("link", [None, ""])
def test_no_link_is_the_end(link):
    assert client.next_path(link, HERE) is None


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("?limit=2", "is itself"),
        (HERE, "is itself"),
        ("/a/river/api/group/v1/?offset=2", "is not a page of this list"),
        ("/a/river/api/user/v1/", "is not a page of this list"),
        ("file:///etc/passwd?x=1", "is not a page of this list"),
        ("https://[?x=1", "is not a link"),
        (5, "is not a link"),
        (["?offset=2"], "is not a link"),
        ({"cursor": 5}, "is not a link"),
        ({}, "is not a link"),
        (True, "is not a link"),
    ],
    ids=str,
)
def test_a_link_that_leads_nowhere_or_away_is_not_the_end(link, text):
    with pytest.raises(UnexpectedResponseError, match=text):
        client.next_path(link, HERE)


@given(cursor=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_cursor_comes_back_as_it_was_sent(cursor):
    following = client.next_path({"cursor": cursor}, "/a/river/api/case/v2/?limit=2")

    assert following is not None
    assert parse_qs(urlsplit(following).query, keep_blank_values=True) == {"cursor": [cursor]}


@given(domain=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_domain_never_leads_to_another_path(domain):
    path = client.path(domain, "user/v1")

    assert path.startswith("/a/")
    assert path.endswith("/api/user/v1/")
    assert path.count("/") == 6
    assert not set(path) & set("?#\\ ")


@pytest.mark.parametrize(
    ("address", "is_stored"),
    [
        (NEXT, True),
        ("/prefix/a/river/api/user/v1/?", True),
        ("/prefix/a/other/api/user/v1/?offset=2", False),
        ("/prefix/a/river/api/user/v1/../../other?x=1", False),
        ("https://evil.example/prefix/a/river/api/user/v1/?offset=2", False),
        ("", False),
        (None, False),
        (5, False),
        (["x"], False),
    ],
    ids=str,
)
def test_a_page_in_the_state_is_followed_only_within_its_list(address, is_stored):
    if is_stored:
        assert client.stored_page(address, HERE) == address
        return
    with pytest.raises(UnexpectedResponseError, match="belongs to another list"):
        client.stored_page(address, HERE)


@pytest.mark.parametrize("found", [None, "river"], ids=str)
def test_rows_that_name_this_domain_or_none_are_taken(found):
    client.check_domain(found, "river")


@pytest.mark.parametrize("found", ["lake", "", "River", 5, ["river"]], ids=str)
def test_rows_of_another_domain_are_refused(found):
    with pytest.raises(UnexpectedResponseError, match="another project space than river"):
        client.check_domain(found, "river")
