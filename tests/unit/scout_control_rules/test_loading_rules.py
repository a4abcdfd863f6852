"""Rules about what a run loads: catalogs, streams without key, sessions, sizes of answers."""

from __future__ import annotations

import json

import pytest
from scout_control.meltano.setting_kinds import SettingKind, coerce
from scout_control.rules import keyless, query_limits, session_settings, singer_catalog

ENTRY = {
    "tap_stream_id": "river-cases",
    "stream": "cases",
    "key_properties": ["case_id"],
    "schema": {"properties": {"case_id": {"type": "string"}}},
    "metadata": [],
}


def catalog(*entries) -> bytes:
    return json.dumps({"streams": entries}).encode()


def test_a_stream_is_known_by_its_table_and_selected_by_its_id():
    found = singer_catalog.streams(catalog(ENTRY, {"tap_stream_id": "forms"}))

    assert found == {
        "cases": {"id": "river-cases", "key": ["case_id"], "schema": ENTRY["schema"]},
        "forms": {"id": "forms", "key": [], "schema": {}},
    }
    assert singer_catalog.ids(found) == {"river-cases", "forms"}


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'{"streams": null}',
        b'{"streams": 7}',
        b'{"streams": [7]}',
        b'{"streams": [{}]}',
        b'{"streams": [null]}',
        b"\xff",
        b'{"streams": ' + b"[" * 100_000,
    ],
    ids=lambda content: str(content)[:24],
)
def test_a_catalog_of_another_shape_has_no_streams(content):
    assert singer_catalog.streams(content) == {}


def test_names_of_a_catalog_can_be_stored():
    found = singer_catalog.streams(catalog({"stream": "ca\0ses", "tap_stream_id": "\ud800"}))

    assert found == {"cases": {"id": "?", "key": [], "schema": {}}}


@pytest.mark.parametrize("streams", [None, {}])
def test_before_the_first_discovery_no_stream_is_known(streams):
    assert singer_catalog.ids(streams) == frozenset()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, None),
        ({"keyless_streams": "append"}, None),
        ({"keyless_streams": "replace", "keyless_overrides": {"a": "append"}}, None),
        ({"keyless_overrides": {}}, None),
        ({"keyless_streams": "upsert"}, "keyless_streams is append or replace."),
        ({"keyless_streams": None}, "keyless_streams is append or replace."),
        ({"keyless_streams": ["append"]}, "keyless_streams is append or replace."),
        ({"keyless_overrides": {"a": "upsert"}}, "keyless_overrides gives streams"),
        ({"keyless_overrides": {"a": ["append"]}}, "keyless_overrides gives streams"),
        ({"keyless_overrides": '{"a": "append"}'}, "keyless_overrides gives streams"),
        ({"keyless_overrides": None}, "keyless_overrides gives streams"),
        ({"keyless_overrides": ["a"]}, "keyless_overrides gives streams"),
    ],
)
def test_streams_without_key_are_appended_or_replaced(settings, error):
    found = keyless.find_error(settings)

    assert found == error or found.startswith(error)


def test_the_loader_gets_its_settings_and_the_tap_keeps_its_own():
    settings = {"domain": "river", "keyless_overrides": {"a": "append"}}
    loader = keyless.pop_loader_settings(settings)

    assert settings == {"domain": "river"}
    assert loader["keyless_streams"] == "replace"
    assert json.loads(loader["keyless_overrides"]) == {"a": "append"}
    assert keyless.pop_loader_settings({})["keyless_overrides"] == "{}"


@pytest.mark.parametrize(
    ("kind", "fitting", "others"),
    [
        ("string", ["", "a"], [1, None, True, ["a"]]),
        ("integer", [0, -5, 2**70], [1.0, True, "1", None]),
        ("boolean", [True, False], [0, 1, "true", None]),
        ("array", [[], [1]], ["[]", {}, None, (1,)]),
        ("object", [{}, {"a": 1}], ["{}", [], None]),
        (
            "date_iso8601",
            ["2026-01-31", "2026-01-31T08:00:00Z", "2026-01-31T08:00:00+05:30"],
            ["", "31.01.2026", "2026-02-30", "yesterday", None, 20260131],
        ),
    ],
)
def test_a_kind_accepts_its_values_only(kind, fitting, others):
    found = SettingKind.of(kind)

    assert [value for value in fitting if not found.fits(value)] == []
    assert [value for value in others if found.fits(value)] == []


def test_an_option_is_one_of_those_declared():
    kind = SettingKind.of("options", ("upsert", "append-only"))

    assert kind.description == "one of: upsert, append-only"
    assert [kind.fits(value) for value in ("upsert", "Upsert", "", None, ["upsert"])] == [
        True,
        *[False] * 4,
    ]
    assert SettingKind.of("options") is None
    assert SettingKind.of("a kind of tomorrow") is None


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("string", 7, "7"),
        ("string", True, "true"),
        ("string", 1.5, "1.5"),
        ("string", "a", "a"),
        ("string", ["a"], ["a"]),
        ("integer", 7, 7),
        ("boolean", True, True),
        (None, 7, 7),
    ],
)
def test_a_number_for_a_text_was_meant_as_text(kind, value, text):
    found = coerce(SettingKind.of(kind) if kind else None, value)

    assert (type(found), found) == (type(text), text)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ([], ""),
        ([("a", 1)], "-c a=1"),
        ([("a", "read committed"), ("b", "x,y")], "-c a=read\\ committed -c b=x,y"),
    ],
)
def test_settings_of_a_session_are_one_option_each(settings, options):
    assert session_settings.options(settings) == options


def test_a_session_that_reads_for_control_can_neither_write_nor_run_anothers_code():
    inspector = dict(session_settings.INSPECTOR)

    assert inspector["default_transaction_read_only"] == "on"
    assert inspector["search_path"] == "pg_catalog,pg_temp"
    assert inspector["row_security"] == "off"
    for settings in (session_settings.READER, session_settings.WRITER, session_settings.CONTROL):
        assert {"lock_timeout", "statement_timeout"} <= set(dict(settings))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (0, b"SELECT total FROM "),
        (1, b"SELECT total, CASE WHEN total <= 9 THEN c0 END FROM "),
        (2, b", CASE WHEN total <= 9 THEN c0 END, CASE WHEN total <= 9 THEN c1 END FROM "),
    ],
)
def test_beyond_its_limit_an_answer_has_no_values(columns, expected):
    assert expected in query_limits.limited_query(b"SELECT 1 -- %s", columns, 9)


@pytest.mark.parametrize("statement", [b"SELECT '%d %s %%'", b"SELECT 1 -- the end", b""])
def test_a_comment_at_its_end_does_not_swallow_what_limits_a_statement(statement):
    for query in (
        query_limits.columns_query(statement),
        query_limits.limited_query(statement, 1, 9),
    ):
        assert b"(\n" + statement + b"\n)" in query
