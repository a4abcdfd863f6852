"""Side by side on one sandbox: this tap and commcare-export, to /dev/null, medians of some rounds.

commcare-export is installed apart, for instance:

    python -m venv /tmp/peer && /tmp/peer/bin/pip install commcare-export==1.16.0
    .venv/bin/python benchmarks/tap/peers.py --peer /tmp/peer/bin/commcare-export

Airbyte's source cannot take part: the address of www.commcarehq.org is written into it. The server
is one process, so that with large pages its own work, not the client's, is most of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commcare_sandbox import Sandbox

TAP = Path(sys.executable).parent / "tap-commcare"
FIELDS = {
    "case": ["id", "properties", "indexed_on", "server_date_modified", "closed", "indices"],
    "form": ["id", "form", "metadata", "indexed_on", "received_on", "archived"],
}
PEER_PAGES = {"case": 5000, "form": 1000}


@dataclass(frozen=True)
class Figures:
    """What a run took."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command: list[str]) -> Figures:
    """Run a command to its end."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    cpu = usage.ru_utime + usage.ru_stime
    return Figures(time.monotonic() - began, cpu, usage.ru_maxrss / 1024)


def add(runs: list[Figures]) -> Figures:
    """Return what runs took that follow each other."""
    return Figures(
        sum(run.seconds for run in runs),
        sum(run.cpu_seconds for run in runs),
        max(run.peak_mib for run in runs),
    )


def query(kind: str) -> dict[str, Any]:
    """Return the query of commcare-export for the main columns of one kind."""
    fields = FIELDS[kind]
    read = {"fn": {"Ref": "api_data"}, "args": [{"Lit": kind}, {"Ref": "checkpoint_manager"}]}
    body = {"List": [{"Ref": name} for name in fields]}
    emit = {
        "table": kind,
        "headings": [{"Lit": name} for name in fields],
        "source": {"Map": {"source": {"Apply": read}, "body": body}},
    }
    manager = {"fn": {"Ref": "get_checkpoint_manager"}, "args": [{"Lit": kind}, {"Lit": [kind]}]}
    value = {"Apply": manager}
    return {"Bind": {"name": "checkpoint_manager", "value": value, "body": {"Emit": emit}}}


def peer_commands(peer: str, server: Sandbox, folder: Path) -> list[list[str]]:
    """Return the commands of commcare-export: one for each kind, with the largest pages."""
    commands = []
    for kind, size in PEER_PAGES.items():
        path = folder / f"{kind}.json"
        path.write_text(json.dumps(query(kind)))
        options = {
            "--commcare-hq": server.url,
            "--username": server.username,
            "--auth-mode": "apikey",
            "--password": server.api_key,
            "--project": server.domain,
            "--query": str(path),
            "--output-format": "json",
            "--output": str(folder / f"{kind}-out.json"),
            "--batch-size": str(size),
        }
        commands.append([peer, *(part for pair in options.items() for part in pair), "--verbose"])
    return commands


def tap_command(server: Sandbox, folder: Path, concurrency: int) -> list[str]:
    """Return the command of the tap, for cases and forms."""
    found = subprocess.run([TAP, "--discover"], capture_output=True, check=True)
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        root = next(each for each in entry["metadata"] if not each["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] in {"cases", "forms"}
    config = {
        "base_url": server.url,
        "domain": server.domain,
        "username": server.username,
        "api_key": server.api_key,
        "concurrency": concurrency,
    }
    command = [str(TAP)]
    for name, value in (("config", config), ("catalog", catalog)):
        path = folder / f"{name}-{concurrency}.json"
        path.write_text(json.dumps(value))
        command += [f"--{name}", str(path)]
    return command


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="commcare-export")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--forms", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    print(f"{wanted.cases:,} cases, {wanted.forms:,} forms, medians of {wanted.rounds}\n")
    print("| tool | latency | seconds | CPU seconds | peak MiB |")
    print("|---|--:|--:|--:|--:|")
    for latency in (0, 300):
        with (
            Sandbox(cases=wanted.cases, forms=wanted.forms, latency_ms=latency) as server,
            tempfile.TemporaryDirectory() as name,
        ):
            folder = Path(name)
            tools = {
                "commcare-export": peer_commands(wanted.peer, server, folder),
                "tap-commcare, one at a time": [tap_command(server, folder, 1)],
                "tap-commcare": [tap_command(server, folder, 4)],
            }
            runs: dict[str, list[Figures]] = {tool: [] for tool in tools}
            for _ in range(wanted.rounds):
                for tool, commands in tools.items():
                    runs[tool].append(add([measure(command) for command in commands]))
            for tool, found in runs.items():
                seconds = statistics.median(run.seconds for run in found)
                cpu = statistics.median(run.cpu_seconds for run in found)
                peak = statistics.median(run.peak_mib for run in found)
                print(f"| {tool} | {latency} ms | {seconds:.1f} | {cpu:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
