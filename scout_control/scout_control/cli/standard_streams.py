"""Standard streams that are closed, full, or no longer read."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

READER_GONE = 128 + signal.SIGPIPE
"""The exit code that a shell gives to programs which SIGPIPE ended."""


@contextmanager
def ended_by_its_reader() -> Iterator[None]:
    """End as other programs do once no one reads the output; click's own exit code is 1."""
    try:
        yield
    except OSError as error:
        if is_reader_gone(error):
            raise SystemExit(READER_GONE) from None
        raise


def is_reader_gone(error: OSError) -> bool:
    """Return whether an error means that the reader of a standard stream has closed its pipe.

    The pipe to another program breaks with the same error, which is to be told.
    """
    if error.errno != errno.EPIPE:
        return False
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # text in memory has no descriptor
            poll.register(stream.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def abandon_broken_streams() -> None:
    """Write what is left; if that fails, drop it: the interpreter would report it once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def reopen_closed_streams() -> None:
    """Open /dev/null in place of closed standard streams.

    Otherwise the next file or socket would get that descriptor, and output would end up in it.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, os.fdopen(descriptor, mode))
