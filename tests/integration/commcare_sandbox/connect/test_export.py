"""The export API behaves like Connect's: statuses, bodies, headers, pages."""

from __future__ import annotations

import csv
import io
import json

import pytest
import requests
from commcare_sandbox.connect.export_lists import LISTS, NEW_LISTS

VISITS = "/export/opportunity/3/user_visits/"


@pytest.mark.parametrize("kind", [*LISTS, *NEW_LISTS])
@pytest.mark.parametrize("size", ["1", "7", "5000"])
def test_every_list_gives_all_its_rows_whatever_the_page_size(client, kind, size):
    expected = [each["row"] for each in client.connect.content(kind) if each["opportunity"] == 3]

    assert client.rows(kind, 3, page_size=size) == expected
    assert expected


def test_next_keeps_the_query_and_appends_the_cursor(client):
    answer = client.get(f"{VISITS}?x=1&page_size=9999&images=true&x=2").json()
    answer = client.get(f"{VISITS}?x=1&page_size=2&images=true&x=2").json()
    last_id = answer["results"][-1]["id"]

    assert answer["next"] == (
        f"{client.connect.url}{VISITS}?x=1&page_size=2&images=true&x=2&last_id={last_id}"
        "&cursor_order=forward"
    )
    assert list(answer) == ["next", "results"]


def test_the_last_page_has_no_next_even_when_it_is_full(client):
    count = len(client.rows("task_types", 3))
    answer = client.get(f"/export/opportunity/3/task_types/?page_size={count}").json()

    assert answer["next"] is None


def test_reverse_order_tells_the_largest_hidden_id(client):
    ids = [e["row_id"] for e in client.connect.content("payment") if e["opportunity"] == 3]
    answer = client.get(
        "/export/opportunity/3/payment/", params={"cursor_order": "reverse", "page_size": 1}
    ).json()

    assert f"last_id={max(ids)}&cursor_order" not in answer["next"]
    assert f"last_id={max(ids)}" in answer["next"]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("last_id=x", {"last_id": ["A valid integer is required."]}),
        ("last_id=", {"last_id": ["A valid integer is required."]}),
        ("last_id=0", {"last_id": ["Ensure this value is greater than or equal to 1."]}),
        ("page_size=-1", {"page_size": ["Ensure this value is greater than or equal to 1."]}),
        ("cursor_order=random", {"cursor_order": ['"random" is not a valid choice.']}),
    ],
)
def test_wrong_parameters_of_a_page_are_refused(client, query, body):
    answer = client.get(f"{VISITS}?{query}")

    assert (answer.status_code, answer.json()) == (400, body)


@pytest.mark.parametrize(
    ("accept", "path", "status", "kind"),
    [
        ("application/json; version=2.0", VISITS, 200, "application/json"),
        ('*/*; version="2.0"', VISITS, 200, "application/json"),
        ("*/*", VISITS, 200, "text/csv"),
        ("application/json", VISITS, 200, "text/csv"),
        ("application/json; version=2", VISITS, 406, "application/json"),
        ("text/csv", VISITS, 406, "application/json"),
        ("*/*", "/export/opportunity/3/work_areas/", 406, "application/json"),
        ("*/*", "/export/opportunity/3/", 200, "application/json"),
    ],
)
def test_the_accept_header_chooses_the_version(client, accept, path, status, kind):
    answer = client.get(path, accept=accept)

    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)


def test_every_answer_has_the_headers_of_the_real_one(client):
    answer = client.get("/export/opportunity/99/")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Not found."}
    assert answer.headers["vary"] == "Accept, Accept-Language, Cookie"
    assert answer.headers["x-api-current-version"] == "1.0"
    assert answer.headers["content-type"] == "application/json"


def test_words_follow_the_language_of_the_caller(client):
    answer = client.get("/export/opportunity/99/", headers={"Accept-Language": "fr"})

    assert answer.json() == {"detail": "Non trouvé."}


def test_addresses_that_do_not_route_answer_in_html(client):
    for path, status in (("/export/opportunity/x/", 404), ("/export/opportunity/3", 301)):
        answer = client.get(path)

        assert (answer.status_code, "html" in answer.headers["content-type"]) == (status, True)


