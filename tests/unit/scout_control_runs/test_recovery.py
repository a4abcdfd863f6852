"""Which folder belongs to which run: anyone may create folders for temporary files."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.runs import context, recovery

RUN = uuid.UUID("6f1c2d3e-0a1b-4c5d-8e9f-001122334455")


@pytest.mark.parametrize("suffix", ["", "-abc123", "xyz"])
def test_a_folder_names_its_run(suffix):
    assert recovery.run_id_of(Path(f"/tmp/{CREDENTIAL_DIRECTORY}{RUN}{suffix}")) == RUN


@pytest.mark.parametrize(
    "name",
    [
        "",
        CREDENTIAL_DIRECTORY,
        f"{CREDENTIAL_DIRECTORY}{str(RUN)[:-1]}",
        f"{CREDENTIAL_DIRECTORY}{'x' * 36}",
        f"{CREDENTIAL_DIRECTORY}../../etc/passwd",
        f"x{CREDENTIAL_DIRECTORY}{RUN}",
        f"{CREDENTIAL_DIRECTORY}{'é' * 36}",
    ],
)
def test_a_folder_of_any_other_name_is_of_no_run(name):
    with pytest.raises(ValueError, match="badly formed"):
        recovery.run_id_of(Path("/tmp") / name)


def test_each_attempt_has_its_own_worker():
    one, other = context.worker_name(), context.worker_name()

    assert one != other
    assert not context.has_died(one)  # it is this process


@pytest.mark.parametrize(
    ("worker", "died"),
    [
        (None, False),
        ("", False),
        ("elsewhere:1:ab", False),
        ("{host}:x:ab", False),
        ("{host}::ab", False),
        ("{host}:-1:ab", False),
        ("{host}", False),
        ("{host}:1:ab", False),  # the first process of the machine lives
        ("{host}:4194305:ab", True),  # beyond the largest id of Linux
        ("{host}:99999999999999999999:ab", True),
    ],
)
def test_only_a_worker_of_this_machine_is_known_to_have_died(worker, died):
    host = context.socket.gethostname()

    assert context.has_died(worker and worker.format(host=host)) is died
