"""How long a sign-in lasts, and the tokens of forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from scout_control.rules import sessions

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECRET, OTHER = "a" * 43, "b" * 43


@pytest.mark.parametrize(
    ("used_before", "ends_in", "is_alive"),
    [
        (timedelta(0), timedelta(hours=1), True),
        (sessions.IDLE - timedelta(seconds=1), timedelta(hours=1), True),
        (sessions.IDLE, timedelta(hours=1), False),
        (timedelta(0), timedelta(0), False),
        (timedelta(0), -timedelta(seconds=1), False),
    ],
)
def test_a_session_ends_when_it_is_idle_and_after_a_time_in_any_case(
    used_before, ends_in, is_alive
):
    assert sessions.is_alive(NOW - used_before, NOW + ends_in, NOW) is is_alive


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, NOW + sessions.LONGEST),
        (NOW + timedelta(minutes=5), NOW + timedelta(minutes=5)),
        (NOW + timedelta(days=90), NOW + sessions.LONGEST),
    ],
)
def test_a_session_ends_no_later_than_the_token_that_began_it(limit, expected):
    assert sessions.ends_at(NOW, limit) == expected


def test_the_token_of_a_form_is_that_of_one_browser_and_does_not_reveal_the_cookie():
    token = sessions.form_token(SECRET)

    assert sessions.is_form_token(SECRET, token)
    assert not sessions.is_form_token(OTHER, token)
    assert SECRET not in token
    assert len(token) == 43


@pytest.mark.parametrize("sent", ["", "x", "é", "\ud800", SECRET])
def test_no_other_text_is_the_token_of_a_form(sent):
    assert not sessions.is_form_token(SECRET, sent)


def test_any_text_has_a_hash_since_a_cookie_may_hold_any():
    assert len({sessions.digest(each) for each in ("", "a", "\ud800", "é")}) == 4
