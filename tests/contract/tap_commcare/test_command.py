"""The command line: settings, catalog, selection, maps, and the SDK's own suite."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from commcare_sandbox import Sandbox
from singer_sdk.exceptions import ConfigValidationError
from tap_commcare.tap import TapCommCare


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"domain": None}, "domain"),
        ({"domain": "  "}, "domain"),
        ({"domain": "river health"}, "domain"),
        ({"domain": "a/river-health"}, "domain"),
        ({"domain": ".."}, "domain"),
        ({"domain": None, "domains": ["one", "https://two"]}, "domain"),
        ({"domain": 5}, "domain"),
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"max_retry_seconds": -1}, "max_retry_seconds"),
        ({"read_timeout": 0}, "read_timeout"),
        ({"include_archived": "perhaps"}, "include_archived"),
        ({"case_types": "mother"}, "case_types"),
        ({"deletions": "on"}, "deletions"),
        ({"credential_file": 5}, "credential_file"),
        ({"api_key": None}, "credential"),
        ({"password": "x"}, "more than one credential"),
        ({"base_url": "http://hq.example.org"}, "https"),
        ({"base_url": "ftp://hq.example.org"}, "base_url"),
        ({"base_url": "https://me:pw@hq.example.org"}, "base_url"),
        ({"page_size": "many"}, "page_size"),
        ({"page_size": 0}, "page_size"),
        ({"concurrency": -1}, "concurrency"),
        ({"start_date": "yesterday"}, "start_date"),
        ({"case_types": {"a": 1}}, "case_types"),
        ({"api_key": {"secret": "s3cret"}}, "api_key"),
    ],
    ids=str,
)
def test_an_invalid_setting_is_named_without_its_value(settings, word):
    config = {"domain": "river-health", "username": "me", "api_key": "s3cret"} | settings

    with pytest.raises(ConfigValidationError) as refused:
        TapCommCare(config={name: value for name, value in config.items() if value is not None})

    assert word in " ".join(refused.value.errors)
    assert "s3cret" not in " ".join(refused.value.errors)


def test_invalid_settings_end_the_command_before_anything_is_started(sandbox: Sandbox, tap):
    sandbox.forget_requests()

    run = tap(domain=None)

    assert run.code == 2
    assert "domain" in run.log
    assert not run.messages
    assert "Traceback" not in run.log
    assert sandbox.requests()["total"] == 0


@pytest.mark.parametrize("mode", ["--discover", "--test"])
def test_discovery_and_test_refuse_wrong_settings_too(tap, mode):
    assert tap(mode, domain=None).code == 2


@pytest.mark.parametrize(
    "args",
    [
        ("--config", "/none.json"),
        ("--nonsense",),
        ("--catalog", "{config}"),
        ("--state", "{state}"),
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(tap, tmp_path, args):
    (tmp_path / "config").write_text('{"domain": "d"}')
    (tmp_path / "state").write_text('{"bookmarks": []}')

    run = tap(*(arg.format(config=tmp_path / "config", state=tmp_path / "state") for arg in args))

    assert run.code == 2
    assert "Traceback" not in run.log


def test_a_login_may_come_from_the_environment_alone(sandbox: Sandbox, tap, select, monkeypatch):
    monkeypatch.setenv("TAP_COMMCARE_API_KEY", sandbox.api_key)

    assert tap(catalog=select("groups"), api_key=None).code == 0


def test_every_setting_may_come_from_the_environment(sandbox: Sandbox, tap, select, monkeypatch):
    found = {"overlap_seconds": "0.5", "max_retry_seconds": "2.5", "page_size": "50"}
    found |= {"base_url": sandbox.url, "domains": sandbox.domain, "include_archived": "no"}
    found |= {"username": sandbox.username, "api_key": sandbox.api_key, "start_date": ""}
    for name, text in found.items():
        monkeypatch.setenv(f"TAP_COMMCARE_{name.upper()}", text)

    run = tap("--config", "ENV", catalog=select("groups"), domain=None, api_key=None)
    monkeypatch.setenv("TAP_COMMCARE_PAGE_SIZE", "many")

    assert run.code == 0
    assert tap("--config", "ENV", domain=None, api_key=None).code == 2


def test_names_that_do_not_exist_are_warned_about_once(sandbox: Sandbox, tap, select):
    catalog = select("cases", "forms", "case_types")
    catalog["streams"].append({**catalog["streams"][0], "tap_stream_id": "froms"})
    case_types = ["household", "prgnancy", "no-such-type"]
    wanted = {"case_types": case_types, "form_xmlns": ["http://nothing"]}

    run = tap(catalog=catalog, pagesize=5, _note="x", stream_maps={}, **wanted)
    again = tap(catalog=catalog, state=run.state, **wanted)

    assert (run.code, again.code) == (0, 0)
    for expected in (
        "does not have are ignored: pagesize (did you mean page_size?)\n",
        "does not have are ignored: froms (did you mean forms?)\n",
        "no case has the type no-such-type, prgnancy (did you mean pregnancy?)\n",
        "no form has the xmlns http://nothing\n",
    ):
        assert run.log.count(expected) == 1, expected
    assert run.last_line.count("cases completed") == 1
    assert "no case has" not in again.log
    assert "no application uses the case type prgnancy (did you mean pregnancy?)\n" in again.log


def test_the_test_reads_one_record_of_each_stream(sandbox: Sandbox, tap):
    sandbox.forget_requests()

    run = tap("--test", reports=sandbox.reports, data_sources=sandbox.data_sources)

    streams = [message["stream"] for message in run.of("RECORD")]
    assert run.code == 0
    assert len(streams) == len(set(streams)) == 16
    assert sandbox.requests()["total"] <= 14


def test_the_test_is_honest(sandbox: Sandbox, tap):
    sandbox.set(missing_permission="edit_commcare_users")

    run = tap("--test")

    assert run.code == 1
    assert "users failed" in run.last_line


def test_the_test_ends_with_the_first_streams_if_the_server_fails(sandbox: Sandbox, tap):
    sandbox.forget_requests()
    sandbox.set(fault="500")

    run = tap("--test", max_retry_seconds=0.1, concurrency=2)

    assert run.code == 1
    assert 2 <= run.last_line.count("failed") <= 4
    assert run.last_line.count("skipped") >= 10
    assert sandbox.requests()["total"] < 20


def test_the_connection_test_reports_a_refused_credential(tap):
    assert tap("--test", api_key="wrong").code == 77


def test_discovery_needs_no_server(tap):
    run = tap("--discover", base_url="http://127.0.0.1:9")

    assert run.code == 0
    assert '"tap_stream_id":"cases"' in run.log


@pytest.mark.parametrize("style", ["json", "markdown"])
def test_about_shows_every_setting_and_marks_secrets(tap, style):
    run = tap("--about", f"--format={style}")

    assert run.code == 0
    for setting in ("base_url", "overlap_seconds", "credential_file", "max_rate_limit_wait"):
        assert setting in run.log
    if style == "json":
        about = json.loads(run.log[run.log.index("{") :])
        secrets = {n for n, s in about["settings"]["properties"].items() if s.get("secret")}
        assert secrets == {"api_key", "password", "access_token", "client_secret", "refresh_token"}


def test_deselected_properties_do_not_go_out(tap, select):
    run = tap(catalog=select("cases", cases=("properties", "owner_id")))

    record = run.records("cases")[0]
    assert run.code == 0
    assert not {"properties", "owner_id"} & set(record)
    assert not {"properties", "owner_id"} & set(run.of("SCHEMA")[0]["schema"]["properties"])
    assert {"case_id", "indexed_on"} <= set(record)


def test_the_server_is_asked_to_leave_deselected_properties_out(sandbox, tap, select):
    sandbox.forget_requests()
    run = tap(catalog=select("cases", cases=("properties", "indexed_on")), concurrency=1)
    asked = [parse_qs(each["query"]) for each in sandbox.requests()["latest"]]

    assert len(run.records("cases")) == 400
    assert asked[0]["exclude"] == ["properties"]
    assert all("cursor" in query for query in asked[1:])


def test_stream_maps_and_flattening_work(tap, select):
    maps = {"cases": {"name": "case_name.lower() if case_name else None", "properties": None}}

    run = tap(catalog=select("cases"), stream_maps=maps, concurrency=1)

    record = run.records("cases")[0]
    assert run.code == 0
    assert record["name"] == (record["case_name"] or "").lower()
    assert "properties" not in record
    assert len(run.records("cases")) == 400


def test_maps_of_another_shape_are_a_wrong_setting(tap):
    run = tap(stream_maps={"cases": 5})

    assert (run.code, "stream_maps.cases" in run.last_line) == (2, True)


def test_a_log_level_that_is_none_stops_nothing(tap, select, monkeypatch):
    monkeypatch.setenv("LOGLEVEL", "loud")

    assert tap(catalog=select("groups")).code == 0


def test_a_stream_map_that_removes_the_key_is_an_invalid_setting(tap, select):
    run = tap(catalog=select("cases"), stream_maps={"cases": {"case_id": None}})

    assert run.code == 2
    assert "stream_maps is invalid" in run.last_line


def test_the_key_goes_out_even_if_a_catalog_deselects_it(tap, select):
    catalog = select("groups", groups=("id", "name"))
    for entry in catalog["streams"]:
        for held in entry["metadata"]:
            held["metadata"].pop("inclusion", None)
    run = tap(catalog=catalog)

    assert run.code == 0
    assert all("id" in record and "name" not in record for record in run.records("groups"))


@pytest.mark.parametrize("expression", ["no_function(case_name)", "1/0"])
def test_a_stream_map_that_cannot_be_evaluated_names_its_stream(tap, select, expression):
    run = tap(catalog=select("cases"), stream_maps={"cases": {"name": expression}})

    assert run.code == 1
    assert "An expression of stream_maps for cases cannot be evaluated." in run.last_line


def test_a_table_may_be_read_in_full_by_the_catalog(tap, select):
    catalog = select("cases")
    for entry in catalog["streams"]:
        if entry["tap_stream_id"] == "cases":
            entry["replication_method"] = "FULL_TABLE"
            entry["metadata"][-1]["metadata"]["forced-replication-method"] = "FULL_TABLE"

    run = tap(catalog=catalog)

    assert len(run.of("ACTIVATE_VERSION", "cases")) == 1
    assert {message["version"] for message in run.of("RECORD")} == {
        run.of("ACTIVATE_VERSION")[0]["version"]
    }


def test_several_domains_share_tables_and_versions(tap_on, select):
    catalog = select("cases", "groups")
    with Sandbox(cases=200, forms=50, domains=2) as server:
        tap = tap_on(server)
        one = tap(catalog=catalog, domain=server.domains[0])
        both = tap(catalog=None, domain=None, domains=server.domains)
        again = tap(state=both.state, domain=None, domains=server.domains)
        widened = tap(state=one.state, domain=None, domains=server.domains)

    assert both.code == 0
    assert {r["domain"] for r in both.records("cases")} == set(server.domains)
    assert both.of("SCHEMA", "cases")[0]["key_properties"] == ["domain", "case_id"]
    assert len(both.of("SCHEMA", "cases")) == 1
    assert len(both.of("ACTIVATE_VERSION", "groups")) == 1
    partitions = both.state["bookmarks"]["cases"]["partitions"]
    assert {p["context"]["domain"] for p in partitions} == set(server.domains)
    assert len(again.records("cases")) < 20
    from_first = [r for r in widened.records("cases") if r["domain"] == server.domains[0]]
    assert len(from_first) < 20


def test_one_forbidden_domain_keeps_a_shared_table_from_being_activated(tap_on):
    with Sandbox(cases=50, forms=20) as server:
        run = tap_on(server)(domains=[server.domain, "elsewhere"], domain=None)

    assert run.code == 1
    assert len(run.records("cases")) == 50
    assert not run.of("ACTIVATE_VERSION")


def test_nothing_that_is_logged_gives_orders_to_a_terminal(tap, tmp_path):
    bad = "\x1b]0;owned\x07\x9b31m\r\u202e"
    missing = tap("--state", str(tmp_path / bad))
    odd = tap(state={"bookmarks": {"groups": {"version": -1, f"x{bad}": bad}}}, domain=f"d{bad}")

    for run in (missing, odd):
        assert run.code == 2
        assert [c for c in run.log if c != "\n" and not c.isprintable()] == []
