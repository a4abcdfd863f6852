"""Rows of the API, and the records that are made of them."""

from __future__ import annotations

import msgspec
import pytest
from tap_commcare import client
from tap_commcare.endpoints import applications, cases_v1, cases_v2, forms, ucr
from tap_commcare.pagination import ucr_documents
from tap_commcare.streams.locations import LocationsStream
from tap_commcare.tap import TapCommCare
from tap_common import counting_converters as counting
from tap_common.client import ErrorResponse
from tap_common.errors import ApiDisabledError, ForbiddenError, UnexpectedResponseError
from tap_common.stream import to_plain


def case(**more):
    row = {"case_id": "c", "indexed_on": "2024-01-01T00:00:00Z", **more}
    page = cases_v2.DECODE(msgspec.json.encode({"cases": [row]}))
    return to_plain(cases_v2.case_record(page.cases[0], "d"))


def form(**more):
    row = {"id": "f", "indexed_on": "2024-01-01", "form": {"@xmlns": "x"}, **more}
    page = forms.DECODE(msgspec.json.encode({"meta": {}, "objects": [row]}))
    return to_plain(forms.form_record(page.objects[0], "d"))


def test_a_case_with_nothing_but_an_id_has_all_columns():
    record = case()

    columns = next(s for s in TapCommCare.stream_types if s.name == "cases").columns
    assert list(record) == list(columns)
    assert [record[name] for name in ("case_name", "closed", "properties")] == [None, None, None]


def test_empty_becomes_null_in_columns_and_stays_inside_properties():
    record = case(case_name="", external_id="", properties={"a": ""}, indices={}, closed="true")

    assert record["case_name"] is record["external_id"] is None
    assert record["properties"] == {"a": ""}
    assert record["indices"] == {}
    assert record["closed"] is True


def test_a_form_without_metadata_or_with_odd_metadata_has_its_columns():
    assert form(metadata=None)["user_id"] is None
    record = form(metadata={"userID": "u", "timeStart": "2024-01-01T01:02:03.000000"})
    assert record["user_id"] == "u"
    assert record["time_start"] == "2024-01-01T01:02:03.000000Z"
    assert record["time_end"] is None
    assert record["attachments"] == {}
    assert record["case_ids"] == []


def test_a_form_keeps_its_data_unchanged():
    answers = {"@xmlns": "x", "q": {"#text": "1", "@a": "b"}, "flat": "", "repeat": [{}, {}]}

    assert form(form=answers)["form_data"] == answers


@pytest.mark.parametrize("field", ["case_id", "indexed_on"])
def test_a_case_without_what_identifies_it_is_another_shape(field):
    row = {"case_id": "c", "indexed_on": "2024-01-01"}
    del row[field]

    with pytest.raises(UnexpectedResponseError):
        cases_v2.DECODE(msgspec.json.encode({"cases": [row]}))


def test_a_case_of_api_v1_becomes_the_record_of_v2():
    row = cases_v1.CaseRowV1(
        case_id="c",
        indexed_on="2024-01-01",
        date_modified="1900-01-01",
        properties={"case_type": "t", "case_name": "n", "owner_id": None, "edd": ""},
    )

    (record,) = cases_v1.case_v1_records([row], "d", frozenset())

    assert list(record) == list(case())
    assert (record["case_type"], record["case_name"], record["owner_id"]) == ("t", "n", None)
    assert record["last_modified"] is None
    assert record["properties"] == {"edd": ""}


def apps(*found):
    rows = {"meta": {"total_count": len(found)}, "objects": found}
    return applications.DECODE(msgspec.json.encode(rows)).objects


def test_applications_survive_every_shape_of_modules():
    odd = apps(
        {"id": "1"},
        {"id": "2", "modules": None},
        {"id": "3", "modules": [{"error": "broken"}, {}, None, {"case_type": ""}, {"forms": [{}]}]},
        {"id": "4", "modules": [{"name": {"hin": "x"}, "case_type": "t", "case_properties": None}]},
    )

    assert [record["id"] for record in applications.app_records(odd, "d")] == ["1", "2", "3", "4"]
    assert [record["name"] for record in applications.case_type_records(odd, "d")] == ["t"]
    assert applications.form_definition_records(odd, "d") == []
    assert applications.form_question_records(odd, "d") == []


def test_a_shared_xmlns_is_one_definition_with_all_its_uses():
    same = {"xmlns": "x", "name": {"fr": "Un"}, "questions": [{"value": "/data/a"}, {}]}
    other = {
        "xmlns": "x",
        "name": {"en": "Two"},
        "questions": [{"value": "/data/a", "type": "Int"}],
    }
    found = apps(
        {"id": "1", "modules": [{"case_type": "t", "forms": [same, other]}]},
        {"id": "2", "modules": [{"forms": [other, {"xmlns": None}]}]},
    )

    definitions = applications.form_definition_records(found, "d")

    assert [(d["app_id"], d["name"], len(d["uses"])) for d in definitions] == [
        ("1", "Un", 2),
        ("2", "Two", 1),
    ]
    questions = applications.form_question_records(found, "d")
    assert [(q["app_id"], q["path"], q["type"]) for q in questions] == [
        ("1", "/data/a", None),
        ("2", "/data/a", "Int"),
    ]


