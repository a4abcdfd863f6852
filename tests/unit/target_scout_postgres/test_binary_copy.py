"""Fields of binary COPY: read back as Postgres reads them, each is the value that was written."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.binary_copy import BigintOverflowError, comparable
from target_scout_postgres.encoding.column_types import BIGINT, JSONB, NUMERIC, TEXT
from target_scout_postgres.errors import InvalidRecordError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda number: abs(number.adjusted()) < 2000
)
MIDNIGHT_2000 = datetime(2000, 1, 1, tzinfo=UTC)


def body(field: bytes) -> bytes:
    (length,) = struct.unpack_from("!i", field)
    assert length == len(field) - 4
    return field[4:]


def read_numeric(field: bytes) -> tuple[Fraction, int]:
    """Return the value and the scale of a numeric, as numeric_recv reads it."""
    data = body(field)
    count, weight, sign, scale = struct.unpack_from("!HhHH", data)
    groups = struct.unpack_from(f"!{count}H", data, 8)
    assert len(data) == 8 + 2 * count
    assert all(group < 10_000 for group in groups)
    powers = (Fraction(10) ** (4 * (weight - place)) for place in range(count))
    value = sum((group * power for group, power in zip(groups, powers, strict=True)), Fraction(0))
    return (-value if sign else value), scale


def plain(number: Decimal) -> str:
    return f"{number:f}"


@given(number=DECIMALS)
def test_a_number_keeps_its_value_and_every_digit_after_the_point(number):
    written = plain(number)
    value, scale = read_numeric(binary_copy.numeric(written.encode()))

    assert value == Fraction(written)
    assert scale == len(written.partition(".")[2])


@given(number=DECIMALS, exponent=st.integers(-300, 300))
def test_an_exponent_only_moves_the_point(number, exponent):
    mantissa = plain(number)
    value, _ = read_numeric(binary_copy.numeric(f"{mantissa}e{exponent:+d}".encode()))

    assert value == Fraction(mantissa) * Fraction(10) ** exponent


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("0", "0"), ("-0", "0"), ("0.0", "0"), ("-0.000000", "0"), ("0e400", "0"),
        ("1e-300", "1e-300"), ("9999", "9999"), ("10000", "10000"), ("0.0001", "0.0001"),
        ("0.00001", "0.00001"), ("99999999.99999999", "99999999.99999999"),
        ("1E3", "1000"), ("1.5e1", "15"), ("15e-1", "1.5"), ("1.25E+1", "12.5"),
        ("123456789012345678901234567890123456789", "123456789012345678901234567890123456789"),
    ],
)  # fmt: skip
def test_numbers_at_the_edges_of_groups_and_signs(raw, value):
    assert read_numeric(binary_copy.numeric(raw.encode()))[0] == Fraction(value)


def test_the_largest_numbers_of_postgres_fit_and_larger_ones_do_not():
    for fits, too_large in (
        (b"9" * 131_072, b"9" * 131_073),
        (b"1e131071", b"1e131072"),
        (b"0." + b"1" * 16_383, b"0." + b"1" * 16_384),
        (b"1e-16383", b"1e-16384"),
    ):
        assert binary_copy.numeric(fits)
        with pytest.raises(InvalidRecordError, match="outside the range of numeric"):
            binary_copy.numeric(too_large)


@pytest.mark.parametrize(
    "raw", ["1e999999999", "-1e999999999", "1e-999999999", "1." + "0" * 20_000], ids=len
)
def test_a_number_of_absurd_size_is_refused_without_being_written_out(raw):
    with pytest.raises(InvalidRecordError, match="outside the range"):
        binary_copy.numeric(raw.encode())


@pytest.mark.parametrize(
    "raw", [b'"1"', b"true", b"null", b"[]", b"", b".5", b"0x1", b"1_0", b"--1", b"NaN"]
)
def test_what_is_not_a_json_number_is_not_one_here(raw):
    with pytest.raises(InvalidRecordError):
        binary_copy.numeric(raw)


@given(number=st.integers(-(2**63), 2**63 - 1), zeros=st.integers(0, 5))
def test_a_whole_number_is_read_back_also_with_a_fraction_of_zeros(number, zeros):
    spelled = f"{number}.{'0' * zeros}" if zeros else str(number)

    assert struct.unpack("!q", body(binary_copy.bigint(spelled.encode()))) == (number,)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, 10**5000], ids=["", "-", "30", ""])
def test_a_larger_whole_number_asks_for_a_wider_column(number):
    raw = f"{Decimal(number):f}".encode()
    with pytest.raises(BigintOverflowError):
        binary_copy.bigint(raw)


@pytest.mark.parametrize("raw", [b"1.5", b"1e-1", b"0.1", b'"1"', b"true"])
def test_a_number_with_a_fraction_is_not_whole(raw):
    with pytest.raises(InvalidRecordError, match="is not an integer"):
        binary_copy.bigint(raw)


@given(value=TEXTS.filter(lambda value: "\x00" not in value))
def test_a_text_is_read_back(value):
    raw = json.dumps(value).encode()

    assert body(binary_copy.text(raw)).decode() == value
    assert body(binary_copy.text(json.dumps(value, ensure_ascii=False).encode())).decode() == value


@given(value=st.recursive(st.none() | st.integers() | TEXTS, st.lists, max_leaves=5))
def test_json_is_stored_byte_for_byte_after_its_version(value):
    raw = json.dumps(value, indent=1).encode()

    assert body(binary_copy.jsonb(raw)) == b"\x01" + raw


ZONES = st.integers(-15 * 60 + 1, 15 * 60 - 1).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.none() | ZONES)  # noqa: DTZ001 - as hypothesis wants them


@given(moment=MOMENTS)
def test_a_moment_is_read_back_in_utc_whatever_its_zone(moment):
    field = binary_copy.timestamptz(json.dumps(moment.isoformat()).encode())
    (microseconds,) = struct.unpack("!q", body(field))

    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    assert MIDNIGHT_2000 + timedelta(microseconds=microseconds) == utc


def moment(text: str) -> datetime:
    (microseconds,) = struct.unpack("!q", body(binary_copy.timestamptz(json.dumps(text).encode())))
    return MIDNIGHT_2000 + timedelta(microseconds=microseconds)


@pytest.mark.parametrize(
    ("spelled", "utc"),
    [
        ("2026-03-29T01:59:59+01:00", "2026-03-29T00:59:59Z"),
        ("2026-03-29T03:00:00+02:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
        ("2024-02-29T23:59:59.999999-00:01", "2024-03-01T00:00:59.999999Z"),
        ("2026-11-20", "2026-11-20T00:00:00Z"),
        ("2026-11-20 10:00:00", "2026-11-20T10:00:00Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
    ids=[
        "before the clocks go forward", "after it", "the hour that comes twice", "the second time",
        "leap day", "a date", "a blank", "before 1970", "the first", "the last",
    ],
)  # fmt: skip
def test_moments_at_the_edges_of_calendars_and_clocks(spelled, utc):
    assert moment(spelled) == datetime.fromisoformat(utc)


@given(day=st.dates())
def test_a_day_is_read_back(day):
    (days,) = struct.unpack("!i", body(binary_copy.date(json.dumps(day.isoformat()).encode())))

    assert date(2000, 1, 1) + timedelta(days=days) == day


@given(clock=st.times())
def test_a_time_of_day_is_read_back(clock):
    (micro,) = struct.unpack("!q", body(binary_copy.time(json.dumps(clock.isoformat()).encode())))

    assert (MIDNIGHT_2000 + timedelta(microseconds=micro)).time() == clock


@pytest.mark.parametrize(
    ("spelled", "utc"),
    [
        ("10:00:00+02:00", time(8)),
        ("00:30:00+01:00", time(23, 30)),
        ("23:30:00-01:00", time(0, 30)),
    ],
)
def test_a_time_with_a_zone_wraps_around_midnight(spelled, utc):
    (microseconds,) = struct.unpack("!q", body(binary_copy.time(json.dumps(spelled).encode())))

    assert (MIDNIGHT_2000 + timedelta(microseconds=microseconds)).time() == utc


@given(value=st.uuids())
def test_a_uuid_is_read_back_with_hyphens_and_without(value):
    for spelled in (str(value), value.hex, str(value).upper()):
        assert uuid.UUID(bytes=body(binary_copy.uuid_(json.dumps(spelled).encode()))) == value


REFUSED: list[tuple[Callable[[bytes], bytes], bytes, str]] = [
    (binary_copy.text, b"5", "is not a string"),
    (binary_copy.boolean, b"1", "is not a boolean"),
    (binary_copy.boolean, b'"true"', "is not a boolean"),
    (binary_copy.date, b'"2024-02-30"', "date"),
    (binary_copy.date, b'"2024-02-28T00:00:01"', "is not a date"),
    (binary_copy.date, b"20240228", "is not a date"),
    (binary_copy.time, b'"25:00:00"', "time"),
    (binary_copy.timestamptz, b'"soon"', "date"),
    (binary_copy.timestamptz, b"1700000000", "is not a date-time"),
    (binary_copy.uuid_, b'"12345"', "is not a UUID"),
    (binary_copy.uuid_, b"5", "is not a UUID"),
]


@pytest.mark.parametrize(
    ("encode", "raw", "text"), REFUSED, ids=[f"{e.__name__} {r.decode()}" for e, r, _ in REFUSED]
)
def test_a_value_of_another_type_is_refused_with_the_type_that_it_lacks(encode, raw, text):
    with pytest.raises(InvalidRecordError, match=text):
        encode(raw)


SPELLINGS = [
    ["1", "1.0", "1e0", "10e-1", "1.000"],
    ["0", "-0", "0.0", "-0.00", "0e5"],
    ["100", "1e2", "1E+2", "100.0"],
    ["-0.5", "-5e-1", "-0.50"],
    ['{"a":1,"b":2}', '{"b":2,"a":1}', '{ "b" : 2, "a" : 1 }'],
    ['"é"', '"\\u00e9"'],
    ["[1]", "[ 1 ]"],
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=[s[0] for s in SPELLINGS])
def test_spellings_of_one_key_are_one_text_and_one_comparable_value(spellings):
    texts = {binary_copy.any_as_text(each.encode()) for each in spellings}
    is_number = spellings[0][0] in "-0123456789"
    values = {comparable(each.encode(), NUMERIC if is_number else JSONB) for each in spellings}

    assert len(texts) == len(values) == 1


DIFFERENT = ["1", '"1"', "true", '"true"', "[1]", "[true]", '{"a":1}', '{"a":true}', "0.1", "null"]


def test_keys_that_postgres_distinguishes_stay_distinct():
    values = [comparable(each.encode(), JSONB) for each in DIFFERENT]

    assert len(set(values)) == len(DIFFERENT)
    for exact, near in pairwise(["0.1", "0.10000000000000000001", "0.1000000000000000000100001"]):
        assert comparable(exact.encode(), JSONB) != comparable(near.encode(), JSONB)


@given(value=st.integers() | TEXTS | st.booleans())
def test_a_key_in_a_text_column_is_found_again(value):
    raw = msgspec.json.encode(value) if not isinstance(value, int) else json.dumps(value).encode()
    as_text = binary_copy.any_as_text(raw)

    expected: Any = value if isinstance(value, str) else json.dumps(value)
    assert body(as_text).decode() == expected
    assert binary_copy.FIELD_ENCODERS[BIGINT, TEXT] is binary_copy.any_as_text


@pytest.mark.parametrize("spelled", ["not a uuid", "12345678123456781234567812345678"])
def test_a_uuid_in_a_text_column_has_the_spelling_of_postgres_or_its_own(spelled):
    found = body(binary_copy.uuid_as_text(json.dumps(spelled).encode())).decode()

    assert found == {"not a uuid": spelled}.get(spelled, "12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize("raw", [b'{"a":\xff}', b'"\xff"', b"[" * 100_000, b"1e"])
def test_a_key_that_cannot_be_compared_is_invalid(raw):
    with pytest.raises(InvalidRecordError, match="cannot be compared"):
        comparable(raw, JSONB)
