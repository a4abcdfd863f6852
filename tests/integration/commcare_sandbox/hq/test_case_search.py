"""The case search query language of case v2, against the same conditions in Python."""

from __future__ import annotations

import pytest


def matching(hq, query):
    return {case["case_id"] for case in hq.walk("case/v2/", "cases", query=query, limit=200)}


def prop(case, name):
    return case["properties"].get(name) or ""


QUERIES = {
    "@case_type = 'pregnancy' and risk = 'high'": (
        lambda case: case["case_type"] == "pregnancy" and prop(case, "risk") == "high"
    ),
    "(risk = 'low' or risk = 'high') and @status != 'closed'": (
        lambda case: prop(case, "risk") in {"low", "high"} and not case["closed"]
    ),
    "risk = ''": lambda case: prop(case, "risk") == "",
    "not(risk = '')": lambda case: prop(case, "risk") != "",
    "gravida > 5": lambda case: prop(case, "gravida") > "5",
    "gravida = 2": lambda case: prop(case, "gravida") == "2",
    "weight <= 45.5 and @case_type = 'visit'": (
        lambda case: bool(prop(case, "weight")) and float(prop(case, "weight")) <= 45.5
    ),
    "dob >= '2024-01-01'": lambda case: prop(case, "dob") >= "2024-01-01",
    "dob < date('2024-01-01')": lambda case: "" < prop(case, "dob") < "2024-01-01",
    "date_opened > '2024-06-30'": lambda case: case["date_opened"] >= "2024-07-01",
    "date_opened <= '2024-06-30'": lambda case: case["date_opened"] < "2024-07-01",
    "starts-with(name, 'visit 1')": lambda case: case["case_name"].startswith("visit 1"),
    "selected-any(vaccines, 'bcg mr1')": (
        lambda case: bool({"bcg", "mr1"} & {*prop(case, "vaccines").split()})
    ),
    "selected-all(vaccines, 'bcg mr1')": (
        lambda case: {"bcg", "mr1"} <= {*prop(case, "vaccines").split()}
    ),
    "selected(vaccines, 'opv0')": lambda case: "opv0" in prop(case, "vaccines").split(),
    "match-none() or @case_type = 'referral'": lambda case: case["case_type"] == "referral",
    "match-all() and भाषा = 'hin'": lambda case: prop(case, "भाषा") == "hin",
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_selects_the_cases_that_fit(hq, query):
    expected = {case["case_id"] for case in hq.sandbox.content("cases") if QUERIES[query](case)}

    assert expected
    assert matching(hq, query) == expected


def parents(cases, identifier="parent"):
    by_id = {case["case_id"]: case for case in cases}
    return {
        case["case_id"]: by_id.get(case["indices"].get(identifier, {}).get("case_id"))
        for case in cases
    }


def test_related_cases_are_searched_up_and_down(hq):
    cases = list(hq.sandbox.content("cases"))
    above = parents(cases)
    of_high_risk = {
        case for case, parent in above.items() if parent and prop(parent, "risk") == "high"
    }
    visits = [case["case_id"] for case in cases if case["case_type"] == "visit"]
    with_visits = [above[case]["case_id"] for case in visits if above[case]]

    assert of_high_risk
    assert matching(hq, "parent/risk = 'high'") == of_high_risk
    assert matching(hq, "ancestor-exists(parent, risk = 'high' and gravida > 0)") == of_high_risk
    assert matching(hq, "subcase-exists('parent', @case_type = 'visit')") == set(with_visits)
    assert matching(hq, "subcase-count('parent', @case_type = 'visit') > 2") == {
        case for case in with_visits if with_visits.count(case) > 2
    }


def test_other_filters_hold_too_and_pages_go_on_by_cursor(hq):
    pages = list(hq.pages("case/v2/", "cases", query="visits > 1", case_type="pregnancy", limit=5))
    found = [case for page in pages for case in page]

    assert len(pages) > 2
    assert {case["case_type"] for case in found} == {"pregnancy"}
    assert {prop(case, "visits") for case in found} == {"2", "3", "4"}


def test_a_changed_case_is_found_as_it_is_now(own):
    query = "parent/risk = 'found'"
    assert matching(own, query) == set()
    child = next(case for case in own.sandbox.content("cases") if "parent" in case["indices"])
    own.sandbox.edit_case(child["indices"]["parent"]["case_id"], properties={"risk": "found"})

    assert child["case_id"] in matching(own, query)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("risk", "at least one boolean operator"),
        ("risk = high", "cannot reference a case property on the right side"),
        ("gravida > 'many'", "must be a number or date"),
        ("risk = 'high", "Malformed search query"),
        ("(risk = 'high'", "Malformed search query"),
        ("risk = 'high' gravida = 1", "Malformed search query"),
        ("date_opened > '2024-02-31'", "not a valid date"),
        ("fuzzy-match(name, 'Asha')", "not a valid standalone function"),
    ],
)
def test_a_malformed_query_is_a_bad_request(hq, query, message):
    answer = hq.ask("case/v2/", params={"query": query})

    assert answer.status_code == 400
    assert message in answer.json()["error"]
