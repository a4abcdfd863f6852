"""With --json every command prints exactly one JSON document to standard output, errors too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from scout_control.cli.main import main
from support.preloaded import run_scout
from support.workers import environment_of

SCOUT = Path(sys.executable).with_name("scout")
# Values of required arguments and options by name; "nope" for the others, which exists nowhere.
VALUES = {
    "shell": "bash",
    "file": "{folder}/config.json",
    "receipt": "{folder}/none",
    "source_type": "tap-toy",
    "files": "{folder}/config.json",
}
EXTRA = {
    "worker": ["--until-idle"],
    "demo": ["--stop"],
    "purge": ["--user", "nope", "--dry-run"],
    "datasets drop": ["--yes"],
    "connections add": ["--url-from-env", "NOPE"],
    "credentials connect": ["--project", "nope", "--from-env", "NOPE"],
    "credentials check": ["--project", "nope"],
    "credentials show": ["--project", "nope"],
    "credentials revoke": ["--project", "nope", "--yes"],
}
# psql has its own words; serve has no result, since it serves until it is stopped.
WITHOUT_JSON = {"psql", "serve"}


def commands(command=main, path=()):
    """Yield the path and the object of every command."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


ALL = dict(commands())


def words_of(name, folder):
    words = [*name.split(), *EXTRA.get(name, [])]
    for each in ALL[name].params:
        if not each.required:
            continue
        value = VALUES.get(each.name, "nope").format(folder=folder)
        words += [value] if isinstance(each, click.Argument) else [each.opts[0], value]
    return words


@pytest.fixture(scope="module")
def run(shared_installation):
    (shared_installation.folder / "config.json").write_text('{"token": "x"}')

    def command(*words):
        return run_scout(words, environment_of(shared_installation.settings))

    command.folder = shared_installation.folder
    return command


@pytest.mark.parametrize("name", sorted(set(ALL) - WITHOUT_JSON))
def test_every_command_prints_one_json_document(run, name):
    done = run(*words_of(name, run.folder), "--json")
    document = json.loads(done.stdout)

    assert done.stdout.count("\n") == 1  # compact
    assert "Traceback" not in done.stderr
    if done.returncode not in {0, 1} or "error" in document:
        error = document["error"]
        assert document["success"] is False
        assert set(error) >= {"code", "reason", "message"}
        assert error["message"] in done.stderr or error["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "nope"),
        ("nope", "--json"),
        ("runs", "nope", "--json"),
        ("runs", "show", "--json"),
        ("status", "--nope", "--json"),
        ("runs", "list", "--limit", "many", "--json"),
        ("run", "--json", "--nope"),
        ("sources", "--json"),
        ("--json",),
    ],
)
def test_wrong_usage_is_a_json_document_wherever_the_option_stands(run, words):
    done = run(*words)
    document = json.loads(done.stdout)

    assert done.returncode == 2
    assert document["error"]["code"] == "VALIDATION_ERROR"
    assert document["error"]["reason"] == "invalid usage"


@pytest.mark.parametrize(
    "words",
    [("--help",), ("keys", "generate"), ("completion", "bash", "--json"), ("nope", "--json")],
)
def test_a_full_disk_behind_standard_output_is_a_message_and_exit_code_1(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SCOUT, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "No space left on device" in done.stderr or words[0] == "nope"


def test_a_reader_that_has_left_ends_a_command_quietly():
    process = subprocess.Popen(
        [SCOUT, "completion", "bash"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    with process.stderr:
        said = process.stderr.read()

    assert (process.wait(), said) == (141, "")


def test_a_link_to_sign_in_says_which_server_its_address_is_of(run):
    run("people", "add", "linked")

    here = run("sessions", "link", "linked")
    there = run("sessions", "link", "linked", "--url", "https://scout.example.org/")

    assert here.stdout.startswith("http://127.0.0.1:8765/sign-in/")
    assert "on the default port. If yours is elsewhere, give its address: --url" in here.stderr
    assert there.stdout.startswith("https://scout.example.org/sign-in/")
    assert "default port" not in there.stderr
    for each in (here, there):
        assert "who presses its button first is signed in" in each.stderr
