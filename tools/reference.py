"""Write docs/reference/ from the code: commands, settings, streams and the Python interface.

Run by ``make docs``, which also describes the settings in the plugin definitions. All of it is
committed, so that it can be read without building the site; a test compares it with the code.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import access_reference
import click
import mcp_reference
from plugin_descriptions import with_descriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "reference"
PROGRAMS = Path(sys.executable).parent
TAPS = {"tap-commcare": "CommCare HQ", "tap-commcare-connect": "CommCare Connect"}
TARGET = "target-scout-postgres"
DEFINITIONS = (
    ROOT / "meltano.yml",
    *(ROOT / tap / f"{tap}.yml" for tap in TAPS),
    ROOT / TARGET / "plugin.yml",
)
GENERATED = "<!-- Generated from the code by `make docs`. -->\n"


def pages() -> dict[Path, str]:
    """Return the text of each page by its path."""
    made = {
        "cli.md": cli_page(),
        "settings.md": settings_page(),
        "streams.md": streams_page(),
        "python.md": python_page(),
        "desired-state.md": desired_state_page(),
        "permissions.md": access_reference.permissions_page(),
        "mcp.md": mcp_reference.page(),
        "rest.md": access_reference.rest_page(),
    }
    pages = {PAGES / name: GENERATED + text.rstrip() + "\n" for name, text in made.items()}
    return pages | plugin_definitions()


def plugin_definitions() -> dict[Path, str]:
    """Return the text of each plugin definition by its path."""
    settings = {program: _settings(program)["properties"] for program in (*TAPS, TARGET)}
    return {
        path: with_descriptions(path.read_text(encoding="utf-8"), settings) for path in DEFINITIONS
    }


def main() -> None:
    """Write the pages that differ."""
    PAGES.mkdir(exist_ok=True)
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# Commands


def cli_page() -> str:
    """Return every command of ``scout`` with its options."""
    script, *_ = entry_points(group="console_scripts", name="scout")
    group = script.load()
    context = click.Context(group, info_name="scout")
    intro = (
        "# Command line: scout\n\n"
        "Every command takes `--json`, which prints the result as JSON, and `--help`. "
        "How they end: [exit codes](exit-codes.md).\n"
    )
    return "\n".join([intro, *_commands(group, context)])


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield _command(command, context)
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None and not child.hidden:
            yield from _commands(child, click.Context(child, info_name=name, parent=context))


def _command(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {context.command_path}", "", *_paragraphs(command.help or ""), ""]
    lines += ["```text", f"{context.command_path} {usage}", "```", ""]
    options = [
        record
        for each in command.get_params(context)
        if isinstance(each, click.Option)
        and not {"--help", "--json"}.intersection(each.opts)
        and (record := each.get_help_record(context))
    ]
    if options:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in options]
        lines.append("")
    return "\n".join(lines)


# Settings


def settings_page() -> str:
    """Return the settings of the taps, the target and of control."""
    lines = [
        "# Settings",
        "",
        "Taps and target read a JSON file named by `--config`, or the environment with "
        "`--config ENV`. Keep secrets in the environment or in a file that only you can read.",
        "",
    ]
    for program in (*TAPS, TARGET):
        schema = _settings(program)
        required = set(schema.get("required", ()))
        prefix = program.replace("-", "_").upper()
        lines += [f"## {program}", "", f"Variables begin with `{prefix}_`.", ""]
        lines += ["| setting | type | default | meaning |", "|---|---|---|---|"]
        for name, part in schema["properties"].items():
            default = "required" if name in required else _default(part.get("default"))
            meaning = part.get("description", "") + (" **Secret.**" if part.get("secret") else "")
            lines.append(f"| `{name}` | {_type(part)} | {default} | {_cell(meaning)} |")
        lines.append("")
    lines += ["## scout", "", "Environment variables only.", ""]
    lines += ["| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(meaning)} |" for name, meaning in _variables()]
    return "\n".join(lines)


@cache
def _settings(program: str) -> dict[str, Any]:
    """Return the JSON schema of a program's settings."""
    about = json.loads(_output(program, "--about", "--format=json"))
    schema: dict[str, Any] = about["settings"]
    return schema


def _variables() -> Iterator[tuple[str, str]]:
    """Return the variables of control, which the guide to operations explains."""
    guide = (ROOT / "docs" / "guides" / "operate.md").read_text(encoding="utf-8")
    yield from re.findall(r"^\| `(SCOUT_[A-Z_]+)` \| (.*) \|$", guide, re.MULTILINE)


# Streams


def streams_page() -> str:
    """Return every stream of both taps with its columns."""
    lines = [
        "# Streams and columns",
        "",
        "What the taps emit; the target makes a table of the same name and columns of each. "
        "With several domains, `domain` is the first key column of every HQ stream.",
        "",
    ]
    for program, source in TAPS.items():
        streams = json.loads(_output(program, "--discover"))["streams"]
        lines += [f"## {source}", ""]
        for stream in sorted(streams, key=lambda each: str(each["tap_stream_id"])):
            lines += _stream(stream)
    return "\n".join(lines)


def _stream(stream: dict[str, Any]) -> list[str]:
    keys = [f"`{key}`" for key in stream["key_properties"]]
    bookmark = stream.get("replication_key")
    how = f"incremental by `{bookmark}`" if bookmark else "read in full, then replaced"
    if stream.get("replication_method") == "INCREMENTAL" and not bookmark:
        how = "incremental"
    lines = [f"### {stream['tap_stream_id']}", "", f"Key: {', '.join(keys)}; {how}.", ""]
    lines += ["| column | type | meaning |", "|---|---|---|"]
    for name, part in stream["schema"]["properties"].items():
        lines.append(f"| `{name}` | {_type(part)} | {_cell(part.get('description', ''))} |")
    return [*lines, ""]


