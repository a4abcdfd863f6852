"""Remedies without a shell: what does the same as the command that a remedy names.

Errors are raised below all surfaces, and name commands. Who is at the REST interface or the page
cannot run these, nor can an agent: each command is replaced by what they have. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from scout_control.rules.equivalents import BASE, TABLE, Equivalent

NOUNS = (
    *("apply", "audit", "connections", "credentials", "datasets", "demo", "describe", "docs"),
    *("doctor", "export", "init", "keys", "links", "mcp", "members", "models", "people"),
    *("pipelines", "project", "projects", "psql", "purge", "query", "quickstart", "run", "runs"),
    *("search-path", "serve", "sessions", "sources", "status", "tick", "tokens", "touch", "url"),
    *("worker", "completion"),
)
"""What a command begins with; other words after ``scout`` are prose."""
WORDS = r"""(?:'[^'\n]*'|"[^"\n]*"|[^;\n])"""
"""What is quoted for a shell is one: a name may have what else ends a clause."""
COMMAND = re.compile(
    rf"(?<![\w=`])scout (?P<words>(?:{'|'.join(NOUNS)})\b(?!\.\w){WORDS}*?)"
    r"(?=[.)]?$|\. (?=[A-Z])|[;)\n]|, or )",
    re.MULTILINE,
)
"""Up to the end of the sentence or clause: arguments may contain dots."""
OPTIONS = (
    (", or raise --timeout", ""),
    ("--client-secret-from-env", "client_secret"),
    ("Give --user.", "Give user: the person whose credential it is."),
    ("Leave --user out.", "Leave user out."),
)
"""Options that a remedy names without their command, and what stands for them."""
IDS = {
    "link": "the id of the link of {project} to {source}",
    "credential": "the id of the credential",
    "dataset": "the id of {dataset}",
}
"""What stands for the id of an object that commands name otherwise."""
SETTINGS = frozenset({"-c", "--config"})
FIELDS: Mapping[str, str] = {
    "--active": "is_active true",
    "--base-url": "base_url",
    "--client-id": "client_id",
    "--client-secret-from-env": "client_secret",
    "--client-secret-from-stdin": "client_secret",
    "--full-refresh": "full_refresh true",
    "--inactive": "is_active false",
    "--issuer": "issuer",
    "--mode": "credential_mode",
    "--new-password": "new_password true",
    "--role": "role",
    "--subject": "subject",
    "--url": "host, user and password",
}
"""The fields of a request, by option."""
FLAGS = frozenset(
    {"--active", "--drop", "--full-refresh", "--inactive", "--new-password", "--tables", "--url"}
    | {"--client-secret-from-stdin", "--verify"}
)
"""Options without a value."""


class Surface(StrEnum):
    """Who reads an error, if not a person at a shell."""

    REST = "rest"
    AGENTS = "agents"
    PAGE = "page"


OF_WHO_RUNS_IT = "This is a command for who runs this installation."
OF_A_PERSON = "A person has to do that; you cannot."


@dataclass
class _Command:
    """A command of a remedy, as it is written."""

    name: str
    does: Equivalent
    values: dict[str, str] = field(default_factory=dict)
    options: list[tuple[str, str]] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    """What follows, and is no part of it."""


def by_surface(text: str, surface: Surface) -> str:
    """Return a remedy as a surface can carry it out; what only a shell does is said to be so."""
    done_by_a_person: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        commands = [each.removeprefix("scout ") for each in found["words"].split(" && ")]
        return ", then ".join(_replaced(each, surface, done_by_a_person) for each in commands)

    text = COMMAND.sub(replaced, text)
    for option, name in OPTIONS:
        text = text.replace(option, name)
    if not done_by_a_person:
        return text
    end = " " if text.endswith((".", "?", "!")) else ". "
    return text + end + (OF_A_PERSON if surface is Surface.AGENTS else OF_WHO_RUNS_IT)


def _replaced(words: str, surface: Surface, done_by_a_person: list[str]) -> str:
    command = _parse(words)
    if command is not None and (same := _same(command, surface)):
        return " ".join([same, *command.rest])
    done_by_a_person.append(words)
    if command is not None and surface is Surface.AGENTS and command.does.page:
        return " ".join([command.does.page, *command.rest])
    return f"scout {words}"


def _same(command: _Command, surface: Surface) -> str:
    """Return what does the same as a command on a surface; empty where nothing does."""
    if surface is Surface.REST:
        return _as_request(command) if command.does.rest else ""
    if surface is Surface.AGENTS:
        return _filled(command.does.agents, _shown(command))
    return command.does.page


def _parse(words: str) -> _Command | None:
    try:
        tokens = shlex.split(words)
    except ValueError:
        return None
    for length in (2, 1):
        if (name := " ".join(tokens[:length])) in TABLE:
            command = _Command(name, TABLE[name])
            _read(command, tokens[length:])
            return command
    return None


def _read(command: _Command, tokens: list[str]) -> None:
    """Read the arguments and options of a command; the first word that is neither ends it."""
    names, left = list(command.does.arguments), iter(enumerate(tokens))
    for place, word in left:
        if word.startswith("-"):
            value = "" if word in FLAGS else next(left, (0, ""))[1]
            command.options.append((word, value))
            command.does = TABLE.get(f"{command.name} {word}", command.does)
            command.values |= {word.lstrip("-"): value}
        elif names:
            command.values[names.pop(0)] = word
        elif word != "or":  # an alternative option follows
            command.rest = [] if command.name == "datasets share" else tokens[place:]
            return


def _as_request(command: _Command) -> str:
    """Return the request, with the fields that the options are, and what its ids stand for."""
    values, template = _shown(command), command.does.rest
    told = [
        f"{{{name}}} is {_filled(what, values)}"
        for name, what in IDS.items()
        if f"{{{name}}}/" in template and "/" in command.values.get(name, "/")
    ]
    in_path = {n: quote(v, safe="") for n, v in command.values.items() if "/" not in v}
    method, _, rest = template.partition(" ")
    path, marker, more = rest.partition(" ")
    request = f"{method} {BASE}{_filled(path, in_path)}{marker}{_filled(more, values)}"
    if fields := ", ".join(dict.fromkeys(_fields(command))):
        request += f"{', ' if ' with ' in request else ' with '}{fields}"
    return request + (f" ({'; '.join(told)})" if told else "")


def _fields(command: _Command) -> Iterator[str]:
    for option, value in command.options:
        if option in SETTINGS:
            yield f"{command.does.settings}.{value.partition('=')[0]}"
        elif option == "--stream":
            yield "sync_config.streams"
        elif option == "--unset":
            is_column = command.name.startswith("people")
            yield f"{value} null" if is_column else f"{command.does.settings}.{value} null"
        elif option in FIELDS:
            yield FIELDS[option]


def _shown(command: _Command) -> dict[str, str]:
    """Return the values of a command as text shows them, and ``owner``: of a project, or a user."""
    owner = next((f", project {v}" for o, v in command.options if o == "--project"), "")
    if command.name == "purge":
        owner += next((f", user {v}" for o, v in command.options if o == "--user"), "")
    quoted = {name: shlex.quote(value) for name, value in command.values.items()}
    return {**quoted, "owner": owner}


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with the values that are known; what is not stays in braces."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), template)
