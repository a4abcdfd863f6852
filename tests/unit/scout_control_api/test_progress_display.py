"""The display on a real terminal device: what is on the screen, and which sequences are written."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
import time
from contextlib import contextmanager
from threading import Thread

import pyte
import pytest
from scout_control.api.progress_display import shown_progress
from scout_control.meltano.reports import Wait
from scout_control.rules.statuses import Phase
from scout_control.runs.context import ProgressEvent

LOADING = ProgressEvent(
    phase=Phase.LOADING,
    message="Loading from CommCare HQ",
    progress={"cases": {"fetched": 900, "committed": 500, "total": 1000}},
    seconds={"prepare": 2.0, "load": 1.0},
    wait=Wait("HTTP 429, the rate limit of river", 60.0),
)
COLOUR = b"\x1b[32m"


class Terminal:
    """A terminal of 70 columns, and everything that was written to it."""

    def __init__(self):
        self._ours, theirs = pty.openpty()
        self.resize(70)
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")
        self.written = b""
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self):
        try:
            while part := os.read(self._ours, 65536):
                self.written += part
        except OSError:  # the other end was closed
            return

    def resize(self, columns):
        self.columns = columns
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def text(self) -> str:
        screen = pyte.Screen(self.columns, 24)
        pyte.ByteStream(screen).feed(self.written)
        return "\n".join(line.rstrip() for line in screen.display).strip()

    def wait_for(self, text: str) -> str:
        until = time.monotonic() + 60
        while text not in (shown := self.text()):
            assert time.monotonic() < until, shown
            time.sleep(0.02)
        return shown

    def close(self):
        self.stream.close()
        self._reader.join()
        os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "COLUMNS", "LINES", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    made = Terminal()
    yield made
    made.close()


@contextmanager
def showing(terminal):
    with shown_progress("river/hq", terminal.stream) as show:
        show(LOADING)
        yield


def test_bars_and_waits_are_drawn_and_gone_at_the_end(terminal):
    with showing(terminal):
        shown = terminal.wait_for("500 of 1,000")
    terminal.stream.flush()

    assert "river/hq" in shown
    assert "waiting" in shown
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in shown
    assert COLOUR in terminal.written
    terminal.stream.write("the end\n")
    terminal.stream.flush()
    assert "500 of" not in terminal.wait_for("the end")


def test_no_color_means_no_colour(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with showing(terminal):
        terminal.wait_for("500 of 1,000")

    assert COLOUR not in terminal.written
    assert b"\x1b[33m" not in terminal.written


def test_the_display_follows_the_size_of_the_terminal(terminal):
    with showing(terminal):
        terminal.wait_for("500 of 1,000")
        terminal.resize(30)
        for _ in range(3):  # the first picture may have been drawn before
            terminal.written = b""
            shown = terminal.wait_for("500 of 1,000")

    assert max(map(len, shown.splitlines())) < 30


def test_ascii_in_the_c_locale(terminal, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    with showing(terminal):
        shown = terminal.wait_for("500 of 1,000")

    assert "####" in shown
    assert terminal.written.isascii()


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_lines_on_a_terminal_that_cannot_overwrite(terminal, monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    with showing(terminal):
        shown = terminal.wait_for("Loading from CommCare HQ")

    assert "Loading from CommCare HQ (500 rows so far)" in shown
    assert b"\x1b" not in terminal.written


def test_lines_without_a_terminal():
    stream = io.StringIO()
    with shown_progress("river/hq", stream) as show:
        show(LOADING)
        show(LOADING)

    assert stream.getvalue().splitlines()[0] == "Loading from CommCare HQ (500 rows so far)"
    assert len(stream.getvalue().splitlines()) == 2  # the second one names the wait
