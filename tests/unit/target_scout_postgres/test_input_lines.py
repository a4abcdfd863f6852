"""Reading lines: whatever the pieces in which they come, each arrives once, whole and in order."""

from __future__ import annotations

import codecs
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_scout_postgres.errors import DataError
from target_scout_postgres.singer import input_lines
from target_scout_postgres.singer.input_lines import InputChunk, Signals, read_lines

LINE = st.binary(max_size=40).map(lambda line: line.replace(b"\n", b""))


class Ready:
    """Signals of which none comes, and input that is always there."""

    received = 0

    def __init__(self, idle_waits: int = 0) -> None:
        self.idle_waits = idle_waits

    def wait(self, _source: int, _seconds: float) -> bool:
        self.idle_waits -= 1
        return self.idle_waits < 0


def read(pieces: list[bytes], signals: object | None = None) -> list[InputChunk]:
    """Return what is read of a pipe into which the pieces are written one by one."""
    source, into = os.pipe()

    def write() -> None:
        with os.fdopen(into, "wb", buffering=0) as pipe:
            for piece in pieces:
                pipe.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return list(read_lines(source, signals or Ready()))  # type: ignore[arg-type]  # a stand-in
    finally:
        os.close(source)
        writer.join()


def lines_of(chunks: list[InputChunk]) -> list[bytes]:
    return [line for chunk in chunks for line in chunk.lines]


@settings(deadline=None)
@given(lines=st.lists(LINE, max_size=12), size=st.integers(1, 60), is_ended=st.booleans())
def test_lines_arrive_whole_whatever_the_pieces(lines, size, is_ended):
    text = b"\n".join(lines) + (b"\n" if is_ended and lines else b"")
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    expected = text.removeprefix(codecs.BOM_UTF8).split(b"\n")

    assert lines_of(read(pieces)) == (expected if expected[-1] else expected[:-1])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"{}", [b"{}"]),
        (b"{}\n", [b"{}"]),
        (b"{}\n\n{}", [b"{}", b"", b"{}"]),
        (b"a\r\nb", [b"a\r", b"b"]),
        (codecs.BOM_UTF8 + b"{}\n{}", [b"{}", b"{}"]),
        (b"{}\n" + codecs.BOM_UTF8 + b"{}", [b"{}", codecs.BOM_UTF8 + b"{}"]),
        ("\u2028é\x85\n".encode(), ["\u2028é\x85".encode()]),
        (b"x" * (3 << 20) + b"\ny", [b"x" * (3 << 20), b"y"]),
    ],
    ids=[
        "nothing", "an empty line", "no end", "an end", "empty between", "carriage return",
        "byte order mark", "the same later", "other line breaks", "longer than a chunk",
    ],
)  # fmt: skip
def test_only_line_feeds_end_lines(text, lines):
    assert lines_of(read([text])) == lines


def test_a_byte_order_mark_is_removed_from_the_first_chunk_only(monkeypatch):
    monkeypatch.setattr(input_lines, "CHUNK_BYTES", 3)

    assert lines_of(read([codecs.BOM_UTF8 + b"{}\n" + codecs.BOM_UTF8])) == [
        b"{}",
        codecs.BOM_UTF8,
    ]


def test_a_pause_is_reported_so_that_transactions_can_end():
    chunks = read([b"a\nb"], Ready(idle_waits=2))

    assert [chunk.is_idle for chunk in chunks] == [True, True, False, False]
    assert lines_of(chunks) == [b"a", b"b"]


@pytest.mark.parametrize("pieces", [1, 5])
def test_a_line_that_no_value_of_postgres_can_hold_is_refused(monkeypatch, pieces):
    monkeypatch.setattr(input_lines, "MAX_LINE_BYTES", 1000)
    piece = b"x" * (1001 // pieces + 1)
    with pytest.raises(DataError, match="longer than 1 GB"):
        read([piece] * pieces)


def test_lines_of_any_length_follow_each_other(monkeypatch):
    monkeypatch.setattr(input_lines, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(input_lines, "CHUNK_BYTES", 300)
    lines = [b"x" * 900 for _ in range(20)]

    assert lines_of(read([b"\n".join(lines)])) == lines


@pytest.fixture
def signals() -> Iterator[Signals]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    made = Signals()
    yield made
    signal.alarm(0)
    for number, handler in before.items():
        signal.signal(number, handler)
    os.close(made._read)
    os.close(made._write)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_reading_between_two_chunks_of_input_that_never_ends(signals, number):
    source, into = os.pipe()
    os.write(into, b"a\nb\nhalf")
    found: list[bytes] = []
    for chunk in read_lines(source, signals):
        found += chunk.lines
        signal.raise_signal(number)
    os.close(source)
    os.close(into)

    assert found == [b"a", b"b"]  # what is not a whole line is not loaded
    assert signals.received == number


def test_a_signal_wakes_a_reader_that_waits_for_input(signals):
    source, into = os.pipe()
    signal.raise_signal(signal.SIGTERM)

    assert list(read_lines(source, signals)) == []
    os.close(source)
    os.close(into)


def test_the_first_of_several_signals_decides_the_exit_code(signals):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
        signal.raise_signal(number)

    assert signals.received == signal.SIGINT


def test_more_signals_than_their_pipe_holds_do_not_block(signals):
    for _ in range(70_000):
        signals._remember(signal.SIGTERM, None)

    assert signals.received == signal.SIGTERM
