"""Time, CPU and memory of tap-commcare-connect for visits of two sizes.

An unmeasured first run fills the sandbox's page cache, so that the tap is what is measured; its
output is discarded. Memory must not grow with the number of visits: compare each row with the
previous one. The results are also written to connect-RESULTS.md in this folder.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from commcare_sandbox import Sandbox

TAP = Path(sys.executable).with_name("tap-commcare-connect")
RESULTS = Path(__file__).with_name("connect-RESULTS.md")
PAGE_BYTES = 2 << 20
"""The tap's default; set explicitly so that all runs request the same pages."""
CASES = ((5_000, 0), (100_000, 0), (1_000_000, 0), (5_000, 20_000), (50_000, 20_000))
HEAD = (
    "| visits | bytes each | wall s | visits/s | cpu s | cpu µs/visit | peak MB | requests"
    " | sandbox cpu s |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


@dataclass
class Figures:
    """Resources of one run."""

    wall: float
    cpu: float
    peak_mb: float
    requests: int
    sandbox_cpu: float
    code: int


@click.command()
@click.option("--opportunities", default=500, show_default=True)
@click.option("--most", default=1_000_000, show_default=True, help="Leave out larger numbers.")
@click.option("--rounds", default=3, show_default=True, help="Of which the medians are shown.")
@click.option("--write/--no-write", default=True, help=f"Write {RESULTS.name}.")
def main(opportunities: int, most: int, rounds: int, *, write: bool) -> None:
    """Measure, print a table, and write it to the results."""
    chosen = [case for case in CASES if case[0] <= most]
    lines = [HEAD]
    click.echo(HEAD)
    for visits, size in chosen:
        line = measure(opportunities, visits, size, rounds)
        lines.append(line)
        click.echo(line)
    if write:
        RESULTS.write_text(report(opportunities, rounds, lines))


def report(opportunities: int, rounds: int, lines: list[str]) -> str:
    """Return the results page."""
    day = datetime.now(UTC).date().isoformat()
    where = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return "\n".join(
        (
            "# Benchmarks of tap-commcare-connect",
            "",
            f"{day}, {where}. Medians of {rounds} runs over {opportunities} opportunities, stream",
            "`visits`, `concurrency` 4, a new process for each run, start included. The",
            "sandbox runs on the same cores and serves cached pages.",
            "",
            "    make bench ARGS=connect",
            "",
            *lines,
            "",
        )
    )


def measure(opportunities: int, visits: int, size: int, rounds: int) -> str:
    """Read a number of visits several times; return a row of the table."""
    sizes = {"opportunities": opportunities, "visits": visits, "visit_bytes": size}
    named = {f"connect_{name}": value for name, value in sizes.items()}
    with (
        Sandbox(cases=0, forms=0, connect_keep_pages=True, **named) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        files = _files(Path(folder), sandbox, min(PAGE_BYTES // (size or 1), 1000))
        _run(files, sandbox)
        found = [_run(files, sandbox) for _ in range(rounds)]
    return _row(visits, size, found)


def _row(visits: int, size: int, found: list[Figures]) -> str:
    wall = statistics.median(each.wall for each in found)
    cpu = statistics.median(each.cpu for each in found)
    peak = max(each.peak_mb for each in found)
    served = statistics.median(each.sandbox_cpu for each in found)
    failed = "".join(f" failed with {each.code}" for each in found if each.code)
    return (
        f"| {visits:,} | {size or 'small'} | {wall:.1f} | {visits / wall:,.0f} | {cpu:.1f}"
        f" | {1e6 * cpu / visits:.1f} | {peak:.0f} | {found[0].requests:,} | {served:.1f} |{failed}"
    )


def _run(files: list[str], sandbox: Sandbox) -> Figures:
    sandbox.forget_requests()
    served = _cpu_seconds(sandbox.pid)
    began = time.monotonic()
    quiet = subprocess.DEVNULL
    with subprocess.Popen([str(TAP), *files], stdout=quiet, stderr=quiet) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Figures(
        wall=time.monotonic() - began,
        cpu=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / 1024,
        requests=sandbox.requests()["total"],
        sandbox_cpu=_cpu_seconds(sandbox.pid) - served,
        code=process.returncode,
    )


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process; 0 without /proc."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _files(folder: Path, sandbox: Sandbox, page_size: int) -> list[str]:
    config = folder / "config.json"
    settings = {
        "base_url": sandbox.connect.url,
        "access_token": sandbox.connect.logins()["access_token"],
        "page_size": page_size,
    }
    config.write_text(json.dumps(settings))
    found = subprocess.run([TAP, "--discover"], capture_output=True, check=True).stdout
    catalog = json.loads(found)
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if not part["breadcrumb"]:
                part["metadata"]["selected"] = entry["tap_stream_id"] == "visits"
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return ["--config", str(config), "--catalog", str(folder / "catalog.json")]


if __name__ == "__main__":
    main()
