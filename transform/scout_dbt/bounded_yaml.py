"""Parses YAML of others within limits: on size, on depth, and on what its aliases stand for.

The limits are checked on the nodes, where an alias costs nothing, before anything is built of them.
Other programs import this module, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 1_000_000
MAX_DEPTH = 200
TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"


class LimitError(Exception):
    """The reason why a document is refused, as the end of a sentence that begins with "it"."""


def compose(content: bytes | str) -> yaml.Node | None:
    """Return the root node of a document; None if it is empty.

    Raises:
        LimitError: It is too long, too deep, or its aliases expand to too much.
        yaml.YAMLError: It is not valid YAML.
        ValueError: It contains a character that YAML cannot.
    """
    if len(content) > MAX_BYTES:
        raise LimitError(f"it is longer than {MAX_BYTES:,} bytes")
    _check_depth(content)
    root: yaml.Node | None = yaml.compose(content, yaml.CSafeLoader)
    size, depth = _measure(root, {}) if root is not None else (0, 0)
    if size > MAX_BYTES:
        raise LimitError(f"its aliases expand to more than {MAX_BYTES:,} bytes")
    if depth > MAX_DEPTH:
        raise LimitError(TOO_DEEP)
    return root


def _check_depth(content: bytes | str) -> None:
    """Refuse what is nested so deeply that the composer, which is recursive, would crash."""
    depth = 0
    for event in yaml.parse(content, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise LimitError(TOO_DEEP)


def _measure(node: yaml.Node, known: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """Return size and depth of a node with every alias written out; infinite if it holds itself.

    A kilobyte of aliases to aliases can stand for gigabytes ("billion laughs"), as can merge keys
    (``<<``), which would expand while the document is built.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1 + len(node.value), 0
    if id(node) not in known:
        known[id(node)] = math.inf, math.inf
        parts = [_measure(each, known) for each in _parts(node)]
        size = 1 + sum(size for size, _ in parts)
        known[id(node)] = size, 1 + max((depth for _, depth in parts), default=0)
    return known[id(node)]


def _parts(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)
