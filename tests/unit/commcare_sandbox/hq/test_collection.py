"""A generated collection against a plain list of the same records."""

import pytest
from commcare_sandbox.hq.data.cases import FAMILIES, FAMILY, PERIOD
from commcare_sandbox.hq.data.collection import FOREVER, DateRange, Query
from commcare_sandbox.hq.data.domain import Domain
from commcare_sandbox.hq.data.timestamps import read
from hypothesis import given, settings
from hypothesis import strategies as st

EVERYTHING = Query()
VISITS = Query(
    residues=frozenset(at for at in range(PERIOD) if FAMILIES[at % FAMILY][0] == "visit"),
    residue_test=lambda case: case.case_type == "visit",
)
OWNED = Query(tests=(lambda case: case.owner_id < "8",), name="owned")
QUERIES = [EVERYTHING, VISITS, OWNED]
changes = st.lists(
    st.tuples(st.sampled_from(["edit", "delete", "submit", "reindex", "hide"]), st.integers(1, 5)),
    max_size=6,
)


def changed_domain(size, plan):
    domain = Domain("river-health", 3, size, 40)
    for what, count in plan:
        if what == "edit":
            for case_id in domain.some_cases(count):
                domain.edit_case(case_id, {"properties": {"x": "1"}})
        elif what == "delete":
            for case_id in domain.some_cases(count):
                domain.delete_case(case_id)
        elif what == "submit":
            domain.submit_form({})
        elif what == "reindex":
            domain.reindex()
        else:
            domain.hide(10 * count, 0, 10**6)
    return domain


def stamp(case):
    return read(case.indexed_on) // 1000


def walked(domain, query, limit):
    key, found = (-FOREVER, ""), []
    while page := domain.cases.page_after(query, key, limit):
        found += page
        key = stamp(page[-1]), page[-1].case_id
    return found


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 330), plan=changes, limit=st.integers(1, 97), query=st.sampled_from(QUERIES)
)
def test_cursor_and_offset_yield_every_record_once_whatever_happened(size, plan, limit, query):
    domain = changed_domain(size, plan)

    by_cursor = walked(domain, query, limit)
    total = domain.cases.count(query)
    by_offset = [
        case
        for offset in range(0, total, limit)
        for case in domain.cases.slice(query, "indexed_on", offset, limit)
    ]

    assert [(stamp(c), c.case_id) for c in by_cursor] == sorted(
        {(stamp(c), c.case_id) for c in by_cursor}
    )
    assert total == len(by_cursor)
    assert sorted(c.case_id for c in by_offset) == sorted(c.case_id for c in by_cursor)
    assert [stamp(c) for c in by_offset] == [stamp(c) for c in by_cursor]


@settings(max_examples=40, deadline=None)
@given(
    plan=changes,
    field=st.sampled_from(["indexed_on", "server_last_modified", "last_modified"]),
    ends=st.tuples(st.integers(0, 219), st.integers(0, 219)),
)
def test_a_window_of_time_holds_what_lies_in_it(plan, field, ends):
    domain = changed_domain(220, plan)
    everything = walked(domain, EVERYTHING, 50)
    timestamps = sorted(read(getattr(case, field)) // 1000 for case in everything)
    low, high = sorted(timestamps[min(end, len(timestamps) - 1)] for end in ends)
    query = Query((DateRange(field, low, high),))

    found = walked(domain, query, 50)

    inside = [c for c in everything if low <= read(getattr(c, field)) // 1000 <= high]
    assert [c.case_id for c in found] == [c.case_id for c in inside]
    assert domain.cases.count(query) == len(inside)


def test_a_test_on_records_finds_the_same_as_looking_at_all():
    domain = Domain("river-health", 3, 400, 0)

    found = walked(domain, OWNED, 37)

    expected = [c.case_id for c in walked(domain, EVERYTHING, 100) if c.owner_id < "8"]
    assert [c.case_id for c in found] == expected


def test_the_same_seed_makes_the_same_records_and_another_seed_others():
    first, same, other = (walked(Domain("d", seed, 50, 10), EVERYTHING, 20) for seed in (1, 1, 2))

    assert first == same
    assert {c.case_id for c in first} & {c.case_id for c in other} <= {
        c.case_id
        for c in first
        if c.case_id.startswith(("8e6f", "45WK", "9c1e", "d1", "xxx", "aaaa"))
    }


@pytest.mark.parametrize("kind", ["cases", "forms"])
def test_an_empty_domain_answers_nothing(kind):
    collection = getattr(Domain("d", 1, 0, 0), kind)

    assert collection.count(EVERYTHING) == 0
    assert collection.page_after(EVERYTHING, (-FOREVER, ""), 10) == []
    assert collection.slice(EVERYTHING, "indexed_on", 0, 10) == []
    assert collection.get("nothing") is None


def test_a_million_records_are_counted_and_entered_in_the_middle_at_once():
    domain = Domain("d", 1, 1_000_000, 1_000_000)

    assert domain.total() == {"cases": 1_000_000, "forms": 1_000_000}
    page = domain.cases.slice(EVERYTHING, "indexed_on", 654_321, 5)
    middle = domain.cases.get(page[0].case_id)
    assert middle == page[0]
