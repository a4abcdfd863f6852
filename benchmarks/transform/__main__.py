"""models: nothing changed, a small change, a million cases of 60 properties, a million forms

Generates the data with SQL in an embedded Postgres of its own, as the target would have loaded it,
and runs `scout-dbt build`. Writes what it found to RESULTS.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from scout_control.installation import embedded_postgres

from benchmarks.transform import data

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("RESULTS.md")
ROUNDS = 3  # of what takes seconds; what takes minutes is done once


class Cost(NamedTuple):
    """What a build took: seconds, and seconds of CPU of everything but Postgres."""

    wall: float
    cpu: float


def build(url: str, folder: Path) -> Cost:
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": url,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": data.SCHEMA,
        "DBT_PROJECT_DIR": str(ROOT / "transform"),
        "DBT_PROFILES_DIR": str(ROOT / "transform"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [Path(sys.executable).with_name("scout-dbt"), "build"]
    done = subprocess.run(
        [*command, "--exclude-resource-type", "unit_test"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - began, cpu)


def measured(url: str, folder: Path, stream: str, rounds: int) -> dict[str, Cost]:
    """Build for the first time, after small changes, and after none."""
    shutil.rmtree(folder / "target", ignore_errors=True)
    first = build(url, folder)
    small, idle = [], []
    for turn in range(rounds):
        data.change(url, stream, turn)
        small.append(build(url, folder))
        idle.append(build(url, folder))
    return {
        "first build": first,
        "10 records changed": middle(small),
        "nothing changed": middle(idle),
    }


def middle(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(each) for each in zip(*costs, strict=True)))


def report(rows: list[tuple[str, str, Cost]], rounds: int, began: float) -> str:
    load = os.getloadavg()[0]
    words = " ".join(["transform", *sys.argv[1:]])
    head = (
        f"# Measured\n\n`make bench ARGS='{words}'`, {datetime.now(UTC):%d %B %Y}: "
        f"{os.cpu_count()} cores, load average {load:.1f} at the end, Python "
        f"{platform.python_version()}, {time.monotonic() - began:.0f} s in all. Medians of "
        f"{rounds}, but for first builds. Wall time is of `scout-dbt build` with the data tests, "
        "Postgres included; CPU is that of everything but Postgres.\n\n"
        "| dataset | build | wall s | CPU s |\n|---|---|--:|--:|\n"
    )
    return head + "".join(
        f"| {dataset} | {name} | {cost.wall:.1f} | {cost.cpu:.2f} |\n"
        for dataset, name, cost in rows
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1_000_000, help="0: leave that part out")
    parser.add_argument("--forms", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    datasets = (
        ("small: 500 cases, 400 forms", 500, 400, "forms"),
        (f"{options.cases:,} cases of {len(data.KINDS)} properties", options.cases, 0, "cases"),
        (f"{options.forms:,} forms of {len(data.ANSWERS)} answers", 0, options.forms, "forms"),
    )
    folder = Path(tempfile.mkdtemp(prefix="scout-benchmark-"))
    began = time.monotonic()
    rows: list[tuple[str, str, Cost]] = []
    try:
        url = embedded_postgres.start(folder / "data", durable=False, as_superuser=True)
        for dataset, cases, forms, stream in datasets:
            if not cases + forms:
                continue
            data.fill(url, cases, forms)
            for name, cost in measured(url, folder, stream, options.rounds).items():
                rows.append((dataset, name, cost))
                line = f"{dataset:40} {name:20} {cost.wall:7.1f} s   CPU {cost.cpu:5.2f} s"
                print(line, flush=True)
            RESULTS.write_text(report(rows, options.rounds, began), encoding="utf-8")
    finally:
        embedded_postgres.stop(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
