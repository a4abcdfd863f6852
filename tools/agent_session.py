"""An agent's session, printed: find tables, ask, load with progress, cancel.

    tools/agent_session.py PERSON DATASET              starts scout mcp
    tools/agent_session.py VARIABLE DATASET ADDRESS    scout serve, with the token in a variable

A worker must be running, and the dataset is loaded twice.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

PASSED_ON = ("SCOUT_HOME", "SCOUT_PROJECT_ROOT", "SCOUT_DATABASE_URL", "SCOUT_ENCRYPTION_KEYS")
WIDTH = 150


def say(text: str) -> None:
    """Print a line of bounded width."""
    sys.stdout.write(text[:WIDTH] + "\n")


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and print the call, its progress and its answer."""
    say(f"> {tool} {arguments}")

    async def show(progress: float, total: float | None, message: str | None) -> None:
        say(f"    progress {progress:.2f} of {total:g}: {message}")

    answer = await client.call_tool(tool, arguments, progress_callback=show)
    document: dict[str, Any] = answer.structured_content
    if document["success"]:
        say(f"< {document['timing_ms']} ms {document['data']}")
    else:
        say(f"< {document['error']['code']}: {document['error']['message']}")
        say(f"    {document['error']['remedy']}")
    return document["data"] or {}


async def talk(client: Client, dataset: str) -> None:
    """Do what an agent does that was asked how many pregnancies are open."""
    say(f"# protocol {client.protocol_version}")
    await call(client, "list_datasets", limit=5)
    await call(client, "get_schema_status", dataset=dataset)
    tables = await call(client, "list_tables", dataset=dataset)
    for table in [each for each in tables["tables"] if each["kind"] == "model"][:4]:
        say(f"    {table['table']}: {table['rows']} rows, {table['columns']} columns")
    found = await call(client, "search_columns", text="village", limit=3)
    table = found["columns"][0]["table"] if found["columns"] else tables["tables"][0]["table"]
    await call(client, "describe_table", dataset=dataset, table=table, limit=3)
    await call(client, "query", dataset=dataset, sql=f'SELECT count(*) FROM "{table}"')  # noqa: S608 - a name from the dictionary
    await call(client, "query", dataset=dataset, sql="SELECT * FROM cases", limit=2)
    await call(client, "query", dataset=dataset, sql="SELECT * FROM caes")
    await call(client, "query", dataset="somewhere/else", sql="SELECT 1")
    loaded = await call(client, "run_materialization", dataset=dataset, wait_seconds=300)
    await call(client, "cancel_materialization", run_id=loaded.get("run_id", "none"))
    begun = await call(
        client, "run_materialization", dataset=dataset, full_refresh=True, wait_seconds=4
    )
    await call(client, "cancel_materialization", run_id=begun.get("run_id", "none"))
    await call(client, "get_materialization_status", run_id=begun.get("run_id", "none"))


async def main(who: str, dataset: str, address: str | None = None) -> None:
    """Open a session and talk."""
    if address is None:
        variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        program = str(Path(sys.executable).with_name("scout"))
        server = StdioServerParameters(
            command=program, args=["mcp", "--person", who], env=variables
        )
        async with Client(server) as client:
            await talk(client, dataset)
        return
    headers = {"Authorization": f"Bearer {os.environ[who]}"}
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=600)) as http:
        transport = streamable_http_client(f"{address}/mcp", http_client=http)
        async with Client(transport, mode="legacy") as client:
            await talk(client, dataset)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
