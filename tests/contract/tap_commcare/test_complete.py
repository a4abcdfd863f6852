"""Every record and field of a healthy server is emitted, once."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from commcare_sandbox import Sandbox

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CASE = [
    "case_id", "domain", "case_type", "case_name", "external_id", "owner_id", "date_opened",
    "last_modified", "server_last_modified", "indexed_on", "closed", "date_closed",
    "properties", "indices", "is_deprecated", "opened_by", "closed_by", "user_id",
    "server_date_opened", "xform_ids",
]  # fmt: skip
FORM = [
    "form_id", "domain", "xmlns", "app_id", "build_id", "received_on", "server_modified_on",
    "indexed_on", "edited_on", "archived", "user_id", "username", "time_start", "time_end",
    "form_data", "metadata", "attachments", "form_type", "form_version", "ui_version", "submit_ip",
    "problem", "edited_by_user_id", "is_phone_submission", "initial_processing_complete",
    "case_ids",
]  # fmt: skip
FULL_TABLES = {
    "users", "web_users", "groups", "location_types", "applications", "case_types",
    "form_definitions", "form_questions", "lookup_tables", "lookup_table_rows", "report_rows",
}  # fmt: skip


def moment_of(text: str | None) -> str | None:
    """Return day, time and milliseconds from any format of a timestamp."""
    if not text:
        return None
    text = text if "T" in text else f"{text}T00:00:00"
    return (text.rstrip("Z") + ("" if "." in text else "."))[:23].ljust(23, "0")


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_case_arrives_once_with_all_its_fields(sandbox: Sandbox, tap, select, concurrency):
    run = tap(catalog=select("cases"), concurrency=concurrency)

    records = {record["case_id"]: record for record in run.records("cases")}
    content = list(sandbox.content("cases"))
    assert run.code == 0
    assert len(run.records("cases")) == len(records) == len(content)
    for case in content:
        record = records[case["case_id"]]
        assert list(record) == CASE
        assert record["properties"] == case["properties"]
        assert record["indices"] == case["indices"]
        assert record["closed"] is case["closed"]
        for name in ("case_type", "case_name", "external_id", "owner_id"):
            assert record[name] == (case[name] or None)
        for name in ("date_opened", "last_modified", "indexed_on", "date_closed"):
            assert moment_of(record[name]) == moment_of(case[name])
            assert record[name] is None or RFC_3339.fullmatch(record[name])


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_form_arrives_once_archived_ones_too(sandbox: Sandbox, tap, select, concurrency):
    run = tap(catalog=select("forms"), concurrency=concurrency)

    records = {record["form_id"]: record for record in run.records("forms")}
    content = list(sandbox.content("forms"))
    assert run.code == 0
    assert len(run.records("forms")) == len(records) == len(content)
    assert any(record["archived"] for record in records.values())
    for form in content:
        record = records[form["id"]]
        assert list(record) == FORM
        assert record["form_data"] == form["form"]
        assert record["metadata"] == form["metadata"]
        assert record["xmlns"] == form["form"]["@xmlns"]
        assert record["app_id"] == form["app_id"]
        assert moment_of(record["indexed_on"]) == moment_of(form["indexed_on"])
        known = form["metadata"] or {}
        assert record["user_id"] == (known.get("userID") or None)
        assert moment_of(record["time_start"]) == moment_of(known.get("timeStart"))


def test_archived_forms_stay_away_when_they_are_not_wanted(tap, select):
    run = tap(catalog=select("forms"), include_archived=False)

    assert run.code == 0
    assert not any(record["archived"] for record in run.records("forms"))


def test_form_cases_agree_with_the_forms_they_come_from(tap, select):
    run = tap(catalog=select("forms", "form_cases"))

    touched = Counter(record["form_id"] for record in run.records("form_cases"))
    assert touched == {
        r["form_id"]: len(r["case_ids"]) for r in run.records("forms") if r["case_ids"]
    }
    assert any(record["is_closed"] for record in run.records("form_cases"))


def test_all_streams_are_complete_and_full_tables_are_activated_after_their_last_record(
    sandbox: Sandbox, tap
):
    run = tap(reports=sandbox.reports, data_sources=sandbox.data_sources)

    assert run.code == 0
    for stream in FULL_TABLES:
        messages = [message for message in run.messages if message.get("stream") == stream]
        versions = {message["version"] for message in messages if message["type"] != "SCHEMA"}
        assert [messages[0]["type"], messages[-1]["type"]] == ["SCHEMA", "ACTIVATE_VERSION"]
        assert len(versions) == 1
        assert len(messages) > 2
    assert {message["stream"] for message in run.of("ACTIVATE_VERSION")} == FULL_TABLES


def test_no_column_is_an_empty_text(sandbox: Sandbox, tap):
    run = tap(reports=sandbox.reports, data_sources=sandbox.data_sources)

    assert not [m["stream"] for m in run.of("RECORD") if "" in m["record"].values()]


def test_a_second_run_reads_only_the_overlap(tap, select):
    catalog = select("cases", "forms")
    first = tap(catalog=catalog)

    second = tap(catalog=catalog, state=first.state)

    assert second.code == 0
    assert len(second.records("cases")) < 20
    assert len(second.records("forms")) < 20
    assert second.state["bookmarks"]["cases"]["replication_key_value"] == max(
        record["indexed_on"] for record in first.records("cases")
    )


def test_cases_of_api_v1_are_the_same_records(tap, select):
    by_v2 = tap(catalog=select("cases"))
    by_v1 = tap(catalog=select("cases"), case_api="v1")

    assert by_v1.code == 0
    assert {r["case_id"] for r in by_v1.records("cases")} == set(by_v2.ids("cases"))
    opened = {r["case_id"]: (r["case_type"], r["properties"]) for r in by_v2.records("cases")}
    assert {
        r["case_id"]: (r["case_type"], r["properties"]) for r in by_v1.records("cases")
    } == opened


def test_a_sweep_reads_everything_as_a_version_and_keeps_the_bookmark(tap, select):
    catalog = select("cases")
    first = tap(catalog=catalog)

    sweep = tap(catalog=catalog, state=first.state, deletions="sweep")
    after = tap(catalog=catalog, state=sweep.state)

    assert sorted(sweep.ids("cases")) == sorted(first.ids("cases"))
    assert [m["type"] for m in sweep.messages if m["type"] != "STATE"][-1] == "ACTIVATE_VERSION"
    assert len(after.records("cases")) < 20


@pytest.mark.parametrize("style", ["bare", "http", "foreign"])
def test_links_are_followed_at_home_however_they_are_written(sandbox: Sandbox, tap, select, style):
    sandbox.set(next_style=style)

    run = tap(catalog=select("cases", "users", "lookup_table_rows"), concurrency=1, page_size=20)

    assert run.code == 0
    assert len(set(run.ids("cases"))) == 400


@pytest.mark.parametrize(
    "switches",
    [{"page_cap": 30}, {"old_case_list": True}, {"gte_duplicate_page": True}, {"churn": 3}],
    ids=str,
)
def test_habits_of_other_releases_lose_nothing(sandbox: Sandbox, tap, select, switches):
    sandbox.set(**switches)

    run = tap(catalog=select("cases", "forms"))

    assert run.code == 0
    assert set(run.ids("cases")) == {case["case_id"] for case in sandbox.content("cases")}
    assert set(run.ids("forms")) == {form["id"] for form in sandbox.content("forms")}


def test_filters_choose_case_types_and_form_types(tap, select):
    everything = tap(catalog=select("cases", "forms"))
    case_types = ["pregnancy", "household"]
    xmlns = sorted({str(record["xmlns"]) for record in everything.records("forms")})[:2]

    run = tap(catalog=select("cases", "forms"), case_types=case_types, form_xmlns=xmlns)

    wanted = [r["case_id"] for r in everything.records("cases") if r["case_type"] in case_types]
    assert sorted(run.ids("cases")) == sorted(wanted)
    wanted = [r["form_id"] for r in everything.records("forms") if r["xmlns"] in xmlns]
    assert sorted(run.ids("forms")) == sorted(wanted)


def test_a_wider_filter_reads_from_the_beginning(tap, select):
    catalog = select("cases")
    narrow = tap(catalog=catalog, case_types=["household"])

    wide = tap(catalog=catalog, state=narrow.state)

    assert len(wide.records("cases")) == 400