# Python


def python_page() -> str:
    """Return the public Python interface of control."""
    from scout_control import Scout  # noqa: PLC0415 - only this page needs it

    lines = ["# Python: scout_control.Scout", "", *_docstring(inspect.getdoc(Scout) or ""), ""]
    lines += ["```python", "from scout_control import Scout", "```", ""]
    lines += _methods("scout", Scout)
    for name, part in sorted(_parts(Scout).items()):
        lines += [f"## scout.{name}", "", *_docstring(inspect.getdoc(part) or ""), ""]
        lines += _methods(f"scout.{name}", part)
    return "\n".join(lines)


def _parts(scout: type) -> dict[str, type]:
    """Return the classes of the attributes that hold commands, such as ``scout.sources``."""
    settings = inspect.signature(scout).parameters["settings"]
    assert settings.default is None  # noqa: S101 - what the example below relies on
    with tempfile.TemporaryDirectory() as folder:
        from scout_control.installation.settings import Settings  # noqa: PLC0415 - only this page needs it

        one = scout(Settings(project_root=ROOT, home=Path(folder)))
        names = {name for name in (*vars(one), *vars(scout)) if not name.startswith("_")}
        parts = {name: getattr(one, name) for name in names if not callable(getattr(one, name))}
    return {name: type(part) for name, part in parts.items() if _is_public_part(name, part)}


def _is_public_part(name: str, part: object) -> bool:
    module = type(part).__module__
    return name not in {"site", "installation"} and module.startswith("scout_control")


def _methods(prefix: str, owner: type) -> Iterator[str]:
    for name, member in vars(owner).items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        yield f"### {prefix}.{name}\n"
        if member.__name__ != name:
            yield f"Alias of `{prefix}.{member.__name__}`.\n"
            continue
        yield f"```python\n{prefix}.{name}{_signature(member)}\n```\n"
        yield from _docstring(inspect.getdoc(member) or "")
        yield ""


def _signature(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    parameters = [each for name, each in signature.parameters.items() if name != "self"]
    text = str(signature.replace(parameters=parameters)).replace("'", "")
    text = re.sub(r"<function [^>]*<lambda> at 0x[0-9a-f]+>", "...", text)
    if len(text) < 80:
        return text
    inner = ",\n    ".join(_split(text[1 : text.rindex(")")]))
    return f"(\n    {inner},\n){text[text.rindex(')') + 1 :]}"


def _split(parameters: str) -> list[str]:
    """Split at the commas that are not inside brackets."""
    parts, depth = [""], 0
    for character in parameters:
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _docstring(text: str) -> Iterator[str]:
    """Turn the sections of a docstring (Args, Returns, Raises) into lists."""
    for line in text.splitlines():
        section = re.fullmatch(r"(Args|Returns|Raises|Yields):", line)
        entry = re.fullmatch(r"    (\w+): (.*)", line)
        if section:
            yield f"**{section[1]}**\n"
        elif entry:
            yield f"- `{entry[1]}`: {entry[2]}"
        else:
            yield f"  {line.strip()}" if line.startswith("     ") else line.strip()


# Desired state


def desired_state_page() -> str:
    """Return every key of the files of ``scout apply``."""
    from scout_control.api.desired_state.schema import json_schema  # noqa: PLC0415 - only this page needs it

    schema = json_schema()
    lines = [
        "# Files of scout apply",
        "",
        "YAML files, whose JSON schema `scout apply --schema` prints. "
        "How they are used: [forty projects as code](../guides/forty-projects.md).",
        "",
    ]
    sections = {"Top level": schema, **schema["$defs"]}
    for title, part in sections.items():
        if "properties" in part:
            lines += _schema_table(title, part)
    return "\n".join(lines)


def _schema_table(title: str, part: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    yield from (f"{line}\n" for line in [part.get("description", "")] if line)
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for name, each in part["properties"].items():
        required = name in part.get("required", ())
        default = "required" if required else _default(each.get("default"))
        yield f"| `{name}` | {_schema_type(each)} | {default} | {_cell(each['description'])} |"
    yield ""


def _schema_type(part: dict[str, Any]) -> str:
    """Return the type of a value as a phrase; a section is a link to its table."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return "any" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "anyOf" in part:
        options = [_schema_type(each) for each in part["anyOf"]]
        return " or ".join(each for each in options if each != "null")
    if "const" in part or "enum" in part:
        return " or ".join(f"`{each}`" for each in part.get("enum", [part.get("const")]))
    if part["type"] == "array":
        return f"list of {_schema_type(part['items'])}"
    if part["type"] == "object":
        values = [*part.get("patternProperties", {}).values(), part.get("additionalProperties")]
        value = values[0]
        return f"mapping to {_schema_type(value)}" if isinstance(value, dict) else "mapping"
    names = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    return names.get(part["type"], part["type"])


# Text


def _output(program: str, *words: str) -> str:
    command = [str(PROGRAMS / program), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own


def _paragraphs(text: str) -> list[str]:
    return [line.strip() for line in inspect.cleandoc(text.replace("\b", "")).splitlines()]


def _type(part: dict[str, Any]) -> str:
    kinds = part.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    known = [part.get("format", kind) for kind in kinds if kind != "null"]
    known = known or [option.get("type", "") for option in part.get("anyOf", ())]
    return " or ".join(each for each in known if each and each != "null") or "any"


def _default(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main()
