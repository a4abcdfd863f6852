"""Wrong tokens are limited by address and in total, in bounded memory."""

from __future__ import annotations

import pytest
from scout_control.access import attempts
from scout_control.access.attempts import Attempts, coming_from
from scout_control.errors import TooManyAttemptsError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counted(clock):
    return Attempts(clock)


def fail(counted, times, address="192.0.2.1"):
    with coming_from(address):
        for number in range(times):
            counted.failed(str(number).encode())


def is_limited(counted, address="192.0.2.1", digest=b"new"):
    with coming_from(address):
        try:
            counted.check(digest)
        except TooManyAttemptsError:
            return True
        return False


def test_an_address_is_limited_after_its_wrong_tokens_and_no_other_is(counted):
    fail(counted, attempts.MOST_OF_ADDRESS - 1)
    assert not is_limited(counted)

    fail(counted, 1)

    assert is_limited(counted)
    assert not is_limited(counted, "192.0.2.2")


def test_the_error_says_when_to_try_again_and_then_it_is_possible(counted, clock):
    fail(counted, attempts.MOST_OF_ADDRESS)
    clock.now = 12.5

    with coming_from("192.0.2.1"), pytest.raises(TooManyAttemptsError) as raised:
        counted.check(b"new")

    assert raised.value.seconds == 48
    assert "48 s" in raised.value.remedy
    clock.now += raised.value.seconds
    assert not is_limited(counted)


def test_a_token_that_was_accepted_is_let_through_until_it_is_wrong(counted):
    counted.accepted(b"of ann")
    fail(counted, attempts.MOST_OF_ADDRESS)
    assert not is_limited(counted, digest=b"of ann")

    with coming_from("192.0.2.1"):
        counted.failed(b"of ann")

    assert is_limited(counted, digest=b"of ann")


def test_many_addresses_are_limited_together_and_their_number_is_bounded(counted):
    for number in range(attempts.MOST_IN_TOTAL):
        fail(counted, 1, f"10.0.{number // 250}.{number % 250}")

    assert is_limited(counted, "192.0.2.200")


def test_memory_is_bounded(counted, monkeypatch):
    monkeypatch.setattr(attempts, "MOST_ADDRESSES", 5)
    monkeypatch.setattr(attempts, "MOST_ACCEPTED", 5)
    for number in range(50):
        fail(counted, 1, f"10.0.0.{number}")
        counted.accepted(str(number).encode())

    assert (len(counted._by_address), len(counted._accepted)) == (5, 5)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.3", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "no address", True),
    ],
)
def test_an_address_of_version_6_stands_for_its_network(counted, one, other, is_same):
    fail(counted, attempts.MOST_OF_ADDRESS, one)

    assert is_limited(counted, other) is is_same


def test_what_anyone_may_try_has_limits_and_words_of_its_own(clock):
    begun = Attempts(clock, of_address=2, in_total=3, told="Too many sign-ins were begun.")
    for address, count in (("10.0.0.1", 2), ("10.0.0.2", 1)):
        with coming_from(address):
            for _ in range(count):
                begun.admit()

    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        with coming_from(address), pytest.raises(TooManyAttemptsError, match="sign-ins were begun"):
            begun.admit()
    clock.now += attempts.WINDOW_SECONDS
    with coming_from("10.0.0.1"):
        begun.admit()
