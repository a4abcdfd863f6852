"""Finds the commands that scout advises in what it prints, and in its own source."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

COMMAND = re.compile(r"\bscout (?=[a-z])(?P<words>.*)")
END = re.compile(r"\. |\.$|;| \(|\)(?:$|[ .,])|, (?=[a-z])|$| --add | or: |: ", re.MULTILINE)


def advised(text: str) -> list[list[str]]:
    """Return the commands that a text advises, without the word scout."""
    found = []
    for line in text.splitlines():
        rest = line
        while match := COMMAND.search(rest):
            words = match["words"]
            end = END.search(words)
            command = words[: end.start()] if end else words
            rest = words[len(command) :]
            try:
                found.append(shlex.split(command))
            except ValueError:
                found.append(command.split())
    return found


def command_of(main: click.Group, words: list[str]) -> tuple[click.Command | None, list[str]]:
    """Return the command that words name, or None, and the words after its name."""
    context = click.Context(main)
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest.pop(0))
        if found is None:
            return None, rest
        command = found
    return command, rest


def unknown_words(main: click.Group, words: list[str]) -> list[str]:
    """Return the words that scout does not know: of commands and options."""
    command, rest = command_of(main, words)
    if command is None:
        return words
    known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    return [word for word in rest if word.startswith("-") and word.split("=")[0] not in known]


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the strings of Python files without docstrings; inserted values become X."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        inside = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
            if part is not node
        }
        for node in ast.walk(tree):
            if id(node) in documentation | inside:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value
            if isinstance(node, ast.JoinedStr):
                yield (
                    path,
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "X"
                        for part in node.values
                    ),
                )
