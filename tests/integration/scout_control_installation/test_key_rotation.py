"""A new encryption key is added, and the old one removed, while workers run."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest
from scout_control.api.scout import Scout
from scout_control.installation.encryption import Keyring, generate
from scout_control.installation.settings import Settings
from scout_control.store.models import Credential
from sqlalchemy import select, text
from support.workers import environment_of, wait_until

WORKERS, LANES, DATASETS = 2, 2, 2


@pytest.fixture
def command(installation):
    """Return the arguments of a process of this installation that has these keys."""

    def with_keys(*keys):
        environment = environment_of(installation.settings) | {
            "SCOUT_ENCRYPTION_KEYS": ",".join(keys)
        }
        return {"env": environment, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}

    return with_keys


@pytest.mark.timeout(900)
def test_key_rotation_does_not_disturb_runs(installation, command):
    old, new = installation.settings.encryption_keys, generate()
    datasets = [installation.dataset() for _ in range(DATASETS)]
    installation.act(seconds=2)
    with ExitStack() as at_the_end:

        def start(*keys):
            program = [sys.executable, "-m", "scout_control", "worker", "--concurrency", "1"]
            process = subprocess.Popen(program, **command(*keys))
            at_the_end.callback(process.wait)
            at_the_end.callback(process.kill)
            return process

        def replace(workers, *keys):
            wait_until(lambda: lanes(installation) == LANES * len(workers))
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            fresh = [start(*keys) for _ in workers]
            assert {worker.wait(200) for worker in workers} == {128 + signal.SIGTERM}
            return fresh

        def queue(scout):
            for path in datasets:
                if not scout.runs.list(dataset=path) or not is_alive(scout, path):
                    scout.runs.queue(path)

        queue(installation.scout)
        workers = [start(old) for _ in range(WORKERS)]
        workers = replace(workers, new, old)
        program = [sys.executable, "-m", "scout_control", "keys", "rotate"]
        subprocess.run(program, check=True, timeout=200, **command(new, old))
        with Scout(Settings(**{**vars(installation.settings), "encryption_keys": new})) as scout:
            assert opens(scout.installation, new) == DATASETS
            queue(scout)
            workers = replace(workers, new)
            wait_until(lambda: not any(is_alive(scout, path) for path in datasets))
            queue(scout)
            wait_until(lambda: not any(is_alive(scout, path) for path in datasets))
            ended = {run.status for run in scout.runs.list()}

    assert ended == {"completed"}
    assert len(installation.told()) >= 2 * DATASETS
    assert {told["key"] for told in installation.told()} == {"canary"}


def lanes(installation):
    """Return how many lanes of workers are ready for jobs."""
    with installation.scout.installation.store.begin() as session:
        return session.scalar(text("SELECT count(*) FROM procrastinate_workers"))


def opens(installation, key):
    """Open everything that is stored with one key; return how much that was."""
    with installation.store.begin() as session:
        found = list(session.scalars(select(Credential.secrets)))
    keyring = Keyring([key])
    return len([keyring.open(text) for text in found])


def is_alive(scout, path):
    return scout.runs.list(dataset=path, limit=1)[0].status in {"queued", "running", "paused"}
