"""Behaviour of tap-commcare under every fault of the sandbox; writes docs/faults/tap-commcare.md.

Run `python -m benchmarks.tap.faults`. Each fault is injected while cases, forms and
users are read; a run that ends early is followed by one without the fault, from its last state.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commcare_sandbox import Sandbox

TAP = Path(sys.executable).parent / "tap-commcare"
PAGE = Path(__file__).parents[2] / "docs" / "faults" / "tap-commcare.md"
KEYS = {"cases": "case_id", "forms": "form_id", "users": "id"}
SIZE = {"cases": 300, "forms": 150}
HEAD = """# tap-commcare: every fault, and what it does

Written by `python -m benchmarks.tap.faults`, which plants each fault in the sandbox while {cases}
cases, {forms} forms and all users are read, 25 to a page. Where a run ended early, a second one
went on from its last state without the fault. *Lost* is what no run emitted; *repeated* is what
was emitted more than once; the 26 users are read in full by every run, so a second run repeats them
if the first one had them.

| fault | exit code, then that of the next run | what it says | lost | repeated |
|---|---|---|--:|--:|
"""


@dataclass(frozen=True)
class Fault:
    """A fault: the sandbox's switches, and tap settings that keep waits short."""

    name: str
    switches: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


WAITING = {"max_rate_limit_wait": 5}
SHORT = {"max_retry_seconds": 1}
FAULTS = (
    Fault("none"),
    Fault("429, Retry-After 1", {"fault": "429", "fault_every": 9, "retry_after": "1"}),
    Fault("429, Retry-After 0.41", {"fault": "429", "fault_every": 9, "retry_after": "0.41"}),
    Fault("429 without Retry-After", {"fault": "429", "fault_every": 9, "retry_after": "absent"}),
    Fault("429, Retry-After 3600", {"fault": "429", "fault_every": 9, "retry_after": "3600"}),
    Fault("429 for ever", {"fault": "429", "retry_after": "1"}, {"max_rate_limit_wait": 1}),
    Fault("503, Retry-After as a date",
          {"fault": "503", "fault_every": 9, "retry_after": "date", "retry_after_seconds": 1}),
    Fault("500, 502, 504 that pass", {"fault": "500,502,504", "fault_every": 7}),
    Fault("500 for ever", {"fault": "500", "fault_path": "case/v2"}, SHORT),
    Fault("connection reset in mid-body", {"fault": "reset", "fault_every": 7}),
    Fault("JSON that ends early", {"fault": "truncate", "fault_every": 7}),
    Fault("no answer",
          {"fault": "stall", "fault_every": 15, "stall_seconds": 3}, {"read_timeout": 1}),
    Fault("200 without the list", {"fault": "missing-key", "fault_path": "case/v2"}),
    Fault("missing permission", {"missing_permission": "edit_commcare_users"}),
    Fault("expired subscription", {"expired_subscription": True}),
    Fault("cut off after too many requests", {"cut_off": True}),
    Fault("wrong key", {}, {"api_key": "wrong"}),
    Fault("next as a bare query", {"next_style": "bare"}),
    Fault("next as a path", {"next_style": "path"}),
    Fault("next on another host", {"next_style": "foreign"}),
    Fault("fewer rows on a page than requested", {"page_cap": 10}),
    Fault("case list as before June 2025", {"old_case_list": True}),
    Fault("equal stamps in another order each time", {"unstable_ties": True}),
    Fault("cases edited before each page", {"churn": 2}),
)  # fmt: skip


@dataclass
class Runs:
    """The tap on one server, and everything its runs emitted up to their last states."""

    server: Sandbox
    folder: Path
    state: dict[str, Any] | None = None
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, settings: dict[str, Any]) -> tuple[int, str]:
        """Run once; return the exit code and the last log message before the summary."""
        login = ("domain", "username", "api_key")
        config = {name: getattr(self.server, name) for name in login}
        config |= {"base_url": self.server.url, "page_size": 25, "overlap_seconds": 0}
        command = [str(TAP)]
        files = {"config": config | settings, "catalog": CATALOG, "state": self.state}
        for name, value in files.items():
            if value is not None:
                (self.folder / name).write_text(json.dumps(value))
                command += [f"--{name}", str(self.folder / name)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        for line in done.stdout.split(b"\n")[:-1]:
            message = json.loads(line)
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD":
                stream = message["stream"]
                self.seen[stream, message["record"][KEYS[stream]]] += 1
        return done.returncode, _said(done.stderr.decode(), self.server)


def _said(log: str, server: Sandbox) -> str:
    """Return the last warning of a log, without values that differ between runs."""
    lines = [line.split("|")[-1].strip() for line in log.splitlines() if "| ERROR" in line]
    told = [line for line in lines if not line.startswith("event=")]
    host = server.url.removeprefix("http://").rpartition(":")[0]
    return (
        told[-1].split(": ", 1)[-1].split(" Run again after")[0].replace(host, "HQ") if told else ""
    )


def _catalog() -> dict[str, Any]:
    found = subprocess.run([str(TAP), "--discover"], capture_output=True, check=True)
    catalog: dict[str, Any] = json.loads(found.stdout)
    catalog["streams"] = [e for e in catalog["streams"] if e["tap_stream_id"] in KEYS]
    return catalog


CATALOG = _catalog()


def row(fault: Fault) -> str:
    """Inject a fault, run until everything is read, and return its row of the table."""
    with Sandbox(**SIZE) as server, tempfile.TemporaryDirectory() as name:
        runs = Runs(server, Path(name))
        healthy = server.status()["switches"]
        server.set(**fault.switches)
        code, said = runs(WAITING | fault.settings)
        codes = str(code)
        if code:
            server.set(**{switch: healthy[switch] for switch in fault.switches})
            codes += f", {runs({})[0]}"
        there = {("cases", case["case_id"]) for case in server.content("cases")}
        there |= {("forms", form["id"]) for form in server.content("forms")}
    lost = len(there - runs.seen.keys())
    moved = fault.switches.get("churn")
    repeated = sum(count - 1 for count in runs.seen.values())
    told = f"{repeated} (edited meanwhile)" if moved else str(repeated)
    return f"| {fault.name} | {codes} | {said} | {lost} | {told} |"


def main() -> None:
    """Write the page."""
    rows = []
    for fault in FAULTS:
        rows.append(row(fault))
        print(rows[-1], flush=True)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(HEAD.format(**SIZE) + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
