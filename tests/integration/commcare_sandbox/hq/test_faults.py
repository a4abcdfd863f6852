"""Fault injection."""

import json
import time

import pytest
import requests


@pytest.mark.parametrize(
    ("fault", "status", "kind", "words"),
    [
        ("500", 500, "application/json", "error_message"),
        ("502", 502, "text/html", "502 Bad Gateway"),
        ("504", 504, "text/html", "504 Gateway Time-out"),
        ("429", 429, "text/html", ""),
    ],
)
def test_the_next_requests_fail_and_then_no_more(hq, fault, status, kind, words):
    hq.sandbox.set(fault=fault, fault_next=2)

    answers = [hq.ask("form/v1/") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["Content-Type"].startswith(kind)
    assert words in answers[0].text
    assert bool(answers[0].content) == bool(words)


def test_every_third_request_of_a_path_fails_with_each_fault_in_turn(hq):
    hq.sandbox.set(fault="500,502", fault_every=3, fault_path="/form/")

    forms = [hq.ask("form/v1/").status_code for _ in range(7)]
    cases = [hq.ask("case/v2/").status_code for _ in range(4)]

    assert forms == [200, 200, 500, 200, 200, 502, 200]
    assert set(cases) == {200}


@pytest.mark.parametrize(
    ("path", "switches", "expected"),
    [
        ("case/v2/", {}, "0.41"),
        ("form/v1/", {}, None),
        ("form/v1/", {"retry_after": "float", "retry_after_seconds": 2.5}, "2.50"),
        ("form/v1/", {"retry_after": "int", "retry_after_seconds": 7}, "7"),
        ("case/v2/", {"retry_after": "absent"}, None),
        ("case/v2/", {"retry_after": "3600"}, "3600"),
    ],
)
def test_retry_after_is_written_as_switched(hq, path, switches, expected):
    hq.sandbox.set(fault="429", **switches)

    answer = hq.ask(path)

    assert (answer.status_code, answer.content) == (429, b"")
    assert answer.headers.get("Retry-After") == expected


def test_retry_after_can_be_a_date(hq):
    hq.sandbox.set(fault="429", retry_after="date", retry_after_seconds=60)

    assert hq.ask("case/v2/").headers["Retry-After"].endswith("GMT")


def test_a_budget_is_shared_by_all_of_a_domain_but_not_by_locations(hq):
    hq.sandbox.set(rate_limit="minute=3")

    used = [hq.ask(path).status_code for path in ("case/v2/", "form/v1/", "user/v1/")]
    refused = hq.ask("case/v2/")

    assert used == [200, 200, 200]
    assert refused.status_code == 429
    assert 50 < float(refused.headers["Retry-After"]) <= 60
    assert hq.ask("location/v1/").status_code == 200
    assert hq.ask("/a/hill-clinic/api/case/v2/").status_code == 200
    assert hq.ask("case/v2/", headers={"Authorization": "ApiKey a:b"}).status_code == 401


def test_a_budget_of_production_lets_one_call_a_second_without_workers(hq):
    hq.sandbox.set(rate_limit_workers=0)
    began, answers = time.monotonic(), [hq.ask("case/v2/")]

    while answers[-1].status_code == 200:
        answers.append(hq.ask("case/v2/"))

    assert 2 <= len(answers) <= 3 + time.monotonic() - began
    assert answers[-1].status_code == 429
    assert 0 < float(answers[-1].headers["Retry-After"]) <= 1


def test_a_connection_is_reset_in_mid_answer(hq):
    hq.sandbox.set(fault="reset", fault_next=1)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        hq.ask("case/v2/", params={"limit": 300})

    assert hq.ask("case/v2/").status_code == 200


def test_json_ends_too_early(hq):
    hq.sandbox.set(fault="truncate", fault_next=1)

    answer = hq.ask("case/v2/")

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


@pytest.mark.parametrize(("path", "key"), [("case/v2/", "cases"), ("form/v1/", "objects")])
def test_the_list_is_missing_from_a_list(hq, path, key):
    hq.sandbox.set(fault="missing-key", fault_next=1)

    assert key not in hq.get(path)
    assert key in hq.get(path)


def test_an_answer_is_late(hq):
    hq.sandbox.set(fault="stall", fault_next=1, stall_seconds=0.4)
    began = time.monotonic()
    hq.ask("case/v2/")
    stalled = time.monotonic() - began

    hq.sandbox.set(latency_ms=150)
    began = time.monotonic()
    hq.ask("case/v2/")

    assert stalled >= 0.4
    assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize(
    ("style", "start"),
    [
        ("bare", "?"),
        ("path", "/a/river-health/api/"),
        ("absolute", "http://127.0.0.1:"),
        ("http", "http://127.0.0.1:"),
        ("foreign", "https://hq.invalid/a/river-health/api/"),
    ],
)
def test_links_are_written_as_switched(hq, style, start):
    hq.sandbox.set(next_style=style)

    assert hq.get("case/v2/", limit=1)["next"].startswith(start)
    assert hq.get("form/v1/", limit=1)["meta"]["next"].startswith(start)


def test_pages_can_be_smaller_than_asked_and_still_hold_everything(hq):
    hq.sandbox.set(page_cap=90)

    pages = list(hq.pages("case/v2/", "cases", limit=5000))

    assert max(map(len, pages)) == 90
    assert sum(map(len, pages)) == sum(1 for _ in hq.sandbox.content("cases"))
    assert hq.get("form/v1/", limit=1000)["meta"]["limit"] == 90


def test_the_cursor_trap_serves_the_first_page_twice_and_then_goes_on(hq):
    hq.sandbox.set(gte_duplicate_page=True)
    since = {"indexed_on.gte": "2023-01-01"}

    pages = list(hq.pages("case/v2/", "cases", limit=100, **since))
    unharmed = list(hq.pages("case/v2/", "cases", limit=100, **{"indexed_on.gt": "2023-01-01"}))

    assert pages[0] == pages[1]
    assert pages[1:] == unharmed


def test_the_old_list_counts_down_and_has_no_empty_last_page(hq):
    hq.sandbox.set(old_case_list=True)
    total = sum(1 for _ in hq.sandbox.content("cases"))

    first = hq.get("case/v2/", limit=total // 2)
    second = hq.ask(first["next"]).json()

    assert (first["matching_records"], second["matching_records"]) == (total, total // 2)
    assert "next" not in second
    assert len(second["cases"]) == total // 2


def test_deep_offsets_fail_where_the_window_ends(hq):
    hq.sandbox.set(search_window=100)

    assert hq.ask("form/v1/?offset=80&limit=20").status_code == 200
    answer = hq.ask("form/v1/?offset=90&limit=20")
    assert answer.status_code == 500
    assert "Result window is too large" in answer.json()["error_message"]


def test_an_unknown_switch_fault_or_value_is_refused(hq):
    for body in ({"nonsense": 1}, {"fault": "418"}, {"fault_every": "often"}, {"cut_off": "maybe"}):
        answer = requests.post(f"{hq.sandbox.url}/_sandbox/set", json=body, timeout=120)
        assert answer.status_code == 400
        assert str(next(iter(body.values()))) in answer.text or "nonsense" in answer.text
