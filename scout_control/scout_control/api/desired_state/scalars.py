"""Reads plain scalars of YAML where versions 1.1 and 1.2 agree, and refuses them where they differ.

``no``, ``08``, ``1e3`` and ``12:30`` are a truth value, a number or text, depending on who reads
them. A desired state must not depend on that. Dates are text here, as in YAML 1.2.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

NULL, BOOLEAN, INTEGER, NUMBER, TEXT = "empty", "a truth value", "a number", "a fraction", "text"
OLD_KINDS = {
    "tag:yaml.org,2002:null": NULL,
    "tag:yaml.org,2002:bool": BOOLEAN,
    "tag:yaml.org,2002:int": INTEGER,
    "tag:yaml.org,2002:float": NUMBER,
    "tag:yaml.org,2002:str": TEXT,
    "tag:yaml.org,2002:timestamp": TEXT,
    "tag:yaml.org,2002:merge": TEXT,
    "tag:yaml.org,2002:value": TEXT,
}
# The core schema of YAML 1.2.
NEW_KINDS = (
    (re.compile(r"~|null|Null|NULL|"), NULL),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), BOOLEAN),
    (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), INTEGER),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), NUMBER),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), NUMBER),
)
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
JSON_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
RESOLVER = yaml.resolver.Resolver()


class ScalarError(ValueError):
    """Why a scalar has no clear value; the message does not quote it."""


def read(text: str, tag: str) -> Any:
    """Return the value of a plain scalar with the tag that YAML 1.1 gives it.

    Raises:
        ScalarError: Readers of YAML disagree about it, or JSON has no such value.
    """
    old = OLD_KINDS.get(tag)
    if old is None:
        raise ScalarError("has a YAML tag. Remove the tag.")
    new = _new_kind(text)
    if old != new or (new == INTEGER and LEADING_ZERO.fullmatch(text)):
        remedy = "write true or false" if BOOLEAN in {old, new} else "write a plain decimal number"
        different = f"either {old} or {new}" if old != new else "one of two numbers"
        raise ScalarError(
            f"is {different}, depending on the program that reads the YAML. "
            f"Put it in quotes if it is text; otherwise {remedy}."
        )
    return _value(text, new)


def is_ambiguous(text: str) -> bool:
    """Return whether a text must be quoted so that all readers take it for text."""
    tag = RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # its stubs lack types
    return OLD_KINDS.get(tag) != TEXT or _new_kind(text) != TEXT


def _new_kind(text: str) -> str:
    return next((kind for pattern, kind in NEW_KINDS if pattern.fullmatch(text)), TEXT)


def _value(text: str, kind: str) -> Any:
    if kind == NULL:
        return None
    if kind == BOOLEAN:
        return text.lower() == "true"
    if kind == INTEGER:
        return int(text, 16) if text.startswith("0x") else int(text)
    if kind == NUMBER:
        if not JSON_NUMBER.fullmatch(text):
            raise ScalarError("is not a number that JSON has. Write another, or quote it as text.")
        return json.loads(repr(float(text)))
    return text
