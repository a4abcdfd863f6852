"""Every row of Connect is emitted unchanged, in every stream."""

from __future__ import annotations

import subprocess

import pytest
from commcare_sandbox import Sandbox

KEYS = {
    "organizations": ["id"],
    "programs": ["id"],
    "opportunities": ["id"],
    "payment_units": ["payment_unit_id"],
    "learn_modules": ["id"],
    "users": ["opportunity_id", "username"],
    "visits": ["id"],
    "invoices": ["opportunity_id", "invoice_number"],
    "completed_works": ["record_key"],
    "payments": ["record_key"],
    "assessments": ["record_key"],
    "completed_modules": ["record_key"],
    "task_types": ["id"],
    "assigned_tasks": ["id"],
    "work_area_groups": ["id"],
    "work_areas": ["id"],
    "audit_reports": ["id"],
    "audit_report_entries": ["id"],
}
LISTS = list(KEYS)[5:]
NOT_LISTED = ("record_key", "images")


def plain(records):
    return [{k: v for k, v in record.items() if k not in NOT_LISTED} for record in records]


def unordered(records):
    return sorted(map(repr, (sorted(record.items()) for record in records)))


@pytest.mark.parametrize("config", [{"page_size": 7}, {"concurrency": 1, "page_size": None}])
def test_every_stream_holds_every_row(sandbox: Sandbox, tap, expected, config):
    run = tap(**config)

    assert run.code == 0
    assert {m["stream"]: m["key_properties"] for m in run.of("SCHEMA")} == KEYS
    for stream in LISTS:
        assert unordered(plain(run.records(stream))) == unordered(expected(sandbox, stream))
        assert len(set(run.keys(stream))) == len(run.keys(stream)) > 0
    assert run.activated() == KEYS.keys() - {"visits"}


def test_opportunities_are_list_and_detail_in_one(sandbox: Sandbox, tap, select):
    sandbox.set(connect_payment_units=True)
    run = tap(catalog=select("opportunities", "learn_modules", "payment_units"))

    third = next(r for r in run.records("opportunities") if r["id"] == 3)
    assert (third["visit_count"], third["program"]) == (150, 3)
    assert third["description"] == "A long description\nin two lines"
    assert third["learn_app"]["passing_score"] == 80
    assert third["verification_flags"] is None
    assert len(third["payment_units"]) == 2
    assert len(run.records("payment_units")) == 12
    assert {r["amount"] for r in run.records("payment_units")} == {300, 100}
    # An opportunity without apps has no modules.
    assert {r["opportunity_id"] for r in run.records("learn_modules")} == {1, 2, 3, 5, 6}


def test_payment_units_that_details_do_not_show_come_from_claims(sandbox: Sandbox, tap, select):
    run = tap(catalog=select("payment_units", "users"))

    claimed = {
        (user["opportunity_id"], limit["payment_unit"], limit["payment_unit_id"])
        for user in run.records("users")
        for limit in user["claim_limits"]
    }
    found = {
        (unit["opportunity_id"], unit["id"], unit["payment_unit_id"])
        for unit in run.records("payment_units")
    }
    assert found == claimed
    assert len(found) == 12


def test_values_have_the_types_of_their_columns(sandbox: Sandbox, tap):
    run = tap()
    schemas = {m["stream"]: m["schema"]["properties"] for m in run.of("SCHEMA")}

    assert schemas["payments"]["amount"]["type"] == ["number", "null"]
    assert schemas["invoices"]["date"]["format"] == "date"
    assert schemas["visits"]["visit_date"]["format"] == "date-time"
    assert schemas["completed_modules"]["duration"] == {
        "type": ["string", "null"],
        "description": schemas["completed_modules"]["duration"]["description"],
    }
    assert {"1 02:00:00"} < {r["duration"] for r in run.records("completed_modules")}
    assert None in {r["name"] for r in run.records("users")}


def test_money_is_exact_as_written(sandbox: Sandbox, tap, select, tmp_path):
    command = tap.command(None, select("payments"), (), {})
    printed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    for item in sandbox.connect.content("payment"):
        assert f'"amount":{item["row"]["amount"]},' in printed


def test_images_are_requested_if_the_setting_is_on(sandbox: Sandbox, tap, select):
    catalog = select("visits")

    assert {r["images"] for r in tap(catalog=catalog).records("visits")} == {None}
    images = [r["images"] for r in tap(catalog=catalog, include_images=True).records("visits")]
    assert all(isinstance(each, list) for each in images)
    assert any(images)


@pytest.mark.parametrize(
    ("switches", "stream", "column"),
    [
        ({"connect_old_fields": True}, "visits", "user_visit_id"),
        ({"connect_old_fields": True}, "programs", "watchers"),
        ({"connect_no_program": True}, "opportunities", "program"),
    ],
)
def test_what_an_older_server_does_not_send_is_null(
    sandbox: Sandbox, tap, select, switches, stream, column
):
    sandbox.set(**switches)
    run = tap(catalog=select(stream))

    assert run.code == 0
    assert {record[column] for record in run.records(stream)} == {None}


def test_fields_that_are_new_are_left_out(sandbox: Sandbox, tap, expected):
    sandbox.set(connect_new_fields=True)
    run = tap()

    assert run.code == 0
    assert unordered(plain(run.records("users"))) == unordered(expected(sandbox, "users"))


@pytest.mark.parametrize(
    ("filters", "opportunities"),
    [
        ({"opportunity_ids": [2, "5"]}, {2, 5}),
        ({"program_ids": [1]}, {1, 5}),
        ({"organization_slugs": ["acme-health"]}, {1, 2, 3, 4, 5, 6}),
        ({"program_ids": [1], "opportunity_ids": [5, 6]}, {5}),
    ],
    ids=str,
)
def test_filters_choose_opportunities(sandbox: Sandbox, tap, filters, opportunities):
    run = tap(**filters)

    assert run.code == 0
    assert {record["id"] for record in run.records("opportunities")} == opportunities
    for stream in ("users", "payments", "work_areas"):
        assert {record["opportunity_id"] for record in run.records(stream)} == opportunities


def test_filters_for_what_the_account_does_not_see_are_warned_about(tap, select):
    run = tap(organization_slugs=["acme-helth"], program_ids=[1, 99], catalog=select("programs"))

    assert run.code == 0
    assert run.log.count("sees no organization acme-helth (did you mean acme-health?)\n") == 1
    assert run.log.count("program_ids: the account sees no program 99\n") == 1


def test_an_opportunity_that_is_named_and_not_seen_is_skipped_with_its_reason(tap, select):
    run = tap(opportunity_ids=[1, 77], catalog=select("users", "visits"))

    assert run.code == 1
    assert len(run.records("users")) == 8
    assert not run.activated()
    assert "users skipped (8 records; opportunity 77: This account cannot see it." in run.last_line


def test_only_get_is_sent_with_the_version_and_the_token_in_its_header(sandbox: Sandbox, tap):
    sandbox.forget_requests()
    tap()
    asked = sandbox.requests()["latest"]

    assert {request["method"] for request in asked} == {"GET"}
    assert not any("token" in request["query"] for request in asked)


def test_the_account_index_is_requested_once(sandbox: Sandbox, tap):
    sandbox.forget_requests()
    tap()

    assert sandbox.requests()["by_path"]["/connect/export/opp_org_program_list/"] == 1
