"""Sessions of the official client with a server, over both transports."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from support.workers import LONGEST_SECONDS, environment_of

INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
)
ADDRESS = re.compile(r"Serving (http://127\.0\.0\.1:\d+)/")
MCP = [sys.executable, "-m", "scout_control", "mcp"]


@dataclass
class Agent:
    """A session, and the progress that it was told."""

    client: Client
    progress: list[tuple[float, float | None, str | None]] = field(default_factory=list)

    async def call(self, tool: str, **arguments) -> dict[str, Any]:
        """Call a tool and return the whole answer."""
        answer = await self.client.call_tool(tool, arguments, progress_callback=self._tell)
        assert answer.is_error is not answer.structured_content["success"]
        return answer.structured_content

    async def data(self, tool: str, **arguments) -> dict[str, Any]:
        """Call a tool that succeeds."""
        answer = await self.call(tool, **arguments)
        assert answer["error"] is None, answer
        return answer["data"]

    async def error(self, tool: str, **arguments) -> dict[str, Any]:
        """Call a tool that fails."""
        answer = await self.call(tool, **arguments)
        assert answer["data"] is None
        return answer["error"]

    async def _tell(self, progress, total, message) -> None:
        self.progress.append((progress, total, message))


@asynccontextmanager
async def on_stdio(settings, *options, errlog, environment=None, mode="auto"):
    """Start ``scout mcp`` and open a session with it."""
    parameters = StdioServerParameters(
        command=MCP[0],
        args=[*MCP[1:], *options],
        env=environment_of(settings) | (environment or {}),
    )
    async with Client(stdio_client(parameters, errlog=errlog), mode=mode) as client:
        yield Agent(client)


@asynccontextmanager
async def over_http(address, token, *, mode="auto"):
    """Open a session with ``scout serve``."""
    headers = {"Authorization": f"Bearer {token}"}
    timeout = httpx2.Timeout(30, read=LONGEST_SECONDS)
    async with httpx2.AsyncClient(headers=headers, timeout=timeout) as http:
        transport = streamable_http_client(f"{address}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield Agent(client)


@contextmanager
def serving(settings):
    """Start ``scout serve``; yields its address, and the list of what it said in the end."""
    said: list[str] = []
    command = [sys.executable, "-m", "scout_control", "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        env=environment_of(settings) | {"PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield _address_of(process), said
        finally:
            process.send_signal(signal.SIGTERM)
            said.append(process.stderr.read())


def _address_of(process) -> str:
    until = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < until and (line := process.stderr.readline()):
        if found := ADDRESS.search(line):
            return found[1]
    raise AssertionError(f"It does not serve: exit code {process.poll()}.")


async def wait_until(is_so, seconds: float = LONGEST_SECONDS) -> None:
    """Wait until a condition that another process brings about is true."""
    with anyio.fail_after(seconds):
        while not is_so():
            await anyio.sleep(0.05)


@contextmanager
def started(settings, *options, **environment):
    """Start the command; what it says to standard error is read at the end."""
    process = subprocess.Popen(
        [*MCP, *options],
        env=environment_of(settings) | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
