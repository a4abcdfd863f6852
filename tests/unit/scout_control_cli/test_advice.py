"""Every command in a message of scout exists, and has all that it needs."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from scout_control.cli.main import main
from support.advice import advised, command_of, texts, unknown_words

import scout_control

SOURCE = Path(scout_control.__file__).parent
# Beginnings that messages complete: with a source and an owner, or with a name.
COMPLETED = {
    "credentials connect": {"errors.py"},
    "connections update": {"doctor.py"},
}
# Not commands: names of sessions, locks and rounds.
NAMES = {"dataset", "credential", "login", "round", "grants"}


def is_command(words):
    """Return whether this is a command, not a sentence about scout or a technical name."""
    return words[0] in main.list_commands(click.Context(main)) and words[0] not in NAMES


def missing(words):
    """Return the arguments and options that a command requires and these words lack."""
    command, rest = command_of(main, words)
    if command is None or isinstance(command, click.Group):
        return ["a command"]
    required = [each for each in command.params if each.required]
    arguments = [each for each in required if isinstance(each, click.Argument)]
    options = [each for each in required if isinstance(each, click.Option)]
    lacking = [each.opts[0] for each in options if not set(each.opts) & set(rest)]
    if len([word for word in rest if not word.startswith("-")]) < len(arguments):
        lacking += [each.name or "" for each in arguments]
    return lacking


def commands_in_messages():
    for path, text in texts(SOURCE):
        for words in advised(text):
            if is_command(words) and text != " ".join(["scout", *words[:1]]):
                yield path.name, " ".join(words), words


def test_commands_in_messages_exist_and_are_complete():
    wrong = {}
    for name, text, words in commands_in_messages():
        found = unknown_words(main, words) or missing(words)
        if found and name not in COMPLETED.get(text, ()):
            wrong[name, text] = found

    assert wrong == {}


def test_there_are_commands_in_messages():
    assert len(list(commands_in_messages())) > 40


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("Run: scout init", [["init"]]),
        (
            "Set it again: scout connections update 'a b' --url.",
            [["connections", "update", "a b", "--url"]],
        ),
        (
            "Next: scout sources add NAME --type TYPE (for types: scout sources types)",
            [["sources", "add", "NAME", "--type", "TYPE"], ["sources", "types"]],
        ),
        ("See: scout runs show 7; or cancel it.", [["runs", "show", "7"]]),
        ("scout moves no records", [["moves", "no", "records"]]),
        ("nothing", []),
    ],
)
def test_commands_are_found_in_texts(text, commands):
    assert advised(text) == commands
