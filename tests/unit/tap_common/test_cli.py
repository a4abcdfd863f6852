"""The command line: files of any content, and names of servers in the log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from singer_sdk import metrics
from singer_sdk.logging import StructuredFormatter
from tap_commcare.tap import TapCommCare
from tap_common import cli
from tap_common.cli import escape_control_characters
from tap_common.errors import SettingsError
from tap_common.messages import ENCODER


def test_control_characters_in_names_of_servers_are_escaped():
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    handler.addFilter(escape_control_characters)
    name = "\x1b]52;c;QUJD\x07\x9b2J\u202ex\rforged\n"
    handler.handle(logging.makeLogRecord({"msg": "%s: %d records", "args": (name, 3)}))

    assert logged.getvalue() == "\\x1b]52;c;QUJD\\x07\\x9b2J\\u202ex\\rforged\\n: 3 records\n"


DEEP = "[" * 100_000 + "]" * 100_000
ODD_JSON = [
    '{"bookmarks":' + DEEP + "}",
    '{"bookmarks":{"cases":' + '{"a":' * 900 + "1" + "}" * 900 + "}}",
    '{"bookmarks":{"cases":{"a":' + "7" * 5000 + "}}}",
    '{"bookmarks":{"cases":{"a":1e999999,"b":NaN,"c":-Infinity,"d":"\\ud800"}}}',
    '{"a":1,"a":2,"bookmarks":{}}',
    "[]",
    "no JSON",
    "",
]
LOADERS = {
    "state": cli._state,
    "catalog": cli._catalog,
    "config": lambda path: cli._settings((path,)).config,
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("text", ODD_JSON, ids=range(len(ODD_JSON)))
def test_a_file_of_odd_json_is_read_or_is_an_invalid_setting(
    tmp_path, load: Callable[[str], Any], text
):
    path = tmp_path / "odd.json"
    path.write_text(text)
    try:
        loaded = load(str(path))
    except SettingsError:
        return
    assert ENCODER.encode(loaded)


def test_a_missing_file_is_an_invalid_setting(tmp_path):
    for load in LOADERS.values():
        with pytest.raises(SettingsError, match="cannot be read"):
            load(str(tmp_path / "missing.json"))


ENTRY = {"tap_stream_id": "cases", "schema": {}}


@pytest.mark.parametrize(
    "streams",
    [
        [1], [{}], [{"stream": 5}], [{"tap_stream_id": "cases"}], [None], [[]],
        [ENTRY | {"schema": 5, "metadata": []}],
        [ENTRY | {"metadata": [{"breadcrumb": 5}]}],
        [ENTRY | {"metadata": [{"metadata": "x"}]}],
        [ENTRY | {"metadata": {"a": 1}}],
        [{"tap_stream_id": "cases", "key_properties": 7, "schema": {"properties": []}}],
    ],
)  # fmt: skip
def test_a_catalog_of_another_shape_is_an_invalid_setting(tmp_path, streams):
    path = tmp_path / "catalog.json"
    path.write_bytes(ENCODER.encode({"streams": streams}))
    config = {"domain": "d", "username": "u", "api_key": "k"}
    try:
        catalog = cli._catalog(str(path))
    except SettingsError:
        return
    assert TapCommCare(config=config, catalog=catalog).streams


def test_counts_reach_meltano_as_metrics():
    """Meltano recognises a metric by the field that the SDK makes of the record's arguments."""
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    handler.setFormatter(StructuredFormatter())
    handler.addFilter(escape_control_characters)
    point = metrics.Point("counter", metrics.Metric.RECORD_COUNT, 7, {"stream": "a\x1b[2J"})
    handler.handle(logging.makeLogRecord({"msg": "METRIC: %s", "args": (point,)}))
    line = logged.getvalue()

    assert json.loads(line)["metric_info"]["value"] == 7
    assert "\x1b" not in line
