"""Keys of rows without an id stay the same, whatever happens to other rows."""

from __future__ import annotations

from commcare_sandbox import Sandbox

KINDS = {
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
    "completed_works": {"status": "edited", "saved_payment_accrued_usd": "9.99", "reason": "x"},
    "payments": {"confirmation_date": "2026-09-01T00:00:00Z", "payment_method": "cash"},
    "assessments": {"score": 101, "passed": False},
    "completed_modules": {"duration": "00:00:01"},
}
SMALL = {"cases": 0, "forms": 0}


def by_row(run, stream):
    """Return the keys of rows by all their columns and their position among equal rows."""
    found: dict[tuple, str] = {}
    for record in run.records(stream):
        shown = tuple(str(v) for k, v in sorted(record.items()) if k != "record_key")
        place = sum(known[:-1] == shown for known in found)
        found[*shown, place] = record["record_key"]
    return found


def test_keys_do_not_depend_on_the_page_size_or_the_read(tap, select):
    catalog = select(*KINDS)
    first, second = tap(catalog=catalog, page_size=1000), tap(catalog=catalog, page_size=2)

    for stream in KINDS:
        assert by_row(first, stream) == by_row(second, stream)
        assert len(set(first.keys(stream))) == len(first.keys(stream))


def test_keys_survive_edits_insertions_and_deletions(tap_on, select):
    with Sandbox(**SMALL, connect_opportunities=3, connect_visits=120) as server:
        tap, catalog = tap_on(server), select(*KINDS)
        before = tap(catalog=catalog)
        for stream, kind in KINDS.items():
            content = [item for item in server.connect.content(kind) if item["opportunity"] == 2]
            edited, deleted = content[3], content[1]
            server.connect.edit(kind, 2, edited["row_id"], **MUTABLE[stream])
            server.connect.delete(kind, 2, deleted["row_id"])
            server.connect.insert(kind, 2, count=3)
            late = {CREATED[stream]: "2026-01-31T08:00:00.000001Z"}
            server.connect.insert(kind, 2, late, before=content[0]["row_id"] + 1)
        after = tap(catalog=catalog)

    for stream in KINDS:
        keys_before, keys_after = set(before.keys(stream)), set(after.keys(stream))
        assert len(keys_before - keys_after) == 1
        assert len(keys_after - keys_before) == 4
        assert len(after.keys(stream)) == len(keys_after)
        was = {record["record_key"]: record for record in before.records(stream)}
        known = [r for r in after.records(stream) if r["record_key"] in was]
        changed = [record for record in known if record != was[record["record_key"]]]
        column, value = next(iter(MUTABLE[stream].items()))
        assert [record[column] for record in changed] == [value]


def test_a_timestamp_may_be_spelled_differently(tap_on, select):
    with Sandbox(**SMALL, connect_opportunities=1, connect_visits=10) as server:
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
    with Sandbox(**SMALL, connect_opportunities=1, connect_visits=10) as server:
        for row in list(server.connect.content("user_data"))[:2]:
            server.connect.edit("user_data", 1, row["row_id"], username=None)
        first = tap_on(server)(catalog=select("users"))
        second = tap_on(server)(catalog=select("users"), page_size=1)

    names = [record["username"] for record in first.records("users")]
    assert len(set(names)) == 8
    assert sum(name.startswith("missing-") for name in names) == 2
    assert names == [record["username"] for record in second.records("users")]
