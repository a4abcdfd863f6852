"""Date parameters of v1 and v2 lists."""

import pytest
from commcare_sandbox.hq.date_filters import v1_millisecond, v2_date_range
from commcare_sandbox.http_types import HTTPError

NOON = 1_708_344_000_000  # 2024-02-19T12:00:00Z
MIDNIGHT = NOON - 12 * 3_600_000


@pytest.mark.parametrize(
    "text", ["2024-02-19T12:00:00", "2024-02-19T12:00:00.000000", "2024-02-19T12:00Z"]
)
def test_v1_knows_three_spellings_of_a_moment(text):
    assert v1_millisecond(text) == NOON


@pytest.mark.parametrize(
    "text",
    ["2024-02-19T12:00:00Z", "2024-02-19T12:00:00.5Z", "2024-02-19T12:00:00+01:00", "now", ""],
)
def test_v1_refuses_a_moment_with_seconds_and_a_zone(text):
    with pytest.raises(HTTPError) as refused:
        v1_millisecond(text)

    assert refused.value.response.body == {
        "error": f"Bad query parameter: Unknown date format: {text}"
    }


def test_v2_takes_a_date_as_a_whole_day():
    day = 86_400_000

    assert v2_date_range("f", "lte", "2024-02-19").high == MIDNIGHT + day - 1
    assert v2_date_range("f", "gt", "2024-02-18").low == MIDNIGHT
    assert v2_date_range("f", "lte", "2024-02-19T00:00:00").high == MIDNIGHT


def test_v2_honours_an_offset():
    assert v2_date_range("f", "gte", "2024-02-19T13:00:00+01:00").low == NOON
    assert v2_date_range("f", "gte", "2024-02-19T12:00:00Z").low == NOON


@pytest.mark.parametrize(
    ("comparison", "text", "words"),
    [
        ("start", "2024-02-19", "'start' is not a valid type of date range."),
        ("gt", "yesterday", "Cannot parse datetime 'yesterday'"),
    ],
)
def test_v2_refuses_what_it_cannot_read(comparison, text, words):
    with pytest.raises(HTTPError) as refused:
        v2_date_range("f", comparison, text)

    assert refused.value.response.body == {"error": words}
