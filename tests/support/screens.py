"""A command on a terminal, and what a person sees on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

import pyte


@dataclass
class Screen:
    """The screen of a running command."""

    process: subprocess.Popen
    _screen: pyte.Screen
    _ours: int
    _lock: Lock = field(default_factory=Lock)
    _reader: Thread | None = None

    def lines(self) -> list[str]:
        """Return the screen without the empty lines at its end."""
        with self._lock:
            shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def text(self) -> str:
        return "\n".join(self.lines())

    def type(self, text: str) -> None:
        """Type on its keyboard."""
        os.write(self._ours, text.encode())

    def type_hidden(self, text: str, timeout: float = 180) -> None:
        """Type once nothing is echoed; what was typed before is discarded at that moment."""
        until = time.monotonic() + timeout
        while termios.tcgetattr(self._ours)[3] & termios.ECHO:
            assert time.monotonic() < until, f"Nothing is hidden. The screen:\n{self.text()}"
            time.sleep(0.02)
        self.type(text)

    def resize(self, columns: int, rows: int = 24) -> None:
        with self._lock:
            self._screen.resize(rows, columns)
        _set_size(self._ours, columns, rows)

    def wait_for(self, text: str, timeout: float = 180) -> str:
        """Wait until the screen shows a text, and return the whole screen."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if text in (shown := self.text()):
                return shown
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was not shown. The screen:\n{self.text()}")

    def interrupt(self, timeout: float = 180) -> int:
        """Press Ctrl-C at a question until the command ends; return its exit code.

        Python does not notice a signal in the moment in which it begins to wait for a line.
        """
        until = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < until:
            self.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        return self.end(timeout)

    def end(self, timeout: float = 180) -> int:
        """Wait for the command and return its exit code."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code


@contextmanager
def on_screen(command, environment, columns=80, rows=24, folder=None) -> Iterator[Screen]:
    """Start a command on a terminal of this size; kill it at exit."""
    ours, theirs = pty.openpty()
    _set_size(ours, columns, rows)
    drawn = pyte.Screen(columns, rows)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # in the background; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call, which needs no lock
    )
    os.close(theirs)
    screen = Screen(process, drawn, ours)
    screen._reader = Thread(target=_read, args=(ours, pyte.ByteStream(drawn), screen._lock))
    screen._reader.start()
    try:
        yield screen
    finally:
        process.kill()
        process.wait()
        screen._reader.join()
        os.close(ours)


def _take_terminal() -> None:
    """Make standard input the terminal of this session: then its Ctrl-C is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _read(descriptor: int, stream: pyte.ByteStream, lock: Lock) -> None:
    try:
        while part := os.read(descriptor, 65536):
            with lock:
                stream.feed(part)
    except OSError:  # the other end was closed
        return
