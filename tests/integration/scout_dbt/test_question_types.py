"""Casts that never fail: a good answer is read exactly, a bad one becomes null."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scout_dbt.planning.question_types import CONVERSIONS

GOOD = [
    ("integer", "42", 42),
    ("integer", "-7", -7),
    ("integer", "12.0", 12),
    ("integer", "1.2345678E7", 12345678),
    ("integer", "-5.", -5),
    ("number", "3.10", Decimal("3.10")),
    ("number", "-1.97E-4", Decimal("-0.000197")),
    ("number", "1e3", Decimal(1000)),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("date", "2024-02-29 00:00:00", date(2024, 2, 29)),
    ("date", "2024-02-29T00:00:00.000Z", date(2024, 2, 29)),
    ("timestamp", "2026-01-02T03:04:05.000001Z", datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC)),
    ("timestamp", "2026-01-02T03:04:05+05:30", datetime(2026, 1, 1, 21, 34, 5, tzinfo=UTC)),
    ("timestamp", "2026-01-02 03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
    ("time", "13:45:00.000+05:30", time(13, 45)),
    ("choices", "a b  c", ["a", "b", "c"]),
    ("gps", "12.97 77.59 0.0 10.0", "12.97 77.59 0.0 10.0"),
    ("gps", "5.5502 -1.97E-4 12.0 4.9", "5.5502 -1.97E-4 12.0 4.9"),
    ("gps", "9.9e-05 +36.8 1.2E3 0", "9.9e-05 +36.8 1.2E3 0"),
    ("integer", "1.0E7", 10_000_000),
    ("integer", "\u0661\u0662", 12),
    ("integer", "\uff11\uff12\u00a0", 12),
    ("integer", "\u22127", -7),
    ("number", "\u0967\u0968.\u0969", Decimal("12.3")),
    ("number", "\ufeff 3.5\u200e", Decimal("3.5")),
    ("date", "\u06f2\u06f0\u06f2\u06f6-\u06f1\u06f1-\u06f2\u06f8", date(2026, 11, 28)),
    ("date", "2026-11-28T00:00:00.000+03", date(2026, 11, 28)),
    ("timestamp", "2026-11-28T10:00:00.000Z", datetime(2026, 11, 28, 10, tzinfo=UTC)),
    ("timestamp", "2026-11-28\u00a010:00:00.000+0300", datetime(2026, 11, 28, 7, tzinfo=UTC)),
    ("time", "12:30:00.000+03", time(12, 30)),
    ("time", "\uff11\uff12\uff1a30", time(12, 30)),
    ("choices", " a\u00a0b \t\u3000c ", ["a", "b", "c"]),
    ("choices", "\uff11 \u0662", ["\uff11", "\u0662"]),
    ("gps", "12.97\u00a0 77.59", "12.97 77.59"),
]
BAD = [
    *(
        ("integer", text)
        for text in (
            "",
            "1.5",
            "1E-1",
            "1e19",
            "1_000",
            "0x1F",
            "9" * 19,
            "\u2460",
            "\u0661,\u0662",
            "NaN",
            "12 years",
        )
    ),
    *(
        ("number", text)
        for text in ("NaN", "Infinity", "1,5", "1e999", ".", "--1", "1 000", "\u00a0")
    ),
    *(
        ("date", text)
        for text in (
            "2023-02-29",
            "2026-02-30",
            "2026-02-01T07:30:00",
            "0000-01-01",
            "today",
            "01/02/2026",
            "11/28/2026",
        )
    ),
    *(("timestamp", text) for text in ("2026-13-01T00:00:00Z", "now", "2026-01-01T24:00:00Z")),
    *(("time", text) for text in ("25:00", "noon")),
    *(("gps", text) for text in ("somewhere", "12.9", "a b c d", "1E 2E", "1e-4")),
]


def asked(answer):
    return CONVERSIONS[answer].apply("v").replace("%", "%%")


def read(cursor, answer, text):
    cursor.execute(f"SELECT {asked(answer)} FROM (SELECT %s::text AS v) AS t", [text])
    return cursor.fetchone()[0]


@pytest.fixture(scope="module")
def cursor(postgres):
    opened = psycopg2.connect(postgres, options="-c timezone=Asia/Kolkata -c datestyle=German")
    opened.autocommit = True
    with opened.cursor() as found:
        yield found
    opened.close()


@pytest.mark.parametrize(("answer", "text", "value"), GOOD)
def test_a_good_answer_is_read_exactly_whatever_the_session_prefers(cursor, answer, text, value):
    cursor.execute("SET datestyle TO ISO")  # the driver reads dates in no other
    assert read(cursor, answer, text) == value


@pytest.mark.parametrize(("answer", "text"), BAD)
def test_a_bad_answer_becomes_null(cursor, answer, text):
    assert read(cursor, answer, text) is None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
    | st.text("0123456789-+:.TZ eE ", max_size=30)
)
def test_no_text_fails_a_cast(cursor, text):
    for answer in CONVERSIONS:
        if answer != "json":
            cursor.execute(
                f"SELECT ({asked(answer)})::text FROM (SELECT %s::text AS v) AS t",
                [text],
            )
