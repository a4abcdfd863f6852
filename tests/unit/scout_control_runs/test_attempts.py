"""The names of attempts, dead workers of this machine, and the folders that killed runs leave."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.runs import recovery
from scout_control.runs.context import has_died, is_interrupted, is_local, worker_name
from scout_control.runs.execute import attempt_ids

NO_PROCESS = 99_999_999  # Linux has none above 4,194,304


def test_attempts_have_the_same_ids_on_every_machine_and_none_twice():
    run_id = uuid.uuid4()

    assert attempt_ids(run_id, 2) == attempt_ids(run_id, 3)[:2]
    assert len({*attempt_ids(run_id, 3), *attempt_ids(uuid.uuid4(), 3)}) == 6


def test_no_two_attempts_of_one_process_have_the_same_worker_name():
    assert worker_name() != worker_name()
    assert worker_name().startswith(f"{socket.gethostname()}:{os.getpid()}:")


def test_a_worker_has_died_when_its_process_on_this_machine_is_gone():
    host = socket.gethostname()

    assert has_died(f"{host}:{NO_PROCESS}:0a0a0a0a")
    assert not has_died(worker_name())
    assert not has_died(f"{host}:1:0a0a0a0a")  # of another account, perhaps


def test_a_process_that_only_waits_for_its_parent_to_notice_has_died():
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie

    assert has_died(f"{socket.gethostname()}:{ended.pid}:0a0a0a0a")
    ended.wait()


def test_a_run_is_interrupted_at_once_when_its_worker_was_certainly_of_this_machine():
    host, _, _, *place = worker_name().split(":")
    here, elsewhere = f"{host}:{NO_PROCESS}:0a", f"{host}:{NO_PROCESS}:0a:another"
    now = datetime.now(UTC)

    assert is_local(worker_name()) == bool(place)
    assert not is_local(here)
    assert not is_local(elsewhere)
    assert is_interrupted("running", ":".join([here, *place]), now, now) == bool(place)
    assert not is_interrupted("running", worker_name(), now, now)
    # Perhaps of another container with this host name: its heartbeats decide.
    for worker in (here, elsewhere):
        assert not is_interrupted("running", worker, now, now)
        assert is_interrupted("running", worker, now - timedelta(seconds=10), now)


@pytest.mark.parametrize("worker", [None, "", "w", "elsewhere:999999999:0a", "host:x:0a"])
def test_a_worker_elsewhere_or_with_another_kind_of_name_is_not_known_to_be_dead(worker):
    assert not has_died(worker)


def test_a_folder_names_its_run():
    run_id = uuid.uuid4()

    assert recovery.run_id_of(Path(f"/dev/shm/{CREDENTIAL_DIRECTORY}{run_id}-x7b2")) == run_id
    with pytest.raises(ValueError, match="UUID"):
        recovery.run_id_of(Path(f"/dev/shm/{CREDENTIAL_DIRECTORY}anything"))
