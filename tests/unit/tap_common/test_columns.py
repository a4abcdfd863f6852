"""Columns convert decoded values and raw JSON alike; both taps read values with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_common import columns, converters
from tap_common import counting_converters as counting
from tap_common.omissions import OMISSIONS, UnreadableError

KINDS = {
    kind.__name__: kind("A column.")
    for kind in (
        columns.text,
        columns.integer,
        columns.number,
        columns.boolean,
        columns.timestamp,
        columns.date,
    )
}
UNREADABLE = object()


def converted(convert: Any, value: Any) -> Any:
    """Return a value as a target would read it."""
    try:
        found = convert(value)
    except UnreadableError:
        return UNREADABLE
    found = msgspec.json.decode(found) if isinstance(found, msgspec.Raw) else found
    return float(found) if isinstance(found, Decimal) else found


SPELLINGS = st.sampled_from(
    [
        "", " ", "yes", "No", "T", "0", "1", "-3", "3.0", "1e2", "1,5", "NaN", "Infinity", "many",
        "2024-01-31", "2024-01-31T10:00:00Z", "2024-01-31 10:00:00+02:00", "2024-13-01",
        "31/01/2025",
    ]
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@given(
    value=st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e15, 1e15)
    | st.text(max_size=5)
    | SPELLINGS
    | st.lists(st.integers(), max_size=1)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=1)
)
def test_decoded_values_and_raw_json_become_the_same(kind, value):
    column = KINDS[kind]
    raw = msgspec.Raw(msgspec.json.encode(value))

    assert converted(column.convert, value) == converted(column.convert_raw, raw)


@pytest.mark.parametrize(
    ("convert", "spelled", "value"),
    [
        (converters.to_boolean, "yes", True),
        (converters.to_boolean, "F", False),
        (converters.to_boolean, 1, True),
        (converters.to_integer, "-3", -3),
        (converters.to_integer, 3.0, 3),
        (converters.to_number, "0.10", Decimal("0.10")),
        (converters.to_json_number, 0.1, 0.1),
        (converters.to_timestamp, "2024-01-31", "2024-01-31T00:00:00.000000Z"),
        (converters.to_date, "2024-01-31T10:00:00Z", "2024-01-31"),
        (converters.to_object, {}, {}),
        (converters.to_array, [], []),
        (converters.to_object, "", None),
        (converters.to_array, None, None),
    ],
)
def test_a_value_is_read_in_every_usual_spelling(convert, spelled, value):
    assert convert(spelled) == value


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (converters.to_boolean, "perhaps"),
        (converters.to_boolean, 2),
        (converters.to_integer, "3.5"),
        (converters.to_integer, True),
        (converters.to_number, "1" * 401),
        (converters.to_number, "1e401"),
        (converters.to_timestamp, "31/01/2025"),
        (converters.to_timestamp, 1700000000),
        (converters.to_date, "soon"),
        (converters.to_object, []),
        (converters.to_array, {}),
    ],
)
def test_a_value_of_another_type_is_unreadable(convert, value):
    with pytest.raises(UnreadableError):
        convert(value)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (counting.timestamp, "31/01/2025"),
        (counting.boolean, "perhaps"),
        (counting.integer, "many"),
        (counting.number, "a lot"),
        (counting.json_object, msgspec.Raw(b"[]")),
        (counting.json_array, msgspec.Raw(b"{}")),
    ],
)
def test_an_unreadable_value_is_null_and_is_counted_under_its_column(read, value):
    OMISSIONS.reset(is_strict=False)

    assert read(value, ("s", "c")) is read(value) is None
    assert list(OMISSIONS.summary()) == ["s: values that could not be read are null: c (1)"]


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_value_is_null_and_is_not_counted(value):
    OMISSIONS.reset(is_strict=False)
    for read in (
        counting.timestamp,
        counting.boolean,
        counting.integer,
        counting.number,
    ):
        assert read(value, ("s", "c")) is None

    assert list(OMISSIONS.summary()) == []


def test_names_in_the_summary_are_limited_and_printable():
    OMISSIONS.reset(is_strict=False)
    OMISSIONS.unknown("s", [f"p{number:02}\x1b" for number in range(40)])
    (line,) = OMISSIONS.summary()

    assert line.endswith(" and 10 more")
    assert line.isprintable()
    OMISSIONS.reset(is_strict=False)
    assert list(OMISSIONS.summary()) == []
