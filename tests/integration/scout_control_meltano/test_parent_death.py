"""The supervisor between worker and run: it ends the run and isolates it from the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scout_control.meltano import parent_death
from support.workers import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere runs are not held")
HELD = "import time; print('started', flush=True); time.sleep(600)"
# As many domains as the system allows: one more is refused.
APART = """
import subprocess, sys
from scout_control.meltano import parent_death
for _ in range(16):
    parent_death.isolate_process()
command = [*parent_death.supervisor_command(), sys.executable, "-c", "print('started')"]
sys.exit(subprocess.call(command))
"""


@pytest.mark.parametrize("before", [[], ["setpriv", "--no-new-privs"]], ids=["plain", "few"])
@pytest.mark.parametrize(
    "signum", [signal.SIGKILL, signal.SIGTERM], ids=["is killed", "is asked to end"]
)
def test_a_supervised_process_ends_with_its_parent(signum, before):
    words = [*before, *parent_death.supervisor_command(), sys.executable, "-c", HELD]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as holder:
        assert holder.stdout.readline() == b"started\n"
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        (held,) = map(int, children)
        holder.send_signal(signum)
        holder.wait(60)

    wait_until(lambda: not _is_alive(held))


def test_what_cannot_be_isolated_is_not_started():
    done = subprocess.run(
        [sys.executable, "-c", APART], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (1, ""), done
    assert "could not be started in isolation" in done.stderr


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        stat = Path(f"/proc/{process}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
