"""In shared folders a purge searches only directories of the same account."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from scout_control.meltano import workdir

NOBODY = 65534
OWNER = "river-2026"
LINE = f"project={OWNER} was here\n"


@pytest.fixture
def place():
    """A name that a directory of a run may have."""
    made = Path(tempfile.gettempdir()) / f"{workdir.RUN}of-others-{os.getpid()}"
    yield made
    if made.is_symlink():
        made.unlink()
    elif made.is_dir():
        (made / "some.log").unlink()
        made.rmdir()


def test_a_purge_follows_no_link_of_another_account(world, place, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text(LINE)
    place.symlink_to(tmp_path)
    world.owner(OWNER)
    receipt = world.scout.purges.execute(project=OWNER)

    assert log.read_text() == LINE
    assert receipt["is_complete"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_directory_of_another_account_is_neither_changed_nor_counted(world, place):
    place.mkdir()
    (place / "some.log").write_text(LINE)
    os.chown(place, NOBODY, NOBODY)
    world.owner(OWNER)
    receipt = world.scout.purges.execute(project=OWNER)

    assert (place / "some.log").read_text() == LINE
    assert receipt["is_complete"]