def test_csv_is_one_stream_in_the_spelling_of_python(client):
    answer = client.get(VISITS, accept="*/*")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    expected = [e["row"] for e in client.connect.content("user_visits") if e["opportunity"] == 3]

    assert answer.headers["transfer-encoding"] == "chunked"
    assert [int(row["id"]) for row in rows] == [row["id"] for row in expected]
    assert rows[0]["form_json"].startswith("{'id': '")


def test_the_list_of_everything_is_ascii_with_spaces(client):
    answer = client.get("/export/opp_org_program_list/", accept="*/*")

    assert answer.content.startswith(b'{"organizations": [{"id": 1, ')
    assert answer.content.isascii()
    assert len(answer.json()["opportunities"]) == 5


def test_answers_are_compressed_for_those_who_ask(client):
    plain = client.get(VISITS, headers={"Accept-Encoding": "identity"})
    packed = client.get(VISITS, headers={"Accept-Encoding": "gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


def test_images_are_listed_on_request_only(client):
    with_images = client.rows("user_visits", 3, images="TRUE")

    assert all("images" in row for row in with_images)
    assert all("images" not in row for row in client.rows("user_visits", 3))


def test_form_json_has_the_order_of_jsonb_and_both_shapes_of_a_repeat(client):
    forms = [row["form_json"] for row in client.rows("user_visits", 3)]
    siblings = [form["form"].get("siblings", {}).get("sibling") for form in forms]

    assert list(forms[0]) == sorted(forms[0], key=lambda name: (len(name), name))
    assert {type(each) for each in siblings} == {list, dict, type(None)}
    assert len({form["id"] for form in forms}) < len(forms)


def test_only_get_is_allowed(client):
    answer = requests.post(
        f"{client.connect.url}{VISITS}",
        headers={"Authorization": f"Bearer {client.token}", "Accept": "*/*; version=2.0"},
    )

    assert (answer.status_code, answer.json()["detail"]) == (405, 'Method "POST" not allowed.')


def test_faults_are_planted_by_switches(sandbox, client):
    detail, table = "/export/opportunity/2/", "/export/opportunity/2/payment/"
    sandbox.set(connect_broken="2", connect_payment_units=True)
    assert client.get(detail).status_code == 500
    assert len(client.get("/export/opportunity/3/").json()["payment_units"]) == 2

    sandbox.set(connect_broken="", connect_payment_units=False, connect_hidden="2,4")
    assert client.get(table).status_code == client.get(detail).status_code == 404
    assert len(client.get("/export/opp_org_program_list/").json()["opportunities"]) == 5

    sandbox.set(connect_hidden="", connect_forbidden=True)
    assert client.get(table).status_code == 403

    sandbox.set(connect_forbidden=False, connect_redirect=True)
    assert client.get(table).headers["location"].startswith("https://")

    sandbox.set(connect_redirect=False, connect_next="foreign", connect_old_fields=True)
    assert client.get(f"{VISITS}?page_size=1").json()["next"].startswith("https://connect.invalid")
    assert "user_visit_id" not in client.rows("user_visits", 3)[0]
    sandbox.set(connect_next="request", connect_old_fields=False)


def test_a_csv_stream_can_break_off(sandbox, client):
    sandbox.set(connect_csv_rows=10)

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get(VISITS, accept="*/*")
    sandbox.set(connect_csv_rows=0)


def test_rows_change_while_the_server_runs(client):
    rows = [e for e in client.connect.content("payment") if e["opportunity"] == 5]
    client.connect.edit("payment", 5, rows[1]["row_id"], confirmed="edited")
    client.connect.delete("payment", 5, rows[0]["row_id"])
    client.connect.insert("payment", 5, {"amount": "1.00"}, count=2)
    late = client.connect.insert("payment", 5, before=rows[2]["row_id"])

    after = client.rows("payment", 5, page_size="3")
    assert len(after) == len(rows) + 2
    assert after[0] == rows[1]["row"] | {"confirmed": "edited"}
    assert [row["amount"] for row in after[-2:]] == ["1.00", "1.00"]
    assert rows[1]["row_id"] < late[0] < rows[2]["row_id"]


def test_labs_records_fail_on_parameters_that_they_do_not_know(client):
    assert client.get("/export/labs_record/?page_size=5").status_code == 500
    assert json.loads(client.get("/export/labs_record/").content)[0]["public"] is True
