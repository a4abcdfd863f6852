"""Inject every fault into a look-alike of Connect, and write what the tap does about it.

The tap runs once with each fault and once without it; the table is written to
docs/faults/tap-commcare-connect.md. With words as arguments, only faults with such names are run.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.connect_faults.faults import FAULTS
from benchmarks.connect_faults.lookalike import Asked, Lookalike, Reply, Spoil, healthy

TAP = Path(sys.executable).with_name("tap-commcare-connect")
PAGE = Path(__file__).parents[2] / "docs" / "faults" / "tap-commcare-connect.md"
STREAMS = {"users": "user_data", "visits": "user_visits", "payments": "payment"}


@dataclass
class Seen:
    """What a run printed."""

    code: int
    log: str
    keys: list[tuple]
    state: dict | None
    activated: set[str]

    @property
    def last_line(self) -> str:
        return self.log.strip().splitlines()[-1]


def run_tap(url: str, folder: Path, state: dict | None, **settings: Any) -> Seen:
    """Run the tap once over the three streams."""
    config = {
        "base_url": url,
        "access_token": "first",
        "page_size": 5,
        "visit_overlap": 0,
        "max_retry_seconds": 3,
        "max_rate_limit_wait": 10,
        **settings,
    }
    files = {"config": {k: v for k, v in config.items() if v is not None}, "state": state or {}}
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    command = [str(TAP), "--config", str(folder / "config.json")]
    command += ["--catalog", str(folder / "catalog.json"), "--state", str(folder / "state.json")]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    names = {m["stream"]: m["key_properties"] for m in messages if m["type"] == "SCHEMA"}
    keys = [
        (m["stream"], *(m["record"][name] for name in names[m["stream"]]))
        for m in messages
        if m["type"] == "RECORD"
    ]
    states = [m["value"] for m in messages if m["type"] == "STATE"]
    activated = {m["stream"] for m in messages if m["type"] == "ACTIVATE_VERSION"}
    return Seen(
        done.returncode, done.stderr.decode(), keys, states[-1] if states else state, activated
    )


def write_catalog(folder: Path) -> None:
    """Select the three streams."""
    found = subprocess.run([TAP, "--discover"], capture_output=True, check=True).stdout
    catalog = json.loads(found)
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if not part["breadcrumb"]:
                part["metadata"]["selected"] = entry["tap_stream_id"] in STREAMS
    (folder / "catalog.json").write_text(json.dumps(catalog))


ENDS = re.compile(
    r"(\w+) (completed|failed|skipped) \(\d+ records(?:; (.*?))?\)"
    r"(?=, \w+ (?:completed|failed|skipped)|$)"
)


def outcome(seen: Seen) -> str:
    """Return the status of the streams, from the last line of the log."""
    parts = [p for p in ENDS.findall(seen.last_line.partition("streams: ")[2]) if p[0] in STREAMS]
    if "event=paused resume_at=" in seen.log:
        return "`event=paused resume_at=...`; the next run resumes there"
    odd = [part for part in parts if part[1] != "completed"]
    if not odd:
        return "all completed"
    names = ", ".join(f"`{name}` {state}" for name, state, _ in odd)
    reason = odd[0][2].replace("127.0.0.1", "host").replace("|", "/")
    others = "" if len(odd) == len(parts) else "; the others completed"
    return f"{names}{others}: “{reason}”"


def row(name: str, spoil: Spoil, server: Lookalike, folder: Path, whole: set[tuple]) -> str:
    """Run once with a fault and once without it; return a row of the table."""
    server.reset(spoil)
    began = time.monotonic()
    first = run_tap(server.url, folder, None)
    seconds = time.monotonic() - began
    server.reset(healthy)
    again = run_tap(server.url, folder, first.state)
    missing = len(whole - set(first.keys))
    lost = len(whole - set(first.keys) - set(again.keys))
    repeated = len(first.keys) - len(set(first.keys))
    is_unsafe = first.code and {key[0] for key in whole - set(first.keys)} & first.activated
    note = " rows were removed |" if is_unsafe else ""
    sys.stderr.write(
        f"{name}: exit {first.code} in {seconds:.1f} s, missing {missing}, lost {lost}{note}\n"
    )
    return (
        f"| {name} | {outcome(first)} | {first.code} | {missing} | {lost} | {repeated}"
        f" | {again.code} |{note}"
    )


def token_row(server: Lookalike, folder: Path, whole: set[tuple]) -> str:
    """Invalidate the access token between pages; return a row of the table."""

    def kill(asked: Asked, reply: Reply) -> Reply:
        if asked.path == "/export/opportunity/1/user_visits/" and asked.count == 2:
            server.tokens = set()
        return reply

    server.reset(kill)
    server.tokens = set()
    login = {
        "access_token": None,
        "client_id": "public",
        "refresh_token": server.refresh_token,
        "credential_file": str(folder / "credential"),
    }
    first = run_tap(server.url, folder, None, **login)
    refreshes = server.refreshes
    again = run_tap(server.url, folder, first.state, **login)
    missing, lost = (len(whole - set(keys)) for keys in (first.keys, first.keys + again.keys))
    repeated = len(first.keys) - len(set(first.keys))
    does = f"{outcome(first)}; {refreshes} refreshes: one at the start, one for all in flight"
    name = "the access token is invalidated, four requests in flight"
    return f"| {name} | {does} | {first.code} | {missing} | {lost} | {repeated} | {again.code} |"


def main() -> int:
    """Run the faults; write the page unless only some were named."""
    parser = argparse.ArgumentParser(prog="connect_faults", description=__doc__)
    parser.add_argument("wanted", nargs="*", metavar="WORD", help="only faults named with a WORD")
    wanted = parser.parse_args().wanted
    server = Lookalike()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_catalog(folder)
        whole = set(run_tap(server.url, folder, None).keys)
        chosen = [f for f in FAULTS if not wanted or any(word in f[0] for word in wanted)]
        lines = [row(*fault, server, folder, whole) for fault in chosen]
        if not wanted:
            lines.append(token_row(server, folder, whole))
    table = "\n".join(lines)
    sys.stdout.write(table + "\n")
    sys.stdout.write(f"methods: {dict(server.methods)}\n")
    if not wanted:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(HEAD.format(rows=len(whole)) + table + "\n")
    return 0


HEAD = """# tap-commcare-connect: what each fault causes

Generated by `make bench ARGS=connect_faults`: a look-alike of Connect (not the sandbox) injects one
fault after the other, with 3 opportunities, {rows} rows in `users`, `visits` and `payments`, 5 rows
per page, `max_retry_seconds` 3 and `max_rate_limit_wait` 10.

- *Missing*: rows that the run with the fault did not emit.
- *Lost*: rows that the next run, on a healthy server, did not emit either.
- *Repeated*: rows emitted twice in the run with the fault. If one opportunity fails permanently,
  the others are read once more without a version, so that they are loaded and nothing is removed.

A stream that failed or was skipped removes no rows.

| fault | what the tap does | exit | missing | lost | repeated | exit of the next run |
|---|---|--:|--:|--:|--:|--:|
"""


if __name__ == "__main__":
    sys.exit(main())
