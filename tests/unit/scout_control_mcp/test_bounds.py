"""What an agent reads is bounded, and says what is missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from scout_control.mcp.bounds import (
    MAX_BYTES,
    MAX_DESCRIPTION,
    MAX_VALUE,
    bounded_rows,
    cut_text,
    cut_value,
    fitting,
    short,
    size_of,
)
from scout_control.mcp.results import Pipeline

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.lists(VALUES, max_size=4), max_size=8), st.integers(1, 400), st.integers(1, 60))
def test_rows_are_json_and_bounded_and_what_is_kept_is_the_beginning(rows, max_bytes, max_value):
    kept = bounded_rows(rows, max_bytes=max_bytes, max_value=max_value)

    assert json.loads(json.dumps(kept.rows, allow_nan=False)) == kept.rows
    assert sum(map(size_of, kept.rows)) <= max_bytes
    assert (len(kept.rows) < len(rows)) is (kept.truncated_by == "bytes")
    assert kept.rows == bounded_rows(rows[: len(kept.rows)], max_value=max_value).rows


def test_values_that_json_lacks_become_text():
    moment = datetime(2026, 11, 29, tzinfo=UTC)

    [row] = bounded_rows([[Decimal("1.10"), moment, float("inf"), b"\x01", None]]).rows

    assert row == ["1.10", "2026-11-29T00:00:00Z", "Infinity", "\\x01", None]


def test_a_long_value_is_cut_and_says_how_long_it_was():
    kept = bounded_rows([["a" * 5_000, {"answers": "b" * 5_000}, "short"]])

    [[text, answers, short_text]] = kept.rows
    assert text == "a" * MAX_VALUE + "... [cut: 5,000 characters]"
    assert answers.startswith('{"answers": "bbb')
    assert answers.endswith("... [cut: 5,015 characters]")
    assert short_text == "short"
    assert kept.cut_values == 2


def test_a_value_at_the_limit_is_whole():
    assert cut_value("a" * MAX_VALUE) == ("a" * MAX_VALUE, False)
    assert cut_text("abc", 3) == "abc"
    assert cut_text("abcd", 3) == "abc... [cut: 4 characters]"


def test_many_rows_end_at_the_bytes():
    kept = bounded_rows([str(number) * 100] for number in range(100_000))

    assert kept.truncated_by == "bytes"
    assert sum(map(size_of, kept.rows)) <= MAX_BYTES


def test_a_list_ends_at_the_bytes_but_has_one_item_at_least():
    items = [Pipeline(name="a" * 100, source_type="tap-toy", transforms=[]) for _ in range(9)]
    size = len(items[0].model_dump_json())

    assert fitting(items) == items
    assert fitting(items, max_bytes=3 * size) == items[:3]
    assert fitting(items, max_bytes=3 * size - 1) == items[:2]
    assert fitting(items, max_bytes=1) == items[:1]
    assert fitting([]) == []


def test_descriptions_are_short():
    assert short(None) is None
    assert short("") == ""
    assert len(short("a" * 10_000) or "") < MAX_DESCRIPTION + 40