def test_a_case_type_lists_what_uses_it():
    module = {"case_type": "t", "case_properties": ["b", "a"], "unique_id": "m"}
    found = apps(
        {"id": "1", "name": "One", "modules": [module]},
        {"id": "2", "modules": [{**module, "case_properties": ["c"]}]},
    )

    (record,) = applications.case_type_records(found, "d")

    assert record["properties"] == ["a", "b", "c"]
    assert record["apps"] == [{"id": "1", "name": "One"}, {"id": "2", "name": None}]
    assert len(record["modules"]) == 2


def test_a_location_refers_by_ids_whatever_version_its_links_name():
    row = {
        "location_id": "l",
        "latitude": "-20.1100000000",
        "longitude": None,
        "parent": "https://hq.example/a/d/api/v0.5/location/p/",
        "location_type": "https://hq.example/a/d/api/location_type/v1/2/",
        "last_modified": "2024-03-11T19:29:16",
    }

    (record,) = LocationsStream.records([row], "d")

    assert (record["parent_location_id"], record["location_type_id"]) == ("p", 2)
    assert str(record["latitude"]) == "-20.1100000000"
    assert record["last_modified"] == "2024-03-11T19:29:16.000000Z"


@pytest.mark.parametrize("parent", [None, ""])
def test_a_root_has_no_parent(parent):
    (record,) = LocationsStream.records([{"location_id": "l", "parent": parent}], "d")

    assert record["parent_location_id"] is None


def test_rows_of_one_document_have_different_keys():
    rows = [
        {"doc_id": "x", "inserted_at": "2024-01-01T00:00:00", "repeat_iteration": place}
        for place in (0, 1)
    ]

    records = ucr.ucr_records(ucr_documents.documents_of(rows), "source", "d")

    assert [record["repeat_iteration"] for record in records] == [0, 1]


@pytest.mark.parametrize("given", [None, 0, "", "x"])
def test_rows_of_one_document_without_a_number_are_numbered(given):
    row = {"doc_id": "x", "inserted_at": "2024-01-01T00:00:00", "repeat_iteration": given}

    records = ucr.ucr_records(ucr_documents.documents_of([row, row, row]), "source", "d")

    assert [record["repeat_iteration"] for record in records] == [0, 1, 2]


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://other.example/a/d/api/case/v2/?cursor=x", "/a/d/api/case/v2/?cursor=x"),
        ("http://hq.example/a/d/api/case/v2/?cursor=x", "/a/d/api/case/v2/?cursor=x"),
        ("/a/d/api/v0.6/case/?cursor=x", "/a/d/api/case/v2/?cursor=x"),
        ("?limit=1&offset=1", "/a/d/api/case/v2/?limit=1&offset=1"),
        ({"cursor": "a=b"}, "/a/d/api/case/v2/?cursor=a%3Db"),
        (None, None),
        ("", None),
    ],
)
def test_the_next_page_is_on_the_same_host(link, path):
    assert client.next_path(link, "/a/d/api/case/v2/?limit=1") == path


@pytest.mark.parametrize(
    "link",
    [
        7,
        ["x"],
        {},
        "/a/d/api/case/v2/?limit=1",
        "http://[bad",
        "javascript:alert(1)",
        "file:///etc/passwd?x",
        "//other.example/?x=1",
        "/a/d/api/form/v1/?offset=2",
        "/a/d/api/case/v2/",
    ],
)
def test_a_next_that_leads_nowhere_or_to_itself_is_an_error(link):
    with pytest.raises(UnexpectedResponseError):
        client.next_path(link, "/a/d/api/case/v2/?limit=1")


def test_single_values():
    assert [counting.text(v) for v in ("a", "", None, 7, True)] == [
        "a",
        None,
        None,
        "7",
        "true",
    ]
    assert [counting.boolean(v) for v in (True, "False", "", None)] == [
        True,
        False,
        None,
        None,
    ]
    assert [counting.integer(v) for v in (7, "7", "x", None, True)] == [
        7,
        7,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("row", [{}, {"location_id": None}, {"location_id": ""}])
def test_a_row_of_a_list_without_its_identity_is_another_shape(row):
    with pytest.raises(UnexpectedResponseError, match="without location_id"):
        list(LocationsStream.records([row], "d"))


def test_one_part_that_may_not_be_read_does_not_close_the_domain():
    response = ErrorResponse(401, "https://hq.example/a/d/api/user/v1/", "d", "not authorized")

    assert isinstance(client.to_error(response), ForbiddenError)


@pytest.mark.parametrize("status", [401, 403])
def test_an_expired_subscription_is_recognised_by_its_text_whatever_the_status(status):
    said = "Your current subscription does not have access to this feature"

    error = client.to_error(ErrorResponse(status, "https://hq.example/a/d/api/user/v1/", "d", said))

    assert isinstance(error, ApiDisabledError)
    assert "change the subscription" in str(error)


def test_a_data_source_of_2023_names_its_columns_once():
    body = b'{"objects":{"columns":["doc_id","n"],"rows":[["a",1],["b",null]]},"meta":{"next":""}}'

    assert ucr_documents.DECODE(body).rows == [{"doc_id": "a", "n": 1}, {"doc_id": "b", "n": None}]
    with pytest.raises(UnexpectedResponseError, match="as many values"):
        _ = ucr_documents.DECODE(body.replace(b'["a",1]', b'["a"]')).rows
