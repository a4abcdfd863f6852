"""Text from sources, databases and names stays text: on a terminal, in pipes, JSON and logs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from threading import Thread

import pytest
from scout_control.store.models import Project, Source
from support.preloaded import run_scout
from support.workers import environment_of

# A clipboard is set, the screen cleared, a link made, the line turned around and written over.
ATTACK = "\x1b]52;c;QUJD\x07\x1b[2J\x9b2J\x1b]8;;mailto:evil\x07\u202etxt.exe\rforged\n[red]x"
SEQUENCES = ("\x1b]52", "\x1b[2J", "\x9b", "\x1b]8", "\u202e")
OBEYED = [each.encode() for each in (*SEQUENCES, "\rforged", "\nforged", "\n[red]")]
QUERY = 'SELECT id, name AS "{name}" FROM things ORDER BY id'
ERROR = "SELECT '{text}'::int"


def on_terminal(installation, *words):
    """Run a command on a terminal; return all that it wrote."""
    ours, theirs = pty.openpty()
    written = []

    def read():
        try:
            while part := os.read(ours, 65536):
                written.append(part)
        except OSError:  # the other end was closed
            return

    reader = Thread(target=read)
    reader.start()
    environment = environment_of(installation.settings) | {"TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-m", "scout_control", *words]
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    subprocess.run(command, env=environment, check=False, **ends)
    os.close(theirs)
    reader.join()
    os.close(ours)
    return b"".join(written)


def in_pipes(installation, *words):
    done = run_scout(words, environment_of(installation.settings))
    return f"{done.stdout}{done.stderr}".encode()


@pytest.fixture(scope="module")
def hostile(shared_installation):
    """A dataset whose rows, readers, source and tap contain escape sequences; and its log."""
    installation, scout = shared_installation, shared_installation.scout
    default = scout.connections.show("default").id
    with scout.installation.store.begin() as session:  # new ones could not have such names
        session.add(Project(id=f"a{ATTACK}", name="A", connection_id=default))
        session.add(Source(name=f"source{ATTACK}", source_type="tap-toy", config={"act": "-"}))
    installation.act(name=ATTACK, words=ATTACK, exit=1)
    failed = installation.dataset()
    installation.act(name=ATTACK, words=ATTACK)
    dataset = installation.dataset()
    log = installation.folder / "run.log"
    scout.runs.execute(dataset, log_file=log)
    return dataset, failed, log


@pytest.mark.parametrize("way", [on_terminal, in_pipes])
def test_output_contains_no_control_characters(shared_installation, hostile, way):
    dataset, failed, _ = hostile
    name = ATTACK.replace("\n", "").replace("\x07", "")
    asked = QUERY.format(name=name)
    commands = (
        ("query", dataset, asked),
        ("query", dataset, ERROR.format(text=ATTACK)),
        ("status",),
        ("run", failed),
        (f"no{ATTACK}",),
        ("query", dataset, asked, "--json"),
        ("query", dataset, ERROR.format(text=ATTACK), "--json"),
        ("status", "--json"),
        ("sources", "list"),
        ("export",),
        ("run", ATTACK),
        ("runs", "list", f"--no{ATTACK}"),
        ("search-path", "--project", f"a{ATTACK}"),
    )
    few = len(commands) if way is in_pipes else 5
    said = {words: way(shared_installation, *words) for words in commands[:few]}

    obeyed = {words: [each for each in OBEYED if each in out] for words, out in said.items()}
    assert {words: found for words, found in obeyed.items() if found} == {}
    assert said[("query", dataset, asked)].count(b"[red]x") >= 3
    assert b"\\x1b]52" in said[("query", dataset, asked)]


def test_json_output_is_exact(shared_installation, hostile):
    dataset, *_ = hostile
    said = in_pipes(shared_installation, "query", dataset, "SELECT name FROM things", "--json")

    assert json.loads(said)["rows"] == [[ATTACK]] * 3


def test_the_log_of_a_run_contains_no_control_characters(hostile):
    written = hostile[2].read_bytes()

    assert b"forged" in written
    assert [each for each in SEQUENCES if each.encode() in written] == []
