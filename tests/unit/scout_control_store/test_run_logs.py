"""How lines of a log are stored: compressed, and harmless whatever is found there."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.store import run_logs
from scout_control.store.run_logs import Entry, packed, unpacked

ENTRY = Entry(at="2026-11-28T12:00:09.123Z", level="info", source="tap-hq", text="Río \u202e \x00")


def test_lines_come_back_as_they_were():
    assert unpacked(packed([ENTRY] * 3)) == [ENTRY] * 3
    assert unpacked(packed([])) == []


def test_a_thousand_lines_take_a_fraction_of_their_length():
    entries = [
        Entry(at="2026-11-28T12:00:09.123Z", level="info", source="tap-hq", text=f"page {number}")
        for number in range(1000)
    ]

    assert len(packed(entries)) < 10_000


@given(st.lists(st.builds(Entry, at=st.text(), level=st.text(), source=st.text(), text=st.text())))
def test_any_text_can_be_stored(entries):
    found = unpacked(packed(entries))

    assert [each.text.encode(errors="replace") for each in entries] == [
        each.text.encode(errors="replace") for each in found
    ]


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"no zlib",
        packed([ENTRY])[:-25],
        zlib.compress(b"no json"),
        zlib.compress(b"{}"),
        zlib.compress(b"[1]"),
        zlib.compress(b'[["too", "few"]]'),
        zlib.compress(json.dumps([["a", "b", "c", "d"]] * 10).encode())[:20],
    ],
)
def test_damaged_lines_are_left_out(stored):
    assert unpacked(stored) == []


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(run_logs, "MAX_CHUNK_BYTES", 1000)

    assert unpacked(packed([ENTRY] * 1000)) == []


def test_values_of_another_type_become_text():
    assert unpacked(zlib.compress(b"[[1, null, true, 2.5]]")) == [
        Entry(at="1", level="None", source="True", text="2.5")
    ]
