"""Changes to the data while a client reads it."""

import pytest


def indexed(records):
    return [record["indexed_on"] for record in records]


def test_an_edited_case_moves_to_the_end_and_keeps_its_id(own):
    case_id = next(own.pages("case/v2/", "cases", limit=5))[0]["case_id"]

    own.sandbox.edit_case(case_id, properties={"risk": "", "new": "1"}, case_name="N", closed=True)

    cases = own.walk("case/v2/", "cases", limit=100)
    assert [c["case_id"] for c in cases].index(case_id) == len(cases) - 1
    last = cases[-1]
    assert (last["case_name"], last["closed"], last["properties"]["new"]) == ("N", True, "1")
    assert last["date_closed"] == last["server_last_modified"]


def test_a_case_edited_between_two_pages_comes_again(own):
    first = own.get("case/v2/", limit=100)
    seen = [case["case_id"] for case in first["cases"]]

    own.sandbox.edit_case(seen[3])
    rest = own.walk(first["next"].removeprefix(own.sandbox.url), "cases")

    everything = [c["case_id"] for c in own.sandbox.content("cases")]
    assert seen[3] == rest[-1]["case_id"]
    assert sorted({*seen, *(c["case_id"] for c in rest)}) == sorted(everything)


def test_offset_paging_over_a_moving_list_skips_a_record(own):
    first = own.get("form/v1/", limit=50, order_by="indexed_on")
    own.sandbox.edit_form(first["objects"][0]["id"])

    second = own.get("form/v1/", limit=1, offset=50, order_by="indexed_on")
    skipped = own.get("form/v1/", limit=1, offset=49, order_by="indexed_on")

    assert skipped["objects"][0]["id"] not in {f["id"] for f in first["objects"]}
    assert second["objects"][0]["id"] != skipped["objects"][0]["id"]


def test_churn_moves_cases_while_they_are_read_and_none_is_lost(own):
    own.sandbox.set(churn=3)

    found = {case["case_id"] for case in own.walk("case/v2/", "cases", limit=100)}

    own.sandbox.set(churn=0)
    assert found == {case["case_id"] for case in own.sandbox.content("cases")}


def test_an_edited_form_keeps_id_and_received_on_and_says_who_edited(own):
    count_below = own.get("form/v1/", limit=30)["objects"][29]

    own.sandbox.edit_form(count_below["id"], form={"note": "corrected"})

    after = own.get(f"form/v1/{count_below['id']}/")
    assert after["received_on"] == count_below["received_on"]
    assert after["form"] == count_below["form"] | {"note": "corrected"}
    assert after["edited_on"] == after["server_modified_on"] == after["indexed_on"]
    assert after["edited_by_user_id"]


def test_an_archived_form_hides_and_a_deleted_one_is_gone(own):
    forms = own.get("form/v1/", limit=3)["objects"]
    archived, deleted, kept = (form["id"] for form in forms)

    own.sandbox.archive_form(archived)
    own.sandbox.delete_form(deleted)

    usual = {form["id"] for form in own.walk("form/v1/", limit=200)}
    everything = {form["id"]: form for form in own.walk("form/v1/?include_archived", limit=200)}
    assert {archived, deleted} & usual == set()
    assert everything[archived]["archived"] is True
    assert deleted not in everything
    own.sandbox.unarchive_form(archived)
    assert kept in usual
    assert own.get("form/v1/", order_by="-indexed_on", limit=1)["objects"][0]["id"] == archived


def test_a_deleted_case_leaves_no_trace(own):
    case_id = own.sandbox.delete_case()

    assert own.ask(f"case/v2/{case_id}").status_code == 404
    assert case_id not in {c["case_id"] for c in own.walk("case/v2/", "cases", limit=200)}


