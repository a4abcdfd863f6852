"""Renewing a token: when another one is requested."""

from __future__ import annotations

import itertools

import pytest
from tap_common.auth import RefreshTokenAuth, TokenResponse
from tap_common.errors import CredentialRefusedError


def login() -> tuple[RefreshTokenAuth, list[str]]:
    numbers = itertools.count(1)
    spent: list[str] = []

    def exchange(refresh_token: str) -> TokenResponse:
        spent.append(refresh_token)
        number = next(numbers)
        return TokenResponse(
            access_token=f"a{number}", refresh_token=f"r{number}", expires_in=900.0
        )

    return RefreshTokenAuth("r0", exchange, None), spent


def test_new_tokens_that_never_work_are_not_requested_again_and_again():
    oauth, spent = login()

    first = oauth.header()
    assert oauth.renew(first)
    assert not oauth.renew(oauth.header())
    assert not oauth.renew(oauth.header())

    assert spent == ["r0", "r1"]


def test_a_token_that_worked_is_renewed_each_time_it_expires():
    oauth, spent = login()

    for _ in range(4):
        header = oauth.header()
        oauth.mark_accepted(header)
        assert oauth.renew(header)

    assert len(spent) == 5


def test_many_refused_with_one_token_need_one_refresh():
    oauth, spent = login()
    header = oauth.header()
    oauth.mark_accepted(header)

    assert all(oauth.renew(header) for _ in range(4))

    assert len(spent) == 2


def test_a_refused_refresh_token_is_sent_once():
    asked: list[str] = []

    def refuse(refresh_token: str) -> TokenResponse:
        asked.append(refresh_token)
        raise CredentialRefusedError("It is dead.")

    oauth = RefreshTokenAuth("r0", refuse, None)
    for _ in range(3):
        with pytest.raises(CredentialRefusedError):
            oauth.header()

    assert asked == ["r0"]
