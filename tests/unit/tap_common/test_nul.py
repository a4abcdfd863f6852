"""Lines of records without NUL: nothing else changes, nothing is lost, everything is counted."""

from __future__ import annotations

import json

import pytest
from tap_common.nul import without_nul
from tap_common.omissions import OMISSIONS

HEAD = b'{"type":"RECORD","stream":"s","record":'
TAIL = b',"version":1700000000000,"time_extracted":"2026-01-01T00:00:00Z"}\n'


@pytest.fixture(autouse=True)
def run() -> None:
    OMISSIONS.reset(is_strict=False)


def stripped(record: bytes) -> bytes:
    line = without_nul(HEAD + record + TAIL, "s", ("id",))
    assert line.startswith(HEAD)
    assert line.endswith(TAIL)
    return line[len(HEAD) : -len(TAIL)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (rb'{"id":"a\u0000b\u0000"}', rb'{"id":"ab"}', "id (2)"),
        (rb'{"id":"\u0000"}', rb'{"id":""}', "id (1)"),
        (rb'{"note":"\u0000"}', rb'{"note":null}', "note (1)"),
        (rb'{"d":{"\u0000k":1.10}}', rb'{"d":{"k":1.10}}', "d.k (1)"),
        (rb'{"d":[{"k":"\u0000"},["\u0000x"]]}', rb'{"d":[{"k":""},["x"]]}', "d.k (1), d (1)"),
        (
            rb'{"d":{"k\u0000":"1","k":"2","\u0000k":"3"}}',
            '{"d":{"k\ufffd":"1","k":"2","\ufffdk":"3"}}'.encode(),
            "d.k\ufffd (1), d.\ufffdk (1)",
        ),
        (rb'{"d":{"k\u0000":"1","\u0000k":"2"}}', '{"d":{"k":"1","\ufffdk":"2"}}'.encode(), None),
        (rb'{"n":[1e400,12345678901234567890123,-0.0],"t":"\u0000"}', None, "t (1)"),
        (rb'{"t":"\\u0000"}', rb'{"t":"\\u0000"}', ""),
        (rb'{"t":"\\\u0000 \\\\u0000"}', rb'{"t":"\\ \\\\u0000"}', "t (1)"),
    ],
)
def test_values_and_names_lose_nul_and_nothing_else(before, after, told):
    line = stripped(before)

    assert line == after if after else b"1e400,12345678901234567890123,-0.0" in line
    if told is not None:
        assert "".join(OMISSIONS.summary()) == (told and f"s: NUL characters were removed: {told}")


def test_only_the_lines_that_hold_nul_are_read():
    plain = HEAD + b'{"id": 1 }' + TAIL
    lines = without_nul(plain + HEAD + rb'{"id":"\u0000x"}' + TAIL + plain, "s", ("id",))

    assert lines.startswith(plain)
    assert lines.endswith(plain)
    assert json.loads(lines.splitlines()[1])["record"] == {"id": "x"}
