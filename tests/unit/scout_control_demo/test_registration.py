"""Where the demo's data goes: which installation, under which names."""

from __future__ import annotations

from pathlib import Path

import pytest
from scout_control.demo.commcare import CommCare
from scout_control.demo.connect import Connect
from scout_control.demo.dataset import key_of
from scout_control.demo.demo_file import FILE, DemoFile
from scout_control.demo.sandbox import DEFAULT_SIZE, Size
from scout_control.demo.services import embedded
from scout_control.installation.settings import Settings

SMALL = Size(cases=300, forms=100, visits=DEFAULT_SIZE.visits)


@pytest.mark.parametrize(
    ("source", "size", "key"),
    [
        (CommCare(), DEFAULT_SIZE, "commcare"),
        (CommCare(), SMALL, "commcare-300-100"),
        (Connect(), SMALL, "connect"),  # as many visits as by default
        (Connect(), Size(cases=0, forms=0, visits=7), "connect-7"),
    ],
)
def test_each_size_is_a_source_of_its_own(source, size, key):
    assert key_of(source, size) == key


def test_the_demo_never_writes_to_a_server_of_the_environment():
    elsewhere = Settings(
        project_root=Path("/p"),
        home=Path("/h"),
        database_url="postgresql://somewhere/else",
        encryption_keys="of that one",
    )
    here = Settings(project_root=Path("/p"), home=Path("/h"), encryption_keys="of this one")

    assert (embedded(elsewhere).database_url, embedded(elsewhere).encryption_keys) == (None, None)
    assert embedded(here) == here


def test_the_history_is_private_and_reads_what_an_earlier_version_wrote(tmp_path):
    made = DemoFile(schema="data_x", sources={"commcare": "commcare-sandbox"}, changes={"a": []})
    made.save(tmp_path)
    file = tmp_path / FILE

    assert DemoFile.load(tmp_path) == made
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text('{"schema": "data_y", "changes": {}, "other": 1}')
    assert DemoFile.load(tmp_path) == DemoFile(schema="data_y")


def test_the_config_of_the_manual_pipe_is_complete():
    class Served:
        url, domain, username, api_key = "http://127.0.0.1:1", "river", "ann", "key"

    assert CommCare().tap_config(Served()) == {
        "base_url": "http://127.0.0.1:1",
        "domain": "river",
        "username": "ann",
        "api_key": "key",
    }