def test_a_submitted_form_creates_updates_and_closes_cases(own):
    known = own.get("case/v2/", limit=1, case_type="household")["cases"][0]["case_id"]
    born = {
        "@case_id": "born-1",
        "create": {"case_name": "B", "case_type": "child", "owner_id": "o"},
        "update": {"weight": "3"},
        "index": {"parent": {"#text": known, "@case_type": "household"}},
    }
    form = {"case": {"@case_id": known, "update": {"x": "y"}, "close": ""}, "g": [{"case": born}]}

    form_id = own.sandbox.submit_form(form=form)

    stored = own.get(f"form/v1/{form_id}/")
    assert stored["form"]["g"] == [{"case": born}]
    assert stored["metadata"]["instanceID"] == form_id
    assert own.get(f"case/v2/{known}")["properties"]["x"] == "y"
    assert own.get(f"case/v2/{known}")["closed"] is True
    child = own.get("case/v2/born-1")
    assert (child["case_type"], child["properties"]) == ("child", {"weight": "3"})
    assert child["indices"]["parent"]["relationship"] == "child"
    assert own.get("case/v1/born-1/")["xform_ids"] == [form_id]


def test_a_record_can_appear_after_others_that_are_stamped_later(own):
    late = own.sandbox.submit_form(
        until_request=own.sandbox.status()["requests"] + 2, form={"a": "1"}
    )
    soon = own.sandbox.submit_form(form={"a": "2"})

    count_below = own.get("form/v1/", order_by="-indexed_on", limit=2)["objects"]
    own.get("form/v1/")
    after = own.get("form/v1/", order_by="-indexed_on", limit=2)["objects"]

    assert count_below[0]["id"] == soon
    assert late not in {form["id"] for form in count_below}
    stamps = {form["id"]: form["indexed_on"] for form in after}
    assert stamps.keys() == {soon, late}
    assert stamps[late] <= stamps[soon]


def test_every_nth_record_can_be_late(own):
    everything = own.get("case/v2/", limit=0)["matching_records"]

    own.sandbox.set(late_every=10, late_requests=2)

    fewer = own.get("case/v2/", limit=0)["matching_records"]
    own.get("case/v2/", limit=0)
    assert fewer < everything * 0.95
    assert own.get("case/v2/", limit=0)["matching_records"] == everything


def test_reindexing_ties_everything_and_the_cursor_still_reads_all(own):
    own.sandbox.edit_case(count=5)
    own.sandbox.reindex()

    cases = own.walk("case/v2/", "cases", limit=70)

    assert len({stamp[:23] for stamp in indexed(cases)}) == 1
    assert [c["case_id"] for c in cases] == sorted(c["case_id"] for c in cases)
    assert [c["case_id"] for c in cases] == [c["case_id"] for c in own.sandbox.content("cases")]


def test_a_date_cursor_never_gets_past_a_tie_that_is_larger_than_its_page(own):
    own.sandbox.reindex()
    params = {"order_by": "indexed_on", "limit": 50}

    first = own.get("case/v1/", **params)["objects"]
    since = first[-1]["indexed_on"][:23]
    again = own.get("case/v1/", indexed_on_start=since, **params)["objects"]

    assert [c["id"] for c in first] == [c["id"] for c in again]


def test_ties_of_v1_can_be_ordered_anew_on_every_request(own):
    own.sandbox.reindex()
    own.sandbox.set(unstable_ties=True)
    params = {"order_by": "indexed_on", "limit": 50}

    first, second = (own.get("case/v1/", **params)["objects"] for _ in range(2))

    assert [c["id"] for c in first] != [c["id"] for c in second]


def test_any_number_of_records_can_be_changed_at_once_in_any_domain(hq):
    count_below = hq.sandbox.status()["domains"]

    hq.sandbox.submit_form(count=4, domain="hill-clinic")

    after = hq.sandbox.status()["domains"]
    assert after["hill-clinic"]["forms"] == count_below["hill-clinic"]["forms"] + 4
    assert after["river-health"] == count_below["river-health"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda s: s.edit_case("gone"), "river-health has no case 'gone'."),
        (lambda s: s.archive_form("gone"), "river-health has no form 'gone'."),
        (lambda s: s.reindex(domain="gone"), "Unknown domain 'gone'."),
        (lambda s: s.deactivate_user("gone"), "river-health has no mobile worker 'gone'."),
    ],
)
def test_a_change_to_what_is_not_there_is_refused(hq, act, words):
    with pytest.raises(Exception, match=words):
        act(hq.sandbox)
