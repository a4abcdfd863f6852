"""Behaviour of HQ where its code and its documentation disagree."""

from __future__ import annotations

import base64
import io
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest

ROWS = [
    # path, params, status, text of the answer
    ("ucr/v1/", {}, 400, "Missing data_source_id parameter"),
    (
        "case/v2/",
        {"fields": "case_id", "exclude": "properties"},
        400,
        "{\"error\":\"You cannot specify both 'fields' and 'exclude'\"}",
    ),
    ("user/v1/gone/", {}, 400, '{"error":'),
    ("web-user/v1/gone/", {}, 400, '{"error":'),
    ("v0.5/user/gone/", {}, 400, '{"error":'),
    ("group/v1/gone/", {}, 404, ""),
    ("messaging-event/v1/", {"content_type": "smoke"}, 500, ""),
    ("messaging-event/v1/", {"source": "smoke"}, 500, ""),
    ("messaging-event/v1/", {"order_by": "status"}, 400, "order_by"),
    ("messaging-event/v1/", {"date.start": "2024-01-01"}, 400, "date range"),
    ("messaging-event/v1/gone/", {}, 404, ""),
    ("det_export_instance/v1/gone/", {}, 404, ""),
    ("form_attachment/v1/gone/form.xml", {}, 404, ""),
    ("case_attachment/v1/gone/photo.jpg", {}, 404, ""),
]


@pytest.mark.parametrize(("path", "params", "status", "text"), ROWS)
def test_refusals_have_the_status_and_the_words_of_hq(hq, path, params, status, text):
    answer = hq.ask(path, params=params)

    assert answer.status_code == status
    assert text in answer.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "Payload must be valid JSON"),
        ("", "Payload must be valid JSON"),
        ("{}", "Payload must include 'case_ids' or 'external_ids' fields"),
        ('{"case_id": ["a"]}', "Payload must include 'case_ids' or 'external_ids' fields"),
    ],
)
def test_bulk_fetch_says_what_its_payload_lacks(hq, body, words):
    answer = hq.ask("case/v2/bulk-fetch/", "POST", data=body)

    assert (answer.status_code, answer.json()) == (400, {"error": words})


def test_an_external_id_of_several_cases_is_refused(own):
    first, second = (case["case_id"] for case in own.get("case/v2/", limit=2)["cases"])
    for case_id in (first, second):
        own.sandbox.edit_case(case_id, external_id="twin")

    answer = own.ask("case/v2/ext/twin/")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Multiple cases found with external_id")


def counted(hq, path: str, **params: str) -> int:
    answer = hq.get(path, limit=1, **params)
    return (
        answer["matching_records"]
        if "matching_records" in answer
        else answer["meta"]["total_count"]
    )


@pytest.mark.parametrize("name", ["closed", "include_deprecated"])
def test_yes_and_no_are_any_text(hq, name):
    yes = {counted(hq, "case/v2/", **{name: text}) for text in ("true", "1", "yes", "Y", "x", "")}
    no = {counted(hq, "case/v2/", **{name: text}) for text in ("false", "F", "n", "No", "0")}

    assert len(yes) == len(no) == 1
    assert yes != no


