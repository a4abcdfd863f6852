"""The measured tools: this tap and commcare-export 1.16, reading the same sandbox.

commcare-export is installed into a separate environment below ~/.cache on first use. Output is
discarded. The sandbox is one process: with large pages and no latency it is the bottleneck.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commcare_sandbox import Sandbox

TAP = Path(sys.executable).parent / "tap-commcare"
PACKAGE = "commcare-export==1.16.0"
CACHE = Path.home() / ".cache" / "scout-benchmarks" / "commcare-export"
FIELDS = {
    "case": ["id", "properties", "indexed_on", "server_date_modified", "closed", "indices"],
    "form": ["id", "form", "metadata", "indexed_on", "received_on", "archived"],
}
PEER_PAGES = {"case": 5000, "form": 1000}


@dataclass(frozen=True)
class Figures:
    """Resources of a run."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command: list[str]) -> Figures:
    """Run a command and measure it."""
    began = time.monotonic()
    # commcare-export writes a log into its working directory.
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tempfile.gettempdir(),
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    cpu = usage.ru_utime + usage.ru_stime
    return Figures(time.monotonic() - began, cpu, usage.ru_maxrss / 1024)


def add(runs: list[Figures]) -> Figures:
    """Return the sum of consecutive runs."""
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


def tap_command(
    server: Sandbox,
    folder: Path,
    concurrency: int,
    streams: tuple[str, ...] = ("cases", "forms"),
) -> list[str]:
    """Return the command of the tap, for some streams."""
    found = subprocess.run([TAP, "--discover"], capture_output=True, check=True)
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        root = next(each for each in entry["metadata"] if not each["breadcrumb"])
        root["metadata"]["selected"] = entry["tap_stream_id"] in streams
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


def installed_peer() -> str:
    """Return the path of commcare-export; install it outside the project if needed."""
    program = CACHE / "bin" / "commcare-export"
    if not program.exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", str(CACHE)], check=True)
        python = str(CACHE / "bin" / "python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, PACKAGE], check=True)
    return str(program)
