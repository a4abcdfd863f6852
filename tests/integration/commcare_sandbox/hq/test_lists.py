"""Lists of HQ: pagination, limits, filters, and errors."""

import base64
import random
from urllib.parse import parse_qs, urlsplit

import pytest

PAGED = [
    *("user", "web-user", "group", "location", "location_type"),
    *("lookup_table", "lookup_table_item", "fixture"),
]


def test_random_requests_yield_every_case_and_form_exactly_once(hq):
    cases = [case["case_id"] for case in hq.sandbox.content("cases")]
    forms = [form["id"] for form in hq.sandbox.content("forms")]
    chosen = random.Random(7)  # the same requests every time

    for _ in range(8):
        limit = chosen.randint(7, 300)
        found = [c["case_id"] for c in hq.walk("case/v2/", "cases", limit=limit)]
        assert found == cases
        by = chosen.choice(["indexed_on", "-indexed_on", "received_on", "-server_modified_on"])
        found = hq.walk("form/v1/", limit=limit, order_by=by, include_archived="false")
        timestamps = [form[by.removeprefix("-")].rstrip("Z")[:23] for form in found]
        assert sorted(form["id"] for form in found) == sorted(forms)
        assert timestamps == sorted(timestamps, reverse=by.startswith("-"))
        by = chosen.choice(["server_date_modified", "-date_modified", "indexed_on"])
        found = [case["id"] for case in hq.walk("v0.5/case/", limit=limit, order_by=by)]
        assert sorted(found) == sorted(cases)


@pytest.mark.parametrize(
    ("path", "archived"), [("v0.5/case/", {}), ("form/v1/", {"include_archived": 1})]
)
def test_a_date_cursor_as_of_commcare_export_reads_everything(hq, path, archived):
    known = {}
    since = {}
    while True:
        page = hq.get(path, limit=50, order_by="indexed_on", **since, **archived)
        known |= {record["id"]: record for record in page["objects"]}
        if not page["meta"]["next"]:
            break
        since = {"indexed_on_start": page["objects"][-1]["indexed_on"].removesuffix("Z")}

    kind = "cases" if "case" in path else "forms"
    assert len(known) == sum(1 for _ in hq.sandbox.content(kind))


@pytest.mark.parametrize(
    ("new", "old"),
    [(f"{name}/v1/", f"v0.5/{name}/") for name in [*PAGED, "case", "form", "application"]]
    + [("location/v2/", "v0.6/location/"), ("lookup_table_item/v2/", "v0.6/lookup_table_item/")],
)
def test_old_and_new_addresses_show_the_same_records(hq, new, old):
    def names(path):
        return [record.get("id") or record["location_id"] for record in hq.walk(path)]

    assert names(new) == names(old) != []


def test_case_v2_has_an_old_address_and_needs_no_slash(hq):
    wanted = hq.get("case/v2/", limit=3)["cases"]

    assert hq.get("v0.6/case/", limit=3)["cases"] == wanted
    assert hq.get("case/v2", limit=3)["cases"] == wanted
    assert hq.ask("form/v1").status_code == 404
    assert hq.ask("form/v9/").status_code == 404


@pytest.mark.parametrize("name", PAGED)
def test_next_is_a_bare_query_that_keeps_what_was_asked(hq, name):
    meta = hq.get(f"{name}/v1/", limit=1, extra="x")["meta"]

    assert meta["limit"] == 1
    assert meta["next"] in ("?extra=x&limit=1&offset=1", None)
    assert meta["previous"] is None