def test_location_v2_filters_by_date_type_and_parent(hq):
    locations = hq.walk("location/v2/")
    dates = sorted(location["last_modified"] for location in locations)
    middle = dates[len(dates) // 2]
    child = next(location for location in locations if location["parent_location_id"])
    code, parent = child["location_type_code"], child["parent_location_id"]

    for name in ("last_modified.gte", "last_modified__gte"):
        found = hq.walk("location/v2/", **{name: middle})
        assert sorted(p["last_modified"] for p in found) == [d for d in dates if d >= middle]
    assert {p["location_type_code"] for p in hq.walk("location/v2/", location_type_code=code)} == {
        code
    }
    children = hq.walk("location/v2/", parent_location_id=parent)
    assert child in children
    assert {p["parent_location_id"] for p in children} == {parent}
    assert hq.walk("location/v2/", unknown="x") == locations


@pytest.mark.parametrize("path", ["case/v2/", "ucr/v1/", "messaging-event/v1/"])
def test_a_member_without_the_permission_sees_a_page_and_a_stranger_nothing(hq, path):
    stranger = hq.ask(f"/a/elsewhere/api/{path}")
    hq.sandbox.set(missing_permission="edit_data")
    member = hq.ask(path)

    assert (stranger.status_code, stranger.content) == (403, b"")
    assert member.status_code == 403
    assert member.headers["Content-Type"].startswith("text/html")
    assert "403 Forbidden" in member.text


def test_xmlns_is_case_sensitive(hq):
    xmlns = hq.get("form/v1/", limit=1)["objects"][0]["form"]["@xmlns"]

    assert counted(hq, "form/v1/", xmlns=xmlns) > 0
    assert counted(hq, "form/v1/", xmlns=xmlns.swapcase()) == 0


@pytest.mark.parametrize(
    "text", ["March 5 2024", "5 Mar 2024", "Mar 5, 2024 00:00", "2024/03/05", "20240305"]
)
def test_dates_of_version_2_are_read_in_any_spelling(hq, text):
    expected = counted(hq, "case/v2/", **{"indexed_on.gte": "2024-03-05"})

    assert counted(hq, "case/v2/", **{"indexed_on.gte": text}) == expected > 0
    assert hq.ask("case/v2/", params={"indexed_on.gte": "soon"}).status_code == 400


def test_user_domains_is_one_list_or_older_pages(hq):
    new = hq.get("/api/user_domains/v1/", limit=1)
    hq.sandbox.set(old_user_domains=True)
    old = hq.get("/api/user_domains/v1/", limit=1)

    assert new["meta"] == {"total_count": 2}
    assert len(new["objects"]) == 2
    assert old["meta"]["next"] == "/api/user_domains/v1/?limit=1&offset=1"
    assert hq.walk("/api/user_domains/v1/", limit=1) == new["objects"]
    assert set(hq.get("/api/identity/v1/")) == {
        "id", "username", "first_name", "last_name", "email"
    }  # fmt: skip


@pytest.mark.parametrize("limit", [None, 40])
def test_ucr_links_are_absolute_and_name_the_source_or_bare_in_older_releases(hq, limit):
    source = hq.get("ucr_data_source/v1/")["objects"][0]["id"]
    asked = {"data_source_id": source} | ({} if limit is None else {"limit": limit})
    new = hq.get("ucr/v1/", **asked)["meta"]["next"]
    hq.sandbox.set(next_style="bare")
    old = hq.get("ucr/v1/", **asked)["meta"]["next"]

    assert new.startswith(f"{hq.sandbox.url}/a/")
    query = parse_qs(urlsplit(new).query)
    assert query["data_source_id"] == [source]
    assert query["limit"] == [str(limit or 1000)]
    assert old.startswith("?cursor=")
    assert parse_qs(urlsplit(old).query).keys() == {"cursor"}


def test_records_have_what_the_pages_of_hq_left_out(hq):
    form = hq.get("form/v1/", limit=1)["objects"][0]
    case = hq.get("case/v1/", limit=1)["objects"][0]

    assert form.keys() >= {
        "submit_ip", "problem", "edited_by_user_id", "is_phone_submission",
        "initial_processing_complete", "type", "version", "uiversion",
    }  # fmt: skip
    assert case.keys() >= {"opened_by", "user_id", "server_date_opened", "closed_by", "xform_ids"}


def test_nested_properties_of_cases_can_be_left_out(hq):
    (case,) = hq.get("case/v2/", limit=1)["cases"]
    first, *others = case["properties"]
    asked = {"limit": 1, "exclude.properties": first}

    (lighter,) = hq.get("case/v2/", **asked)["cases"]
    (only,) = hq.get("case/v2/", limit=1, fields=f"case_id,properties.{first}")["cases"]

    assert list(lighter["properties"]) == others
    assert only == {"case_id": case["case_id"], "properties": {first: case["properties"][first]}}


def test_messaging_events_are_paged_by_absolute_links(hq):
    events = hq.walk("messaging-event/v1/", limit=30)
    first = hq.get("messaging-event/v1/")
    last = hq.walk("messaging-event/v1/", order_by="-date_last_activity", limit=7)

    assert first["meta"]["limit"] == len(first["objects"]) == 20
    assert first["meta"]["next"].startswith(f"{hq.sandbox.url}/a/")
    assert hq.get("messaging-event/v1/", limit=9999)["meta"] == {"limit": 5000, "next": None}
    assert len({event["id"] for event in events}) == len(events) == 130
    assert [event["date"] for event in events] == sorted(event["date"] for event in events)
    assert {event["id"] for event in last} == {event["id"] for event in events}
    dates = [event["date_last_activity"] for event in last]
    assert dates == sorted(dates, reverse=True)
    assert hq.get(f"messaging-event/v1/{events[3]['id']}/") == events[3]
    assert events[0].keys() >= {
        "id", "content_type", "date", "date_last_activity", "case_id", "messages", "recipient",
        "source", "form", "error", "status",
    }  # fmt: skip


def test_messaging_events_are_filtered(hq):
    events = hq.walk("messaging-event/v1/", limit=5000)
    mailed = next(e for e in events if e["messages"] and e["content_type"] == "email")
    called = next(e for e in events if e["messages"] and e["content_type"] == "sms")
    at = mailed["date_last_activity"]
    message = called["messages"][0]
    filters = {
        "content_type": ("sms", lambda e: e["content_type"] == "sms"),
        "source": ("broadcast", lambda e: e["source"]["type"] == "broadcast"),
        "status": ("error", lambda e: e["status"] == "error"),
        "error_code": ("INVALID_NUMBER", lambda e: e["error"] is not None),
        "phone_number": (message["phone_number"], lambda e: e["id"] == called["id"]),
        "email_address": (
            mailed["messages"][0]["email_address"],
            lambda e: e["id"] == mailed["id"],
        ),
        "case_id": (events[1]["case_id"], lambda e: e["id"] == events[1]["id"]),
        "date.gte": (mailed["date"], lambda e: e["date"] >= mailed["date"]),
        "date_last_activity.lt": (at, lambda e: e["date_last_activity"] < at),
    }

    for name, (value, fits) in filters.items():
        found = hq.walk("messaging-event/v1/", limit=11, **{name: value})
        assert found == [event for event in events if fits(event)], name
        assert found, name


def test_data_sources_and_reports_describe_themselves(hq):
    sources = hq.get("ucr_data_source/v1/")
    report = hq.get("simplereportconfiguration/v1/")["objects"][0]
    source = sources["objects"][0]
    row = hq.get("ucr/v1/", data_source_id=source["id"], limit=1)["objects"][0]

    assert sources["meta"] == {"total_count": 3}
    assert {i["column_id"] for i in source["configured_indicators"]} <= row.keys()
    assert all(i["datatype"] for i in source["configured_indicators"])
    assert hq.get(f"ucr_data_source/v1/{source['id']}/") == source
    assert report.keys() >= {"title", "filters", "columns"}
    hq.sandbox.set(missing_permission="edit_ucrs")
    assert hq.ask("ucr_data_source/v1/").status_code == 403


def test_saved_exports_name_a_workbook_for_the_export_tool(hq):
    exports = hq.walk("det_export_instance/v1/", limit=3)
    export = exports[-1]
    book = hq.ask(export["det_config_url"])

    assert {export["type"] for export in exports} == {"form", "case"}
    assert export.keys() == {
        "id", "name", "type", "export_format", "is_deidentified", "case_type", "xmlns",
        "det_config_url",
    }  # fmt: skip
    assert hq.get(f"det_export_instance/v1/{export['id']}/") == export
    assert book.status_code == 200
    sheet = zipfile.ZipFile(io.BytesIO(book.content)).read("xl/worksheets/sheet1.xml").decode()
    assert "Data Source" in sheet
    assert export["case_type"] in sheet


def test_attachments_are_the_bytes_that_forms_speak_of(hq):
    found = {}
    for form in hq.walk("form/v1/", limit=1000):
        found |= {name: (form, facts) for name, facts in form["attachments"].items()}
    picture = next(name for name in found if name.endswith(".jpg"))

    for name in ("form.xml", picture):
        form, facts = found[name]
        answer = hq.ask(facts["url"])
        assert (len(answer.content), answer.headers["Content-Type"]) == (
            facts["length"], facts["content_type"],
        )  # fmt: skip
        assert hq.ask(f"form/attachment/{form['id']}/{name}").content == answer.content
    assert hq.ask(found[picture][1]["url"]).content.startswith(b"\xff\xd8\xff")
    case = hq.get("case/v2/", limit=1)["cases"][0]["case_id"]
    assert hq.ask(f"case_attachment/v1/{case}/photo.jpg").content.startswith(b"\xff\xd8\xff")


def test_a_page_of_a_data_source_ends_inside_a_document(hq):
    source = hq.get("ucr_data_source/v1/")["objects"][2]["id"]
    whole = hq.get("ucr/v1/", data_source_id=source, limit=10_000)["objects"]
    docs = [row["doc_id"] for row in whole]
    limit = next(n for n in range(20, len(docs)) if docs[n - 1] == docs[n])
    first = hq.get("ucr/v1/", data_source_id=source, limit=limit)
    followed = hq.walk("ucr/v1/", data_source_id=source, limit=limit)
    cursor = base64.b64decode(parse_qs(urlsplit(first["meta"]["next"]).query)["cursor"][0])

    assert first["objects"] == whole[:limit]
    assert docs[limit - 1] in cursor.decode()
    assert len(followed) < len(whole)
