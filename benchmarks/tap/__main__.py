"""tap-commcare against commcare-export at 0 and 300 ms latency, and its memory by data size.

Run it with `make bench ARGS="tap peers"` and `make bench ARGS="tap memory"`. Each prints a table
and writes it to RESULTS.md in this folder. Airbyte's source cannot be compared: it has no setting
for the server; url_base in source_commcare/source.py, line 28, is https://www.commcarehq.org.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from commcare_sandbox import Sandbox

from benchmarks.tap.peers import (
    PACKAGE,
    Figures,
    add,
    installed_peer,
    measure,
    peer_commands,
    tap_command,
)

RESULTS = Path(__file__).with_name("RESULTS.md")
LATENCIES_MS = (0, 300)
SIZES = (20_000, 1_000_000)
ALONE = "tap-commcare, one request at a time"


def middle(runs: list[Figures]) -> Figures:
    """Return the median of each figure."""
    return Figures(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu_seconds for run in runs),
        statistics.median(run.peak_mib for run in runs),
    )


def compare(cases: int, forms: int, rounds: int, alone_rounds: int) -> list[str]:
    """Measure the tools in turn and return a table."""
    peer = installed_peer()
    lines = [
        f"{cases:,} cases and {forms:,} forms; medians of {rounds} rounds,"
        f" of {alone_rounds} for {ALONE}.\n",
        "| tool | latency ms | wall s | CPU s | peak MiB | wall / peer |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for latency in LATENCIES_MS:
        with (
            Sandbox(cases=cases, forms=forms, latency_ms=latency) as server,
            tempfile.TemporaryDirectory() as name,
        ):
            folder = Path(name)
            tools = {
                PACKAGE.replace("==", " "): (peer_commands(peer, server, folder), rounds),
                ALONE: ([tap_command(server, folder, 1)], alone_rounds),
                "tap-commcare": ([tap_command(server, folder, 4)], rounds),
            }
            runs: dict[str, list[Figures]] = {tool: [] for tool in tools}
            for number in range(rounds):
                for tool, (commands, most) in tools.items():
                    if number < most:
                        runs[tool].append(add([measure(command) for command in commands]))
            slowest = middle(next(iter(runs.values()))).seconds
            for tool, found in runs.items():
                m = middle(found)
                lines.append(
                    f"| {tool} | {latency} | {m.seconds:.1f} | {m.cpu_seconds:.1f}"
                    f" | {m.peak_mib:.0f} | {m.seconds / slowest:.2f} |"
                )
    return lines


def memory(rounds: int) -> list[str]:
    """Measure the peak memory for few and many cases; return a table."""
    lines = ["| cases | wall s | CPU s | peak MiB | peak / first |", "|--:|--:|--:|--:|--:|"]
    first = 0.0
    for size in SIZES:
        with Sandbox(cases=size, forms=1) as server, tempfile.TemporaryDirectory() as name:
            command = tap_command(server, Path(name), 4, ("cases",))
            m = middle([measure(command) for _ in range(rounds)])
            first = first or m.peak_mib
            lines.append(
                f"| {size:,} | {m.seconds:.1f} | {m.cpu_seconds:.1f} | {m.peak_mib:.0f}"
                f" | {m.peak_mib / first:.2f} |"
            )
    return lines


def keep(title: str, lines: list[str]) -> None:
    """Replace the table with the same title in the results."""
    known = (
        RESULTS.read_text().split("\n## ")
        if RESULTS.exists()
        else ["# Benchmarks of tap-commcare\n"]
    )
    others = [part for part in known[1:] if not part.startswith(title)]
    place = (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}"
    )
    parts = [known[0].rstrip(), *(part.rstrip() for part in others)]
    parts.append("\n".join([title, "", place + ". ", "", *lines]))
    RESULTS.write_text("\n\n## ".join(parts) + "\n")


def main() -> None:
    """Run the chosen benchmark, print it, and write it to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["peers", "memory"])
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--forms", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone-rounds", type=int, default=1)
    wanted = parser.parse_args()
    began = time.monotonic()
    if wanted.what == "peers":
        lines = compare(wanted.cases, wanted.forms, wanted.rounds, wanted.alone_rounds)
    else:
        lines = memory(min(wanted.rounds, 3))
    keep({"peers": "Against commcare-export", "memory": "Memory"}[wanted.what], lines)
    print("\n".join(lines), f"\n\nmeasured in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
