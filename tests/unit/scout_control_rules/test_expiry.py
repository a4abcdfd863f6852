"""Expiry of data, tokens and runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from scout_control.rules import expiry

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("was_asked_for", "had_data", "counts"),
    [(True, True, True), (True, False, True), (False, False, True), (False, True, False)],
)
def test_a_run_is_use_unless_it_only_refreshed_on_schedule(was_asked_for, had_data, counts):
    assert expiry.counts_as_use(was_asked_for=was_asked_for, had_data=had_data) is counts


def test_a_token_is_renewed_from_an_hour_before_it_expires():
    assert not expiry.needs_renewal(None, NOW)
    assert not expiry.needs_renewal(NOW + timedelta(minutes=61), NOW)
    assert expiry.needs_renewal(NOW + timedelta(minutes=60), NOW)
    assert expiry.needs_renewal(NOW - DAY, NOW)


def test_only_a_permanent_error_invalidates_a_credential():
    assert expiry.is_permanent("invalid_grant")
    assert expiry.is_permanent("invalid_client")
    assert not expiry.is_permanent("temporarily_unavailable")
    assert not expiry.is_permanent(None)


def test_a_run_is_dead_after_two_minutes_without_a_heartbeat():
    assert expiry.is_dead(None, NOW)
    assert expiry.is_dead(NOW - timedelta(seconds=121), NOW)
    assert not expiry.is_dead(NOW - timedelta(seconds=120), NOW)


def test_a_worker_that_is_cut_off_gives_up_before_its_run_is_reclaimed():
    assert expiry.HEARTBEAT_INTERVAL < expiry.MAX_STORE_OUTAGE < expiry.DEAD_AFTER
