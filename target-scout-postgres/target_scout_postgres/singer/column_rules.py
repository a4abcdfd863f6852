"""Which columns must not arrive, and what happens to their values and schemas. Pure.

A rule is a path of property names: ``phone``, ``properties.phone``, ``form_data.*.name``. In a
name, ``*`` and ``?`` stand for any characters; ``**`` between dots stands for any number of names.
Arrays have no names: a path leads through them to each of their elements.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from target_scout_postgres.encoding.column_types import JSONB
from target_scout_postgres.singer.json_schema import column_type
from target_scout_postgres.singer.record_json import ENCODER

ANY_DEPTH = "**"
OF_SINGER = "_sdc_"  # marks such as _sdc_deleted_at, which the target itself needs
HASH_BYTES = 16
MAX_KNOWN_NAMES = 10_000  # per node: names of properties come from the data
WILDCARDS = re.compile(r"[*?]")

Hasher = Callable[[Any], Any]
State = tuple[int, int]
"""A rule, and how many of its names have been matched."""


class Rule:
    """One path.

    Args:
        path: The path.
        is_hash: Whether the value is hashed; otherwise it is left out.
        stream: The stream that it is for, or a pattern of several, of which some may lack it.
    """

    def __init__(self, path: str, *, is_hash: bool, stream: str = "") -> None:
        self.path = path
        self.is_for_several = WILDCARDS.search(stream) is not None
        self.is_hash = is_hash
        self.names = path.split(".")
        self.patterns = [None if name == ANY_DEPTH else _pattern(name) for name in self.names]
        self.is_used = False

    @property
    def column(self) -> str | None:
        """The column that it names, or None if it has wildcards there."""
        return None if WILDCARDS.search(self.names[0]) else self.names[0]


def matches(pattern: str, name: str) -> bool:
    """Return whether a name is one that a pattern stands for."""
    return _pattern(pattern).fullmatch(name) is not None


class Node:
    """A place in a record: what its members are subject to.

    Args:
        rules: The rules of the stream.
        states: How far each rule has been matched on the way here.
    """

    def __init__(self, rules: Sequence[Rule], states: frozenset[State]) -> None:
        self._rules = rules
        self._states = states
        self._known: dict[str, tuple[Rule | None, Node | None]] = {}

    def member(self, name: str) -> tuple[Rule | None, Node | None]:
        """Return the rule for a member, and its node if rules concern what it contains."""
        found = self._known.get(name)
        if found is None:
            found = self._find(name)
            if len(self._known) < MAX_KNOWN_NAMES:
                self._known[name] = found
        return found

    def names(self) -> list[str]:
        """Return the names of members so far."""
        return list(self._known)

    def _find(self, name: str) -> tuple[Rule | None, Node | None]:
        if name.startswith(OF_SINGER):
            return None, None
        states = self._step(self._states, name)
        if "." in name:  # a rule cannot tell a dot in a name from one between names
            parted = self._states
            for part in name.split("."):
                parted = self._step(parted, part)
            states |= parted
        applied = [self._rules[at] for at, done in states if self._is_complete(at, done)]
        for each in applied:
            each.is_used = True
        # Leaving a value out is the stricter of the two.
        rule = min(applied, key=lambda each: each.is_hash, default=None)
        is_over = rule is not None or not states
        return rule, None if is_over else Node(self._rules, states)

    def _step(self, states: frozenset[State], name: str) -> frozenset[State]:
        following: set[State] = set()
        for at, done in states:
            self._advance(following, at, done, name)
        return frozenset(following)

    def _advance(self, following: set[State], at: int, done: int, name: str) -> None:
        patterns = self._rules[at].patterns
        if done == len(patterns):
            return
        pattern = patterns[done]
        if pattern is None:  # any depth: none, or one more name
            following.add((at, done))
            self._advance(following, at, done + 1, name)
        elif pattern.fullmatch(name):
            following.add((at, done + 1))

    def _is_complete(self, at: int, done: int) -> bool:
        # A path that ends with any depth concerns everything below.
        return all(pattern is None for pattern in self._rules[at].patterns[done:])


def root(rules: Sequence[Rule]) -> Node:
    """Return the node of a record."""
    return Node(rules, frozenset((at, 0) for at in range(len(rules))))


def protect(value: Any, node: Node, hasher: Hasher) -> Any:
    """Return a value of a record without what must not arrive."""
    if isinstance(value, list):
        return [protect(each, node, hasher) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, part in value.items():
        rule, inner = node.member(name)
        if rule is not None:
            if rule.is_hash:
                kept[name] = hasher(part)
        else:
            kept[name] = part if inner is None else protect(part, inner, hasher)
    return kept


def protect_record(record: dict[str, Any], node: Node, hasher: Hasher) -> dict[str, Any]:
    """Return a record without what must not arrive; columns that are left out are null."""
    left_out: dict[str, Any] = {name: None for name in record if _is_excluded(node, name)}
    left_out.update(protect(record, node, hasher))
    return left_out


def protect_schema(schema: Mapping[str, Any], node: Node) -> dict[str, Any]:
    """Return the schema of a stream for protected records.

    A column that is left out stays, and is always null: models and views that name it keep working.
    """
    properties = {
        name: _protected_property(name, member, node, schema)
        for name, member in schema["properties"].items()
    }
    required = schema.get("required")
    if isinstance(required, list):
        excluded = {name for name in properties if _is_excluded(node, name)}
        return {**schema, "properties": properties, "required": [*set(required) - excluded]}
    return {**schema, "properties": properties}


def _is_excluded(node: Node, name: str) -> bool:
    rule, _ = node.member(name)
    return rule is not None and not rule.is_hash


def _protected_property(name: str, member: Any, node: Node, root_schema: Mapping[str, Any]) -> Any:
    rule, inner = node.member(name)
    if rule is not None and rule.is_hash:
        is_composed = column_type(member, dict(root_schema)) == JSONB
        return {} if is_composed else {"type": ["string", "null"]}
    if rule is not None:
        return {"anyOf": [member, {"type": "null"}]} if member else member
    return member if inner is None else _protected_inside(member, inner)


def _protected_inside(member: Any, node: Node) -> Any:
    if not isinstance(member, dict):
        return member
    changed = dict(member)
    if isinstance(properties := member.get("properties"), dict):
        changed["properties"] = {
            name: _protected_property(name, part, node, {})
            for name, part in properties.items()
            if not _is_excluded(node, name)
        }
        changed.pop("required", None)
    if isinstance(items := member.get("items"), dict):
        changed["items"] = _protected_inside(items, node)
    return changed


def hasher_of(key: str) -> Hasher:
    """Return the function that replaces values: the same value has the same hash under one key.

    Without the key, not even a list of all telephone numbers tells which one a hash belongs to.
    """
    return partial(_hashed, key.encode())


def _hashed(key: bytes, value: Any) -> Any:
    """Return the hash of a value, and of each element of an array; null and "" stay."""
    if value is None or value == "":
        return value
    if isinstance(value, list):
        return [_hashed(key, each) for each in value]
    # A number and the text of its digits have the same hash: forms hold texts, other APIs numbers.
    text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _json(value)
    return hmac.digest(key, text, "sha256")[:HASH_BYTES].hex()


def _json(value: Any) -> bytes:
    return ENCODER.encode(_sorted(value) if isinstance(value, dict) else value)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _pattern(name: str) -> re.Pattern[str]:
    parts = ({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", name))
    return re.compile("".join(parts), re.DOTALL)
