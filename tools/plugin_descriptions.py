"""Writes the descriptions of settings into plugin definitions: meltano.yml and each plugin's own.

The settings themselves (``settings.py`` of each plugin) are the only source. All else in a
definition is written by hand, with comments, and stays byte for byte: hence lines are edited, and
not YAML loaded and dumped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Mapping[str, Any]]
"""The JSON schema of each setting by its name."""

_NAME = re.compile(r"\s*(?:- )?name: (?P<name>[\w-]+)\s*$")
_FLOW = re.compile(r"\s*- \{name: (?P<name>\w+),.*\}\s*(#.*)?$")
_QUOTED = re.compile(r'(?<=\bdescription: )"(?:[^"\\]|\\.)*"')
_BLOCK = re.compile(r"(?P<indent>\s+)description:(?: |$)")


def with_descriptions(definition: str, plugins: Mapping[str, Settings]) -> str:
    """Return a definition in which each setting is described as in the plugin's own settings.

    Args:
        definition: The text of a meltano.yml, or of one plugin's definition.
        plugins: The settings of each plugin by its name; those of others are left alone.
    """
    made: list[str] = []
    settings: Settings = {}
    setting = ""
    skipped_below: int | None = None
    for line in definition.splitlines(keepends=True):
        if skipped_below is not None:
            # The rest of a description of several lines is indented more than its first line.
            if _indent(line) > skipped_below:
                continue
            skipped_below = None
        if flow := _FLOW.match(line):
            made.append(_with_flow_description(line, settings.get(flow["name"])))
            continue
        if named := _NAME.match(line):
            settings = plugins.get(named["name"], {} if _is_plugin(line) else settings)
            setting = named["name"]
        block = _BLOCK.match(line)
        if block and setting in settings:
            skipped_below = len(block["indent"])
            text = _text(settings[setting], has_value=True)
            made.append(f"{block['indent']}description: {text}\n")
            continue
        made.append(line)
    return "".join(made)


def _is_plugin(line: str) -> bool:
    """Return whether a line names a plugin, by its depth: settings of a plugin are deeper."""
    return _indent(line) == PLUGIN_INDENT


PLUGIN_INDENT = 4
"""Where meltano.yml names its plugins."""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" ")) if line.strip() else 0


def _with_flow_description(line: str, schema: Mapping[str, Any] | None) -> str:
    if schema is None:
        return line
    own = line.partition("description:")[0]  # what follows may be the values of options
    text = _text(schema, has_value=" value: " in own)
    return _QUOTED.sub(lambda _: text, line, count=1)


def _text(schema: Mapping[str, Any], *, has_value: bool) -> str:
    """Return a description as YAML; without a value in the definition it names the default."""
    description = str(schema["description"])
    default = schema.get("default")
    if default is not None and not has_value:
        shown = default if isinstance(default, str) else json.dumps(default)
        description += f" Default: {shown}."
    return json.dumps(description, ensure_ascii=False)