@pytest.mark.parametrize(
    ("path", "asked", "granted"),
    [
        ("form/v1/", 5000, 1000),
        ("form/v1/", 0, 1000),
        ("case/v1/", 9000, 5000),
        ("location/v2/", 9000, 5000),
        ("fixture/v1/", None, 1000),
        ("user/v1/", None, 20),
    ],
)
def test_a_limit_is_capped_without_a_word(hq, path, asked, granted):
    params = {} if asked is None else {"limit": asked}

    assert hq.get(path, **params)["meta"]["limit"] == granted


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("form/v1/?limit=x", "Invalid limit 'x' provided. Please provide a positive integer."),
        (
            "user/v1/?limit=-1",
            "Invalid limit '-1' provided. Please provide a positive integer >= 0.",
        ),
        (
            "case/v1/?offset=-1",
            "Invalid offset '-1' provided. Please provide a positive integer >= 0.",
        ),
        ("case/v1/?order_by=name", "No matching 'name' field for ordering on."),
        (
            "form/v1/?indexed_on_start=2024-02-19T12:00:00Z",
            "Bad query parameter: Unknown date format: 2024-02-19T12:00:00Z",
        ),
        ("case/v2/?limit=5001", "You cannot request more than 5000 cases per request."),
        ("case/v2/?limit=nolimitz", "'nolimitz' is not a valid value for 'limit'"),
        ("case/v2/?foo=1", "'foo' is not a valid parameter."),
        ("case/v2/?format=json", "'format' is not a valid parameter."),
        ("case/v2/?indexed_on=2024-01-01", "'indexed_on' is not a valid parameter."),
        ("case/v2/?indexed_on.start=2024-01-01", "'start' is not a valid type of date range."),
        ("case/v2/?indexed_on.gt=no", "Cannot parse datetime 'no'"),
        ("user/v1/?group=g", "Project river-health has no group with id=g"),
        ("location/v1/?name=x", "The 'name' field does not allow filtering."),
        ("configurablereportdata/v1/{report}/?limit=51", "Limit may not exceed 50."),
    ],
)
def test_what_does_not_fit_is_refused_in_words(hq, path, words):
    answer = hq.ask(path.replace("{report}", hq.sandbox.reports[0]))

    assert answer.status_code == 400
    assert answer.json() == {"error": words}


def test_an_unknown_filter_of_v1_matches_nothing(hq):
    assert hq.get("form/v1/", appVersion="1")["meta"]["total_count"] == 0
    assert hq.get("case/v1/", foo="1")["objects"] == []
    assert hq.get("user/v1/", foo="1")["objects"] != []


def test_forms_come_newest_first_and_archived_ones_only_when_asked(hq):
    everything = hq.walk("form/v1/", limit=100, include_archived="false")
    usual = hq.walk("form/v1/", limit=100)

    timestamps = [form["received_on"].rstrip("Z")[:23] for form in usual]
    assert timestamps == sorted(timestamps, reverse=True)
    assert {form["id"] for form in everything} - {form["id"] for form in usual} == {
        form["id"] for form in everything if form["archived"]
    }


def test_bounds_of_v1_are_inclusive_to_the_millisecond(hq):
    forms = hq.walk("form/v1/", limit=100, order_by="indexed_on", include_archived=1)
    one = forms[60]["indexed_on"].removesuffix("Z")

    upward = hq.walk("form/v1/", indexed_on_start=one, include_archived=1)
    downward = hq.walk("form/v1/", indexed_on_end=one, include_archived=1)

    assert len(upward) + len(downward) >= len(forms) + 1
    assert forms[60]["id"] in {form["id"] for form in upward} & {form["id"] for form in downward}


def test_forms_are_found_by_type_app_and_case(hq):
    forms = hq.walk("form/v1/", limit=100)
    touching = next(f for f in forms if isinstance(f["form"].get("case"), dict))
    case_id = touching["form"]["case"]["@case_id"]

    by_type = hq.walk("form/v1/", xmlns=touching["form"]["@xmlns"])
    by_app = hq.walk("form/v1/", app_id=touching["app_id"])
    by_case = hq.walk("form/v1/", case_id=case_id, cases__full="true")

    assert {f["id"] for f in by_type} == {
        f["id"] for f in forms if f["form"]["@xmlns"] == touching["form"]["@xmlns"]
    }
    assert {f["id"] for f in by_app} == {
        f["id"] for f in forms if f["app_id"] == touching["app_id"]
    }
    assert touching["id"] in {f["id"] for f in by_case}
    assert all("cases" in f for f in by_case)


