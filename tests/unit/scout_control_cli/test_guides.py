"""Every command that a document shows exists, with the options that it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from scout_control.cli.main import main

ROOT = Path(__file__).parents[3]
DOCUMENTS = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "scout_control/README.md"]
SHOWN = re.compile(r"(?:^|`|\$\(|\| )(scout [a-z][^`|\n#)]*)", re.MULTILINE)


def shown(document: Path) -> list[str]:
    return sorted({found.strip(" .,;:&") for found in SHOWN.findall(document.read_text())})


def what_is_wrong(words: list[str]) -> list[str]:
    """Return the commands and options that scout does not have."""
    context = click.Context(main)
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest.pop(0))
        if found is None:
            return words
        command = found
    if command.context_settings.get("ignore_unknown_options"):  # its arguments are those of psql
        return []
    known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    return [word for word in rest if word.startswith("-") and word.split("=")[0] not in known]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_in_documents_exist(document):
    wrong = {}
    for line in shown(document):
        try:
            words = shlex.split(line)[1:]
        except ValueError:
            words = line.split()[1:3]
        if found := what_is_wrong(words):
            wrong[line] = found

    assert wrong == {}


def test_every_command_has_help_and_json_output():
    def walk(command, path):
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                yield from walk(command.get_command(context, name), [*path, name])
        else:
            yield path, command

    commands = {" ".join(path): command for path, command in walk(main, [])}

    assert len(commands) > 40
    assert [name for name, command in commands.items() if not command.help] == []
    without = {
        name
        for name, command in commands.items()
        if not any("--json" in option.opts for option in command.params)
    }
    assert without == {"psql"}
