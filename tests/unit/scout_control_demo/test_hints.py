"""What the demo suggests to type next works when it is pasted, wherever the demo lies."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from scout_control.demo import manual_pipe, walkthrough
from scout_control.demo.commcare import CommCare
from scout_control.demo.connect import Connect

FOLDERS = (".venv/bin", "/opt/my programs/bin", "/o'hara/$HOME/bin", "/नदी/bin")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    ("environment", "before"),
    [
        ({}, []),
        ({"SCOUT_DATABASE_URL": ""}, []),
        (
            {"SCOUT_DATABASE_URL": "postgresql://elsewhere/x"},
            ["env", "-u", "SCOUT_DATABASE_URL", "-u", "SCOUT_ENCRYPTION_KEYS"],
        ),
    ],
    ids=["here", "empty", "elsewhere"],
)
def test_commands_reach_the_installation_of_the_demo(folder, environment, before):
    command = walkthrough.scout_command(Path(folder), environment)

    assert shlex.split(command) == [*before, f"{folder}/scout"]


def hints(source, *, keep_running=False, path="demo/commcare"):
    found = walkthrough.hints_for(".venv/bin/scout", path, source, keep_running=keep_running)
    return [line for line, _ in found]


@pytest.mark.parametrize("source", [CommCare(), Connect()], ids=lambda source: source.name)
def test_each_suggestion_is_one_command_of_a_shell(source):
    for line in hints(source, path="demo/my source"):
        program, *arguments = shlex.split(line)
        assert program in {".venv/bin/scout", "make"}
        if arguments[0] == "query":
            assert arguments[1:] == ["demo/my source", source.example_query]
        if arguments[0] == "describe":
            assert arguments[1:] == ["demo/my source"]


def test_the_demo_of_a_source_suggests_that_source():
    assert "make demo" in hints(CommCare())
    assert all("SOURCE=" not in line for line in hints(CommCare()))
    lines = [line for line in hints(Connect()) if line.startswith("make")]
    assert lines
    assert all(line.startswith("make demo SOURCE=connect") for line in lines)


def test_what_is_kept_running_already_is_not_suggested():
    def suggested(*, keep_running):
        return any(
            "--keep-running" in line for line in hints(CommCare(), keep_running=keep_running)
        )

    assert suggested(keep_running=False)
    assert not suggested(keep_running=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_pipe_manual_pipe_joins_tap_and_target(folder):
    command = manual_pipe.command("tap-commcare", Path(folder), Path(folder) / "by-hand")

    assert shlex.split(command) == [
        *(f"{folder}/tap-commcare", "--config", f"{folder}/by-hand/tap.json"),
        "|",
        *(f"{folder}/target-scout-postgres", "--config", f"{folder}/by-hand/target.json"),
    ]


def test_the_files_of_the_pipe_are_private_and_are_written_anew(tmp_path):
    for key in ("canary-1", "canary-2"):
        folder = manual_pipe.write(tmp_path, {"api_key": key}, "postgresql://db/x")

    assert json.loads((folder / "tap.json").read_text()) == {"api_key": "canary-2"}
    assert json.loads((folder / "target.json").read_text()) == {
        "database_url": "postgresql://db/x",
        "default_target_schema": manual_pipe.SCHEMA,
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
