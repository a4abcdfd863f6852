"""A run on this machine that was killed, and is asked for again at once."""

from __future__ import annotations

import subprocess
import sys

from support.workers import LONGEST_SECONDS, environment_of, wait_until


def test_a_run_that_was_killed_here_goes_on_when_it_is_asked_for_again(installation):
    dataset = installation.dataset()
    installation.act(seconds=600)
    command = [sys.executable, "-m", "scout_control", "run", dataset]
    environment = environment_of(installation.settings)
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as killed:
        wait_until(installation.told)
        killed.kill()
        killed.wait(LONGEST_SECONDS)
    installation.act(rows=5)
    wait_until(lambda: not installation.rows(dataset, LOCKED))
    run = installation.scout.run(dataset)

    assert (run.status, run.attempt) == ("completed", 2)
    assert installation.rows(dataset) == [(5,)]


LOCKED = """
    SELECT pid FROM scout_control.locks
      JOIN pg_stat_activity AS session USING (pid, backend_start)
"""
