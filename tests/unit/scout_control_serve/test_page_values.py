"""Values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from scout_control.api.audit import Event
from scout_control.serve.page import formats

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=45), "45 s ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5, minutes=59), "5 hours ago"),
        (timedelta(days=400), "400 days ago"),
        (-timedelta(minutes=30), "in 30 minutes"),
        (timedelta(seconds=5) - timedelta(days=90), "in 90 days"),
        (-timedelta(hours=23, minutes=50), "in 23 hours"),
    ],
)
def test_a_moment_is_told_by_its_distance(passed, text):
    assert formats.ago(NOW - passed, NOW) == text
    assert formats.ago((NOW - passed).isoformat(), NOW) == text


def test_without_a_moment_it_never_was():
    assert (formats.ago(None), formats.moment(None)) == ("never", "")


def test_a_moment_is_written_in_utc_whatever_its_zone():
    assert formats.moment("2026-01-02T05:04:05+02:00") == "2026-01-02 03:04 UTC"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("text", "text"),
        (7, "7"),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        (NOW, "2026-01-02T03:04:05Z"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        ("x" * 400, "x" * 300 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_a_cell_shows_a_value_shortened(value, text):
    assert formats.cell(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.001, "under 1 %"), (0.126, "13 %"), (1, "100 %")]
)
def test_a_share_is_a_percentage(share, text):
    assert formats.percent(share) == text


@pytest.mark.parametrize(
    ("last", "ends"),
    [
        (NOW + timedelta(days=3), ("2026-01-02", "2026-01-05")),
        (NOW + timedelta(hours=1), ("2026-01-02 03:04 UTC", "2026-01-02 04:04 UTC")),
        (None, ("2026-01-02", "")),
    ],
)
def test_a_time_of_days_is_told_in_days(last, ends):
    assert formats.span(NOW, last) == ends


def event(**values):
    usual = dict.fromkeys(("position", "actor", "subject", "project", "user", "dataset", "run"))
    usual |= {"at": NOW, "action": "removed", "subject_kind": "member", "source": None}
    return Event(**usual | {"details": {}} | values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"subject": "ann"}, "removed member ann"),
        ({"subject_kind": "dataset", "subject": "7", "source": "hq"}, "removed dataset hq"),
        (
            {"subject_kind": "credential", "subject": "7", "source": "hq", "user": "ann"},
            "removed credential of hq/ann",
        ),
        ({"subject_kind": "dataset", "subject": "7"}, "removed dataset 7"),
        ({}, "removed member"),
    ],
)
def test_an_event_is_told_by_names_where_there_are_some(values, text):
    assert formats.event(event(**values)) == text


def test_kinds_of_credentials_and_times_are_told_as_people_say_them():
    assert formats.kind("api_key") == "API key"
    assert formats.kind("made up") == "made up"
    assert formats.clock("2026-01-02T05:04:05+02:00") == "03:04:05"
    assert formats.iso(NOW) == "2026-01-02T03:04:05+00:00"
