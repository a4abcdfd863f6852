"""A script that is forked from a preloaded process ends as one that was started for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support import preloaded
from support.workers import wait_until

SCRIPT = str(Path(sys.executable).with_name("commcare-sandbox"))


@pytest.mark.parametrize("words", [["--version"], ["serve", "--cases=many"], ["nothing"], []])
def test_output_and_exit_code_are_the_same(words):
    real = subprocess.run([SCRIPT, *words], capture_output=True, check=False)
    forked = preloaded.run([SCRIPT, *words])

    assert (forked.returncode, forked.stdout, forked.stderr) == (
        real.returncode,
        real.stdout,
        real.stderr,
    )


def test_each_run_has_its_own_environment_and_arguments():
    wide = preloaded.run([SCRIPT, "serve", "--help"], env=os.environ | {"COLUMNS": "200"})
    narrow = preloaded.run([SCRIPT, "serve", "--help"], env=os.environ | {"COLUMNS": "50"})

    assert len(narrow.stdout.splitlines()) > len(wide.stdout.splitlines()) > 10


def test_a_run_is_killed_after_its_timeout():
    preloaded.run([SCRIPT, "--version"])  # starts the process that is forked, and stays
    this = psutil.Process()
    before = set(this.children(recursive=True))

    with pytest.raises(TimeoutError):
        preloaded.run([SCRIPT, "serve", "--port=0"], timeout=1)

    wait_until(lambda: not set(this.children(recursive=True)) - before)
