"""What single events of Meltano's log report, of our plugins and of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.meltano.reports import (
    Committed,
    ModelEnded,
    Notice,
    RuleOutcomes,
    StreamProgress,
    Wait,
    WaitEnded,
    report_of,
)

TARGET = {"string_id": "target-scout-postgres", "level": "info"}
TAP = {"string_id": "tap-other", "level": "warning"}


def test_commits_are_reported_whatever_the_tap():
    event = TARGET | {"event": "committed", "committed_rows": {"cases": 20, "bad": "x", "odd": -1}}

    assert report_of(event, {}) == Committed({"cases": 20})


@pytest.mark.parametrize("rows", [None, [], {}, "cases", {"cases": True}])
def test_commits_of_another_shape_report_nothing(rows):
    assert report_of(TARGET | {"committed_rows": rows}, {}) is None


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"reason": "HTTP 429", "seconds": 15}, Wait("HTTP 429", 15.0)),
        ({"reason": "no answer\nforged", "seconds": None}, Wait("no answer forged", None)),
        ({"reason": "hq", "seconds": None, "waited": 2.5}, Wait("hq", None, 2.5)),
        (None, WaitEnded()),
        ({"seconds": 15}, None),
        ("soon", None),
    ],
)
def test_waits_of_our_plugins(field, expected):
    assert report_of(TAP | {"event": "waiting", "waiting": field}, {}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Backing off singer_sdk.streams.rest.RESTStream._request(...) for 1.6s "
            "(requests.exceptions.ConnectionError: refused)",
            Wait("a request is retried", 1.6),
        ),
        (
            "429 Client Error: Too Many Requests. Retrying in 30 seconds.",
            Wait("HTTP 429, the rate limit of the source", 30.0),
        ),
        (
            "Rate limit reached, sleeping for 45 secs",
            Wait("HTTP 429, the rate limit of the source", 45.0),
        ),
        ("Waiting 5s for the report", Wait("a request is retried", 5.0)),
        ("Read 5 seconds of audio", None),
        ("wait, what?", None),
        ("The retry policy is default", None),
    ],
)
def test_waits_of_taps_that_others_wrote_are_recognised(text, expected):
    assert report_of(TAP | {"event": text}, {}) == expected


def test_a_reason_that_others_wrote_is_not_quoted():
    text = "Backing off for 2s: Asha's case failed"

    assert "Asha" not in str(report_of(TAP | {"event": text}, {}))


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("21:13:35  22 of 70 OK created sql scout_table model data.case [ANALYZE in 0.08s]", 70),
        ("21:13:35  3 of 9 PASS not_null_cases ..... [PASS in 0.02s]", 9),
        ("3 of 9 ERROR creating sql table model data.case", 9),
        ("3 of 9 SKIP relation data.case", 9),
        ("21:13:35  23 of 70 START sql scout_table model data.case [RUN]", None),
        ("Found 40 models, 30 data tests", None),
    ],
)
def test_models_and_tests_of_dbt_are_counted_when_they_end(text, total):
    event = {"name": "dbt-postgres", "event": text}

    assert report_of(event, {}) == (ModelEnded(total) if total else None)


METRIC = {"metric": "record_count", "value": 5, "tags": {"stream": "cases"}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, StreamProgress("cases", 5)),
        ({"value": -1}, None),
        ({"value": "5"}, None),
        ({"value": True}, None),
        ({"tags": {"stream": 7}}, None),
        ({"tags": None}, None),
        ({"metric": "http_request_duration"}, None),
    ],
)
def test_counts_of_taps(change, expected):
    assert report_of(TAP | {"metric_info": METRIC | change}, {}) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["event", "waiting", "committed_rows", "metric_info", "string_id", "name"])


@given(st.dictionaries(NAMES, VALUES))
def test_no_event_of_any_shape_breaks_a_run(event):
    report_of(event, {})


def test_what_our_taps_say_of_a_limit_is_no_wait():
    said = {"level": "error", "event": "The server asks to wait 64 s before more requests."}

    assert report_of(said, {}, "tap-commcare") is None
    assert report_of(said, {}, "tap-other") == Wait("a request is retried", 64.0)


NOTICE = {"event": "cases: 2 records\nrejected", "notice": True}


def test_our_plugins_mark_what_people_should_see_without_the_log():
    for name in ("tap-commcare", "target-scout-postgres"):
        event = {"string_id": name, **NOTICE}
        assert report_of(event, {}) == Notice("cases: 2 records rejected")
        assert report_of(event | {"notice": "attempt"}, {}) == Notice(
            "cases: 2 records rejected", is_of_attempt=True
        )
    long = {"string_id": "tap-commcare", "event": "x" * 9_000, "notice": True}
    assert len(report_of(long, {}).text) == 500


@pytest.mark.parametrize("name", ["tap-other", "target-other", "dbt", "tap-commcare-x"])
def test_what_others_mark_is_not_quoted(name):
    rules = {"event": "x", "column_rules": {"matched": ["Asha"]}}

    assert report_of({"string_id": name, **NOTICE}, {}) is None
    assert report_of({"string_id": name, **rules}, {}) is None


@pytest.mark.parametrize(
    ("value", "matched"),
    [
        ({"matched": ["a.b"], "unmatched": ["a.c"]}, {"a.b": True, "a.c": False}),
        ({"matched": ["a.b"], "unmatched": ["a.b", 7]}, {"a.b": True}),
        ({"matched": "a.b"}, {}),
        ({}, {}),
    ],
)
def test_the_target_reports_which_rules_matched(value, matched):
    assert report_of(TARGET | {"event": "x", "column_rules": value}, {}) == RuleOutcomes(matched)


@pytest.mark.parametrize("value", [None, [], "a.b", 7])
def test_outcomes_of_another_shape_report_nothing(value):
    assert report_of(TARGET | {"event": "x", "column_rules": value}, {}) is None
