"""The outcome of each stream, from the last line of a tap."""

from __future__ import annotations

import json

import pytest
from scout_control.meltano.log import RunLog
from scout_control.rules import singer_catalog

LINE = (
    "event=finished exit_code=1 streams: cases completed (12 records), "
    "forms failed (0 records; HQ answered 500, forms completed (no)), users skipped (not selected)"
)


@pytest.mark.parametrize(
    "line", [LINE, json.dumps({"event": LINE, "level": "error", "string_id": "tap-commcare"})]
)
def test_each_stream_is_known_by_its_first_mention(line):
    log = RunLog()
    log.read(line)

    assert log.streams == {"cases": "completed", "forms": "failed", "users": "not selected"}


def test_the_worst_outcome_of_several_domains_counts():
    log = RunLog()
    log.read(
        "event=finished exit_code=1 streams: cases[river] failed (0 records; no), "
        "cases[hill] completed (3 records)"
    )

    assert log.streams == {"cases": "failed"}


def test_streams_of_a_catalog_are_kept_by_table_and_selected_by_id():
    catalog = {"streams": [{"tap_stream_id": "public-orders", "stream": "orders"}]}
    found = singer_catalog.streams(json.dumps(catalog).encode())

    assert (list(found), singer_catalog.ids(found)) == (["orders"], {"public-orders"})


@pytest.mark.parametrize("broken", [None, b"", b"[", b"[]", b'{"streams": [{}]}', b"\xff"])
def test_an_invalid_catalog_has_no_streams(broken):
    assert singer_catalog.streams(broken) == {}