def test_a_full_page_has_a_next_even_when_nothing_follows(hq):
    total = hq.get("case/v2/", limit=0)["matching_records"]

    pages = list(hq.pages("case/v2/", "cases", limit=total // 2))
    last = hq.get("case/v2/", limit=5000)

    assert [len(page) for page in pages] == [total // 2, total // 2, 0]
    assert "next" not in last


def test_the_cursor_holds_every_parameter_and_is_absolute(hq):
    next_url = hq.get("case/v2/", limit=5, case_type="visit")["next"]

    query = parse_qs(urlsplit(next_url).query)
    inside = parse_qs(base64.b64decode(query["cursor"][0]).decode())
    assert next_url.startswith(f"{hq.sandbox.url}/a/river-health/api/case/v2/?cursor=")
    assert set(query) == {"cursor"}
    assert inside["case_type"] == ["visit"]
    assert inside["indexed_on.gte"][0].isdecimal()
    assert set(inside) == {"limit", "case_type", "indexed_on.gte", "last_case_id"}


def test_filters_of_case_v2_are_alternatives_within_and_conditions_across(hq):
    cases = list(hq.sandbox.content("cases"))
    two = hq.walk("case/v2/", "cases", case_type=["visit", "child"], closed="true", limit=50)
    owner = next(c["owner_id"] for c in cases if c["owner_id"])
    owned = hq.walk("case/v2/", "cases", owner_id=owner)
    day = cases[100]["indexed_on"][:10]
    on_day = hq.walk("case/v2/", "cases", **{"indexed_on.gte": day, "indexed_on.lte": day})
    low = hq.walk("case/v2/", "cases", **{"properties.risk": "low"})
    child = next(c for c in cases if "parent" in c["indices"])
    parent = child["indices"]["parent"]["case_id"]
    siblings = hq.walk("case/v2/", "cases", **{"indices.parent": parent})

    def ids(found):
        return [case["case_id"] for case in found]

    assert ids(two) == ids(c for c in cases if c["case_type"] in ("visit", "child") and c["closed"])
    assert ids(owned) == ids(c for c in cases if c["owner_id"] == owner)
    assert ids(on_day) == ids(c for c in cases if c["indexed_on"][:10] == day)
    assert ids(low) == ids(c for c in cases if c["properties"].get("risk") == "low")
    assert ids(siblings) == ids(
        c for c in cases if c["indices"].get("parent", {}).get("case_id") == parent
    )


def test_fields_choose_what_is_shown_on_every_page(hq):
    pages = list(hq.pages("case/v2/", "cases", limit=300, fields="case_id,properties.gps"))
    less = hq.get("case/v2/", limit=1, exclude="properties")["cases"][0]

    assert all(set(c) <= {"case_id", "properties"} for page in pages for c in page)
    assert all(set(c["properties"]) <= {"gps"} for page in pages for c in page)
    assert "properties" not in less
    assert "case_type" in less
    assert hq.get("case/v2/", limit=1, fields="")["cases"] == [{}]
    assert hq.ask("case/v2/?fields=a&exclude=b").status_code == 400


def test_cases_are_fetched_one_by_one_together_and_in_bulk(hq):
    first, second = hq.get("case/v2/", limit=2)["cases"]
    outer = next(c for c in hq.sandbox.content("cases") if c["external_id"])
    one, other = first["case_id"], second["case_id"]

    bulk = hq.ask(
        "case/v2/bulk-fetch/",
        "POST",
        json={"case_ids": [other, "gone", one], "external_ids": ["x1", outer["external_id"]]},
    ).json()

    assert hq.get(f"case/v2/{one}") == first
    assert hq.get(f"case/v2/{other},gone,{one}")["cases"][::2] == [second, first]
    assert hq.get(f"case/v2/ext/{outer['external_id']}/")["case_id"] == outer["case_id"]
    assert bulk == {
        "matching_records": 3,
        "missing_records": 2,
        "cases": [
            second,
            {"case_id": "gone", "error": "not found"},
            first,
            {"external_id": "x1", "error": "not found"},
            outer,
        ],
    }
    missing = hq.ask("case/v2/gone")
    assert (missing.status_code, missing.json()) == (404, {"error": "Case 'gone' not found"})
    assert hq.ask("case/v2/bulk-fetch/", "GET").status_code == 405


def test_workers_are_listed_active_or_else_deactivated(own):
    active = own.walk("user/v1/", limit=7)
    gone = own.walk("user/v1/", archived="true")

    own.sandbox.deactivate_user(active[0]["id"])

    assert {u["id"] for u in active} & {u["id"] for u in gone} == set()
    assert active[0]["id"] in {u["id"] for u in own.walk("user/v1/", archived="true")}
    assert active[0]["id"] not in {u["id"] for u in own.walk("user/v1/")}
    assert {type(u["user_data"].get("commcare_location_ids")) for u in active} >= {str, list}
    assert {u["eulas"] for u in active} == {"[]"}


def test_archived_locations_vanish_and_roots_have_an_empty_parent(own):
    locations = own.walk("location/v1/")
    second = {p["location_id"]: p for p in own.walk("location/v2/")}

    own.sandbox.archive_location(locations[-1]["location_id"])

    assert len(own.walk("location/v1/")) == len(own.walk("location/v2/")) == len(locations) - 1
    assert second[locations[0]["location_id"]]["parent_location_id"] == ""
    assert locations[0]["parent"] is None
    assert locations[1]["parent"] == locations[0]["resource_uri"]
    assert second[locations[1]["location_id"]]["parent_location_id"] == locations[0]["location_id"]


def test_locations_are_filtered_by_when_they_changed(hq):
    locations = sorted(hq.walk("location/v1/"), key=lambda location: location["last_modified"])

    late = hq.walk("location/v1/", last_modified__gte=locations[10]["last_modified"])

    assert sorted(p["location_id"] for p in late) == sorted(
        p["location_id"] for p in locations[10:]
    )


def test_a_report_ends_with_an_empty_next_and_changes_its_columns(hq):
    first = hq.get(f"configurablereportdata/v1/{hq.sandbox.reports[0]}/")
    second = hq.ask(first["next_page"]).json()

    assert (len(first["data"]), len(second["data"])) == (50, 11)
    assert second["next_page"] == ""
    assert len(first["columns"]) < len(second["columns"])
    assert hq.get("simplereportconfiguration/v1/")["meta"] == {"total_count": 2}


@pytest.mark.parametrize("style", ["default", "bare"])
def test_a_data_source_is_read_by_cursor_to_an_empty_page(hq, style):
    hq.sandbox.set(next_style=style)
    found, asked = [], {"data_source_id": hq.sandbox.data_sources[0], "limit": 40}
    while True:
        page = hq.get("ucr/v1/", **asked)
        found += page["objects"]
        if not page["meta"]["next"]:
            break
        link = parse_qs(page["meta"]["next"].partition("?")[2])
        assert ("data_source_id" in link) == (style == "default")
        asked["cursor"] = link["cursor"][0]

    keys = [(row["inserted_at"], row["doc_id"]) for row in found]
    assert len(set(keys)) == len(keys) == 130
    assert page["objects"] == []
    assert page["meta"]["limit"] == "40"
    missing = hq.ask("ucr/v1/")
    assert (missing.status_code, missing.text) == (400, "Missing data_source_id parameter")


def test_a_page_of_a_data_source_ends_inside_a_document(hq):
    params = {"data_source_id": hq.sandbox.data_sources[2]}
    whole = hq.get("ucr/v1/", **params, limit=1000)["objects"]
    cut = next(at for at in range(1, 50) if whole[at]["doc_id"] == whole[at - 1]["doc_id"])
    page = hq.get("ucr/v1/", **params, limit=cut)
    cursor = parse_qs(page["meta"]["next"].partition("?")[2])["cursor"][0]
    next_url = hq.get("ucr/v1/", **params, limit=5, cursor=cursor)["objects"]

    assert page["objects"] == whole[:cut]
    assert next_url[0]["doc_id"] != whole[cut]["doc_id"]


def test_a_lookup_row_is_flat_only_if_all_its_fields_have_one_value(hq):
    rows = hq.get("fixture/v1/")["objects"]

    kinds = {tuple(sorted({type(v).__name__ for v in row["fields"].values()})) for row in rows}
    assert kinds == {("str",), ("dict",)}
    assert None in {row["fixture_type"] for row in rows}


def test_applications_come_in_one_page_with_builds_and_a_broken_module(hq):
    page = hq.get("application/v1/", limit=1)
    app = page["objects"][0]

    assert page["meta"] == {
        "limit": None,
        "next": None,
        "offset": 0,
        "previous": None,
        "total_count": len(page["objects"]),
    }
    assert any(list(module) == ["error"] for module in app["modules"])
    build = hq.get(f"application/v1/{app['versions'][0]['id']}/")
    assert (build["built_from_app_id"], build["versions"]) == (app["id"], [])


def test_identity_is_a_bare_object(hq):
    me = hq.get("/api/identity/v1/")

    assert set(me) == {"id", "username", "first_name", "last_name", "email"}
    assert me == hq.get("/api/v0.5/identity/")
