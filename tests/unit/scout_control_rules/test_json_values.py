"""Any value becomes JSON that Postgres stores, and stays what it was where it can."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules.json_values import to_json_value, to_storable_text

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.decimals()
    | st.uuids()
)
VALUES = st.recursive(
    LEAVES,
    lambda each: (
        st.lists(each, max_size=3)
        | st.tuples(each, each)
        | st.dictionaries(st.text() | st.integers(), each, max_size=3)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_every_value_becomes_json_that_postgres_accepts(value):
    text = json.dumps(to_json_value(value), allow_nan=False)

    assert "\\u0000" not in text
    json.loads(text, parse_constant=pytest.fail)
    json.dumps(to_json_value(value), ensure_ascii=False).encode()  # no half characters


@given(VALUES)
def test_a_value_that_was_converted_is_not_changed_again(value):
    once = to_json_value(value)

    assert to_json_value(once) == once


@pytest.mark.parametrize(
    ("value", "converted"),
    [
        (datetime(2026, 11, 28, tzinfo=UTC), "2026-11-28T00:00:00Z"),
        (datetime(2026, 11, 28, 1, 2, 3, 4, tzinfo=UTC), "2026-11-28T01:02:03.000004Z"),
        (
            datetime(2026, 11, 28, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            "2026-11-28T00:00:00+05:30",
        ),
        (b"\x00\xff", "\\x00ff"),
        (b"", "\\x"),
        (float("NaN"), "NaN"),
        (float("-Infinity"), "-Infinity"),
        (2**200, 2**200),
        (True, True),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, (2,)), [1, [2]]),
        ({1: "a", "b\0": "c\0"}, {"1": "a", "b": "c"}),
        ("a\ud800b", "a?b"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_values_keep_their_meaning(value, converted):
    found = to_json_value(value)

    assert (type(found), found) == (type(converted), converted)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_ordinary_text_is_stored_as_it_is(text):
    assert to_storable_text(text) == text
