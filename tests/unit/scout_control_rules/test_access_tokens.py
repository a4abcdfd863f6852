"""Tokens: their form, what is stored of them, and when they end."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.errors import SettingsError
from scout_control.rules import access_tokens

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_token_keeps_all_256_bits_and_is_safe_in_headers_and_urls(one, other):
    token = access_tokens.compose(one)

    assert access_tokens.FORM.fullmatch(token)
    assert (token == access_tokens.compose(other)) == (one == other)
    assert access_tokens.digest(token) == hashlib.sha256(token.encode()).digest()


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "is_active", "expected"),
    [
        (None, None, True, "valid"),
        (LATER, None, True, "valid"),
        (NOW, None, True, "expired"),
        (EARLIER, None, True, "expired"),
        (LATER, EARLIER, True, "revoked"),
        (EARLIER, EARLIER, True, "revoked"),
        (LATER, None, False, "inactive"),
    ],
)
def test_the_status_says_why_a_token_is_not_accepted(expires_at, revoked_at, is_active, expected):
    assert access_tokens.status(expires_at, revoked_at, NOW, is_active=is_active) == expected


@pytest.mark.parametrize(
    ("period", "hours"),
    [("24h", 24), ("90d", 2160), (" 8W ", 1344), ("never", math.inf), ("NEVER", math.inf)],
)
def test_an_expiry_is_a_period_from_now(period, hours):
    expected = None if hours == math.inf else NOW + timedelta(hours=hours)

    assert access_tokens.expires_at(period, NOW) == expected


@pytest.mark.parametrize("period", ["", "forever", "0d", "-1d", "90", "1y", "9999999w", "1e3h"])
def test_an_expiry_of_another_form_is_refused_with_the_form(period):
    with pytest.raises(SettingsError, match="24h, 90d, 8w or never"):
        access_tokens.expires_at(period, NOW)
