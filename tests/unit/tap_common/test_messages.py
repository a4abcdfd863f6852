"""Messages on stdout: each a line of JSON, in the order of the records, whatever they contain."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_common import messages
from tap_common.errors import OutputClosedError
from tap_common.messages import PIECE_BYTES, Output, RecordEncoder, as_dict, flush, write
from tap_common.signals import SignalHandler

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


class Row(msgspec.Struct):
    id: int
    name: str | None = None


def lines_of(encoder: RecordEncoder, records: list[Any]) -> list[dict[str, Any]]:
    text = b"".join(encoder.encode(records))
    assert text.endswith(b"\n") or not records
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


@settings(max_examples=40)
@given(records=st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=5), stream=TEXT)
def test_every_record_comes_back_in_its_order(records, stream):
    found = lines_of(RecordEncoder(stream, None, 7), records)

    assert [message["record"] for message in found] == records
    assert {(m["type"], m["stream"], m["version"]) for m in found} <= {("RECORD", stream, 7)}


@settings(max_examples=40)
@given(record=st.dictionaries(TEXT, VALUES, max_size=6), names=st.frozensets(TEXT, max_size=3))
def test_only_the_wanted_columns_are_written(record, names):
    wanted = names | frozenset(list(record)[:1])
    (message,) = lines_of(RecordEncoder("s", wanted, None), [record])

    assert message["record"] == {name: record[name] for name in record if name in wanted}
    assert "version" not in message


@pytest.mark.parametrize("columns", [None, frozenset({"id"})], ids=["all", "one"])
def test_a_struct_is_written_as_a_dictionary_would_be(columns):
    rows = [Row(1, "a"), Row(2)]
    whole = [as_dict(row) for row in rows]

    encoder = RecordEncoder("s", columns, None)
    assert [m["record"] for m in lines_of(encoder, rows)] == [
        m["record"] for m in lines_of(encoder, whole)
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("0.10"), b"0.10"),
        (Decimal("12345678901234567890.123456789"), b"12345678901234567890.123456789"),
        (Decimal("1E+3"), b"1E+3"),
        (2**64 - 1, b"18446744073709551615"),
        (2**63 - 1, b"9223372036854775807"),
        (-(2**63), b"-9223372036854775808"),
        (0.1, b"0.1"),
        (-0.0, b"-0.0"),
        (msgspec.Raw(b"1.000"), b"1.000"),
        ("\u2028\x00\n", rb'"' + "\u2028".encode() + rb'\u0000\n"'),
    ],
    ids=lambda each: each.decode() if isinstance(each, bytes) else type(each).__name__,
)
def test_a_value_keeps_its_digits_and_stays_on_its_line(value, written):
    (piece,) = RecordEncoder("s", None, None).encode([{"v": value}])

    assert b'"record":{"v":' + written + b"}" in piece
    assert piece.count(b"\n") == 1


@pytest.mark.parametrize("size", [1, PIECE_BYTES // 3, PIECE_BYTES, 3 * PIECE_BYTES])
def test_pieces_have_about_a_megabyte_and_whole_lines(size):
    records = [{"v": "x" * size} for _ in range(5)]
    pieces = [*RecordEncoder("s", None, None).encode(records)]

    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) < PIECE_BYTES + size + 200 for piece in pieces)
    assert sum(piece.count(b"\n") for piece in pieces) == 5
    assert len(pieces) == min(5, 5 * (size + 120) // PIECE_BYTES + 1)


def test_no_record_is_no_piece():
    assert [*RecordEncoder("s", None, 1).encode([])] == []


@pytest.mark.parametrize("state", [{}, {"bookmarks": {}}, {"other": 1}])
def test_a_state_without_bookmarks_is_not_written(capsysbinary, state):
    Output(SignalHandler()).write_state(state)

    assert capsysbinary.readouterr().out == b""


def test_a_state_is_one_line_and_flushed(capsysbinary):
    state = {"bookmarks": {"cases": {"at": "2026-01-01T00:00:00.000000Z", "é": ["\n"]}}}
    Output(SignalHandler()).write_state(state)
    line = capsysbinary.readouterr().out

    assert line.count(b"\n") == 1
    assert json.loads(line) == {"type": "STATE", "value": state}


class Closed:
    """A stdout that no one reads."""

    class buffer:  # noqa: N801 - as files call it
        @staticmethod
        def write(_: bytes) -> int:
            raise BrokenPipeError

        @staticmethod
        def flush() -> None:
            raise BrokenPipeError


@pytest.mark.parametrize("act", [lambda: write(b"{}\n"), flush], ids=["write", "flush"])
def test_a_closed_pipe_ends_the_run_and_points_to_the_target(monkeypatch, act):
    monkeypatch.setattr(sys, "stdout", Closed)
    with pytest.raises(OutputClosedError, match=r"the target exited\. See the target's log"):
        act()


def test_other_messages_of_the_sdk_are_lines_of_the_same_encoder(capsysbinary):
    class Message:
        def to_dict(self) -> dict[str, Any]:
            return {"type": "SCHEMA", "n": Decimal("1.50")}

    messages.BufferedWriter().write_message(Message())  # type: ignore[arg-type]  # as the SDK's
    flush()

    assert capsysbinary.readouterr().out == b'{"type":"SCHEMA","n":1.50}\n'
