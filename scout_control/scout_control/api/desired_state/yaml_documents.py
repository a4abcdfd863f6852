"""Reads YAML files into plain values, and remembers on which line each of them is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import yaml
from scout_dbt import bounded_yaml

from scout_control.api.desired_state import scalars
from scout_control.api.desired_state.problems import InvalidStateError, Place, Problem, dotted

if TYPE_CHECKING:
    from scout_control.api.desired_state.problems import Path

STDIN = "-"
MERGE = "tag:yaml.org,2002:merge"
TEXT_TAG = "tag:yaml.org,2002:str"
COLLECTION_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


@dataclass
class Document:
    """The content of a file, or a mapping of Python."""

    name: str
    folder: File
    """What paths in the document are relative to."""
    data: Any = field(default=None, repr=False)
    lines: dict[Path, int] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Return where a value is, or what it would be part of."""
        while path and path not in self.lines:
            path = path[:-1]
        return Place(self.name, self.lines.get(path, 0))

    def add_problem(self, path: Path, text: str) -> None:
        """Note that something is wrong with the value at a path; ``text`` ends the sentence."""
        subject = dotted(path) or "The document"
        self.problems.append(Problem(self.place(path), f"{subject} {text}"))


def read(name: str) -> Document:
    """Return the content of a file, or of stdin for ``-``.

    Raises:
        InvalidStateError: It cannot be read, or is not YAML.
    """
    if name == STDIN:
        return parse(sys.stdin.buffer.read(bounded_yaml.MAX_BYTES + 1), "stdin", File())
    try:
        with File(name).open("rb") as file:
            content = file.read(bounded_yaml.MAX_BYTES + 1)
    except OSError as error:
        problem = Problem(Place(name), f"The file cannot be read: {error.strerror}.")
        raise InvalidStateError([problem]) from None
    return parse(content, name, File(name).parent)


def parse(content: bytes | str, name: str, folder: File) -> Document:
    """Return the content of a YAML document.

    Raises:
        InvalidStateError: It is not YAML, or exceeds a limit.
    """
    document = Document(name, folder)
    try:
        root = bounded_yaml.compose(content)
    except bounded_yaml.LimitError as error:
        problem = Problem(Place(name), f"The file is refused: {error}.")
        raise InvalidStateError([problem]) from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "it contains a character that YAML does not"
        place = Place(name, mark.line + 1 if mark else 0)
        raise InvalidStateError([Problem(place, f"This is not valid YAML: {reason}.")]) from None
    document.data = {} if root is None else _convert(document, root, ())
    return document


def _convert(document: Document, node: yaml.Node, path: Path) -> Any:
    """Return the value of a node; notes lines and problems in the document."""
    document.lines[path] = document.lines.get(path, node.start_mark.line + 1)
    if not isinstance(node, yaml.ScalarNode) and node.tag not in COLLECTION_TAGS:
        document.add_problem(path, "has a YAML tag. Remove the tag.")
    if isinstance(node, yaml.MappingNode):
        return _convert_mapping(document, node, path)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(document, each, (*path, at)) for at, each in enumerate(node.value)]
    is_quoted = isinstance(node, yaml.ScalarNode) and bool(node.style)  # or a block
    try:
        if is_quoted and node.tag == TEXT_TAG:
            return node.value
        return scalars.read(node.value, node.tag)
    except scalars.ScalarError as error:
        document.add_problem(path, str(error))
        return node.value


def _convert_mapping(document: Document, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    first: dict[str, int] = {}
    for key, value in node.value:
        if key.tag == MERGE:
            merged = {**_merged(document, value, path), **merged}
    for key, value in node.value:
        if key.tag == MERGE:
            continue
        name, line = _name(document, key, path), key.start_mark.line + 1
        if name in first:
            text = f"is already on line {first[name]}. A key may stand only once."
            document.problems.append(
                Problem(Place(document.name, line), f"{dotted((*path, name))} {text}")
            )
            continue
        first[name] = line
        document.lines[(*path, name)] = line
        own[name] = _convert(document, value, (*path, name))
    return {**merged, **own}


def _name(document: Document, key: yaml.Node, path: Path) -> str:
    """Return a key, which must be text."""
    if not isinstance(key, yaml.ScalarNode):
        value: Any = None
    elif key.style and key.tag == TEXT_TAG:
        return str(key.value)
    else:
        try:
            value = scalars.read(key.value, key.tag)
        except scalars.ScalarError:
            value = None
    if isinstance(value, str):
        return value
    place = Place(document.name, key.start_mark.line + 1)
    where = f" of {dotted(path)}" if path else ""
    document.problems.append(Problem(place, f"A key{where} is not text. Put it in quotes."))
    return str(key.value) if isinstance(key, yaml.ScalarNode) else ""


def _merged(document: Document, node: yaml.Node, path: Path) -> dict[str, Any]:
    """Return what a merge key (``<<``) stands for; of several mappings the first has precedence."""
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, yaml.MappingNode):
            document.add_problem(path, "has a merge key (<<) that does not name a mapping.")
            continue
        merged = {**_convert_mapping(document, part, path), **merged}
    return merged
