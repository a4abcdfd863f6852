"""tap-commcare-connect alone: how long, how much processor and memory, for visits of two sizes.

The tap reads the sandbox's Connect into a file that is thrown away. Memory must not grow with the
number of visits: compare a row with the one above it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from commcare_sandbox import Sandbox

TAP = Path(sys.executable).with_name("tap-commcare-connect")
CASES = ((5_000, 0), (100_000, 0), (1_000_000, 0), (5_000, 20_000), (50_000, 20_000))


@click.command()
@click.option("--opportunities", default=500, show_default=True)
@click.option("--most", default=1_000_000, show_default=True, help="Leave out larger numbers.")
def main(opportunities: int, most: int) -> None:
    """Measure and print a table."""
    click.echo("| visits | bytes each | wall s | visits/s | cpu s | peak MB | requests |")
    click.echo("|--:|--:|--:|--:|--:|--:|--:|")
    for visits, size in CASES:
        if visits <= most:
            click.echo(measure(opportunities, visits, size))


def measure(opportunities: int, visits: int, size: int) -> str:
    """Read so many visits once; return a row of the table."""
    sizes = {"opportunities": opportunities, "visits": visits, "visit_bytes": size}
    named = {f"connect_{name}": value for name, value in sizes.items()}
    with Sandbox(cases=0, forms=0, **named) as sandbox, tempfile.TemporaryDirectory() as folder:
        command = [str(TAP), *_files(Path(folder), sandbox)]
        began = time.monotonic()
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        requests = sandbox.requests()["total"]
    cpu = used.ru_utime + used.ru_stime
    figures = f"{wall:.1f} | {visits / wall:,.0f} | {cpu:.1f} | {used.ru_maxrss / 1024:.0f}"
    failed = "" if process.returncode == 0 else f" failed with {process.returncode}"
    return f"| {visits:,} | {size or 'small'} | {figures} | {requests:,} |{failed}"


def _files(folder: Path, sandbox: Sandbox) -> list[str]:
    token = sandbox.connect.logins()["access_token"]
    config = folder / "config.json"
    config.write_text(json.dumps({"base_url": sandbox.connect.url, "access_token": token}))
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
