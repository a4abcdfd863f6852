"""Keys of rows without an id: the same for the same row, whatever happens around it."""

from __future__ import annotations

import pytest
from commcare_sandbox import Sandbox

FROM_STREAM = {
    "completed_works": "completed_works",
    "payments": "payment",
    "assessments": "assessment",
    "completed_modules": "completed_module",
}
CREATED = {
    "completed_works": "date_created",
    "payments": "created_at",
    "assessments": "date",
    "completed_modules": "date",
}
MUTABLE = {
    "completed_works": {"status": "approved", "saved_payment_accrued_usd": "9.99", "reason": "x"},
    "payments": {"confirmed": True, "confirmation_date": "2026-09-01T00:00:00Z"},
    "assessments": {"score": 1, "passed": False},
    "completed_modules": {"duration": "00:00:01"},
}


def rows(run, stream):
    """Return keys by what identifies a row for a reader: all columns, and its place among twins."""
    found: dict[tuple, str] = {}
    for record in run.records(stream):
        shown = tuple(str(v) for k, v in sorted(record.items()) if k != "record_key")
        place = sum(known[:-1] == shown for known in found)
        found[*shown, place] = record["record_key"]
    return found


@pytest.mark.parametrize("stream", FROM_STREAM)
def test_keys_do_not_depend_on_the_page_size_or_the_read(tap, select, stream):
    catalog = select(stream)
    first, second = tap(catalog=catalog, page_size=1000), tap(catalog=catalog, page_size=1)

    assert rows(first, stream) == rows(second, stream)
    assert len(set(first.keys(stream))) == len(first.keys(stream))


@pytest.mark.parametrize("stream", FROM_STREAM)
def test_keys_survive_edits_insertions_and_deletions(tap_on, select, stream):
    kind = FROM_STREAM[stream]
    with Sandbox(cases=0, forms=0, connect_opportunities=3, connect_visits=120) as server:
        tap, catalog = tap_on(server), select(stream)
        before = tap(catalog=catalog)
        content = [item for item in server.connect.content(kind) if item["opportunity"] == 2]
        edited, deleted = content[3], content[1]
        server.connect.edit(kind, 2, edited["row_id"], **MUTABLE[stream])
        server.connect.delete(kind, 2, deleted["row_id"])
        server.connect.insert(kind, 2, count=3)
        late = {CREATED[stream]: "2026-01-31T08:00:00.000001Z"}
        server.connect.insert(kind, 2, late, before=content[0]["row_id"] + 1)
        after = tap(catalog=catalog)

    keys_before = set(before.keys(stream))
    keys_after = set(after.keys(stream))
    assert len(keys_before - keys_after) == 1
    assert len(keys_after - keys_before) == 4
    assert len(after.keys(stream)) == len(keys_after)
    was = {record["record_key"]: record for record in before.records(stream)}
    column = next(iter(MUTABLE[stream]))
    changed = [
        r for r in after.records(stream) if r["record_key"] in was and r != was[r["record_key"]]
    ]
    assert len(changed) == 1
    assert str(changed[0][column]) == str(MUTABLE[stream][column])


def test_a_moment_may_be_spelled_otherwise(tap_on, select):
    with Sandbox(cases=0, forms=0, connect_opportunities=1, connect_visits=10) as server:
        tap, catalog = tap_on(server), select("assessments")
        before = tap(catalog=catalog).keys("assessments")
        row = next(iter(server.connect.content("assessment")))
        server.connect.edit("assessment", 1, row["row_id"], date="2026-02-05T06:00:00.000000Z")

        assert tap(catalog=catalog).keys("assessments") == before


def test_equal_twins_each_have_a_key(tap, select):
    run = tap(catalog=select("payments"))

    shown = [tuple(v for k, v in r.items() if k != "record_key") for r in run.records("payments")]
    assert len(set(map(str, shown))) < len(shown)
    assert len(set(run.keys("payments"))) == len(shown)


def test_a_worker_without_a_username_has_a_key_all_the_same(tap_on, select):
    with Sandbox(cases=0, forms=0, connect_opportunities=1, connect_visits=10) as server:
        rows = list(server.connect.content("user_data"))[:2]
        for row in rows:
            server.connect.edit("user_data", 1, row["row_id"], username=None)
        first = tap_on(server)(catalog=select("users"))
        second = tap_on(server)(catalog=select("users"), page_size=1)

    names = [record["username"] for record in first.records("users")]
    assert len(set(names)) == 8
    assert sum(name.startswith("missing-") for name in names) == 2
    assert names == [record["username"] for record in second.records("users")]
