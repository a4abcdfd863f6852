"""The command line, and the SDK's own suite."""

from __future__ import annotations

import json

from commcare_sandbox import Sandbox
from tap_commcare_connect.settings import PROPERTIES


def test_about_shows_every_setting_and_marks_secrets(tap):
    about = json.loads("{" + tap("--about", "--format=json").log.split("{", 1)[1])
    settings = about["settings"]["properties"]

    assert set(PROPERTIES.to_dict()["properties"]) <= settings.keys()
    secret = {name for name, setting in settings.items() if setting.get("secret")}
    assert secret == {"access_token", "client_secret", "refresh_token"}


def test_the_test_reads_one_record_of_each_stream(tap):
    run = tap("--test")

    assert run.code == 0
    assert {len(run.records(m["stream"])) for m in run.of("SCHEMA")} == {1}
    assert len(run.of("SCHEMA")) == 18


def test_the_version_is_printed(tap):
    assert "tap-commcare-connect v" in tap("--version").log


def test_discovery_needs_no_server(tap):
    run = tap("--discover", base_url="http://127.0.0.1:9")

    assert run.code == 0
    assert '"tap_stream_id":"visits"' in run.log


def test_stream_maps_work_on_rows_without_losing_digits(sandbox: Sandbox, tap, select):
    maps = {"payments": {"paid_by": "payment_method or 'unknown'", "payment_operator": None}}
    run = tap(catalog=select("payments"), stream_maps=maps)

    assert run.code == 0
    assert {r["paid_by"] for r in run.records("payments")} == {"mobile_money", "unknown"}
    assert "payment_operator" not in run.records("payments")[0]
    assert run.activated() == {"payments"}


def test_visits_may_be_read_in_full_by_the_catalog(tap, select):
    catalog = select("visits")
    for entry in catalog["streams"]:
        if entry["tap_stream_id"] == "visits":
            entry["replication_method"] = "FULL_TABLE"
            entry["metadata"][-1]["metadata"]["forced-replication-method"] = "FULL_TABLE"
    first = tap(catalog=catalog)
    second = tap(catalog=catalog, state=first.state)

    for run in (first, second):
        assert len(run.records("visits")) == 300
        assert run.activated() == {"visits"}
