"""A run as a person sees it on a terminal, and as a program and a log get it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.screens import on_screen
from support.workers import environment_of, wait_until

COMMAND = (sys.executable, "-m", "scout_control", "run")


@pytest.fixture
def environment(shared_installation):
    found = environment_of(shared_installation.settings) | {"TERM": "xterm", "LANG": "C.UTF-8"}
    return {name: value for name, value in found.items() if name not in {"LC_ALL", "COLUMNS"}}


def test_a_terminal_shows_phases_committed_rows_and_waits_of_any_tap(
    shared_installation, environment
):
    """The tap is one that knows nothing of this project, and logs as the library backoff does."""
    released = shared_installation.folder / "released"
    released.unlink(missing_ok=True)
    shared_installation.act(
        words="Backing off _request(...) for 500.0s (requests.exceptions.ConnectionError: Asha)",
        until=str(released),
    )
    dataset = shared_installation.dataset()
    with on_screen([*COMMAND, dataset], environment, columns=70) as screen:
        shown = screen.wait_for("waiting 8:")
        assert "a request is retried" in shown
        assert "load" in shown
        screen.wait_for("things  3")
        screen.resize(40)
        wait_until(lambda: max(map(len, screen.lines())) <= 40 and "things" in screen.text())
        screen.resize(70)
        released.touch()
        assert screen.end() == 0
        shown = screen.text()

    assert "waiting" not in shown
    assert f"{dataset}: completed in" in shown
    assert "Asha" not in shown


def test_a_program_gets_json_alone_and_a_log_a_line_per_phase(shared_installation, environment):
    shared_installation.act()
    dataset = shared_installation.dataset()
    done = subprocess.run(
        [*COMMAND, dataset, "--json"],
        env=environment | {"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    document, lines = json.loads(done.stdout), done.stderr.splitlines()

    assert (document["success"], document["rows_loaded"]) == (True, 3)
    assert document["phase_seconds"].keys() == {"prepare", "load", "finish"}
    assert lines[0].startswith("Preparing toy-")
    assert [line for line in lines if line.startswith("Counting rows")]
    assert "\x1b" not in done.stderr
    assert done.stderr.isascii()


def test_the_end_of_input_at_a_question_on_a_terminal_is_a_no(shared_installation, environment):
    shared_installation.dataset()
    words = [sys.executable, "-m", "scout_control", "links", "remove", "toy-river", "--drop"]
    with on_screen([*words, "--project", "river"], environment) as screen:
        screen.wait_for("[y/N]:")
        screen.type("\x04")  # Ctrl-D
        assert screen.end() == 1
        assert screen.lines()[-2].endswith("[y/N]:")
        assert screen.lines()[-1] == "Nothing was changed."
