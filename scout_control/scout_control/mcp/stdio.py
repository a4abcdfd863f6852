"""Standard input and output: for a program that starts ``scout mcp`` on this machine.

Standard output holds messages of the protocol and nothing else; what is logged goes to standard
error. The process ends when its input ends, or on SIGTERM or SIGINT.
"""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import anyio
from mcp.server.stdio import stdio_server

from scout_control.mcp.server import create_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scout_control.access.access import Access

log = logging.getLogger(__name__)
CHUNK = 64 * 1024
MAX_LINE = 1024 * 1024


def serve(identify: Callable[[], Access]) -> int | None:
    """Serve until the input ends; return the signal that ended it before, if one did."""
    return anyio.run(_serve, identify)


async def _serve(identify: Callable[[], Access]) -> int | None:
    server = create_server(identify)
    received: list[int] = []
    fd = _take_stdin()
    # Lines are read here and not by the SDK, whose thread cannot be interrupted while it reads.
    lines = cast("anyio.AsyncFile[str]", Lines(fd))
    async with anyio.create_task_group() as tasks:
        await tasks.start(_end_on_signal, received, tasks.cancel_scope)
        async with stdio_server(stdin=lines) as (read_stream, write_stream):
            options = server.create_initialization_options()
            await server.run(read_stream, write_stream, options)
        tasks.cancel_scope.cancel()
    return received[0] if received else None


def _take_stdin() -> int:
    """Return a private descriptor of standard input; programs started from here read nothing."""
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return private


async def _end_on_signal(
    received: list[int],
    scope: anyio.CancelScope,
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for each in signals:
            received.append(int(each))
            scope.cancel()
            return


@dataclass(frozen=True)
class Lines:
    """The lines of a descriptor, of bounded length, read without a thread."""

    fd: int
    longest: int = MAX_LINE

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield each line but those that are too long, which are logged."""
        pending = b""
        is_skipping = False
        while chunk := await self._read():
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if not is_skipping and not self._is_too_long(line):
                    yield _text(line)
                is_skipping = False
            is_skipping = is_skipping or self._is_too_long(pending)
            pending = b"" if is_skipping else pending
        if pending:
            yield _text(pending)

    def _is_too_long(self, line: bytes) -> bool:
        if len(line) <= self.longest:
            return False
        log.warning("A message of more than %d bytes was left out.", self.longest)
        return True

    async def _read(self) -> bytes:
        try:
            await anyio.wait_readable(self.fd)
        except PermissionError:  # a regular file, which epoll does not take: never waits
            await anyio.lowlevel.checkpoint()
        return os.read(self.fd, CHUNK)


def _text(line: bytes) -> str:
    return line.decode(errors="replace") + "\n"
