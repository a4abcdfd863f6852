"""The reference page of what agents are offered, from the table of tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.mcp import bounds, envelope, prompts, resources
from scout_control.mcp.tools import TOOLS
from scout_control.rules import statuses
from scout_control.rules.permissions import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_control.mcp.tools import Tool


def page() -> str:
    """Return tools with their permissions and arguments, resources, prompts and codes."""
    return "\n".join([*_summary(), *(line for each in TOOLS for line in _tool(each)), *_rest()])


def _summary() -> Iterator[str]:
    yield "# Tools for agents\n"
    yield (
        "What `scout mcp` and `/mcp` of `scout serve` offer; how to connect an agent: "
        "[agents](../guides/agents.md). A token with the scope `read` may call what needs `read`. "
        "Who may do it: [permissions](permissions.md), by the names of the operations.\n"
    )
    yield "| tool | needs | operations | changes something |\n|---|---|---|---|"
    for tool in TOOLS:
        scope = max(TABLE[each].scope for each in tool.operations).name.lower()
        operations = ", ".join(f"`{each}`" for each in tool.operations)
        changes = "no" if tool.annotations.read_only_hint else "yes"
        yield f"| [`{tool.name}`](#{tool.name}) | `{scope}` | {operations} | {changes} |"
    yield ""
    yield (
        "Every answer has `success`, `data` or `error`, `schema` (the dataset schema, if it is "
        "about one) and `timing_ms`. An error has `code`, `reason`, `message`, `remedy` and "
        "`details`. Clients get the full schemas from the server.\n"
    )


def _tool(tool: Tool) -> Iterator[str]:
    yield f"## {tool.name}\n"
    yield f"{tool.description}\n"
    schema = tool.takes.model_json_schema()
    if schema.get("properties"):
        yield "| argument | type | default | meaning |\n|---|---|---|---|"
    for name, part in schema.get("properties", {}).items():
        is_required = name in schema.get("required", ())
        default = "required" if is_required else _default(part.get("default"))
        yield f"| `{name}` | {_type(part)} | {default} | {part.get('description', '')} |"
    yield f"\nReturns {', '.join(f'`{name}`' for name in tool.returns.model_fields)}.\n"


def _type(part: Mapping[str, Any]) -> str:
    options = [each for each in part.get("anyOf", [part]) if each.get("type") != "null"]
    return " or ".join(_bounded(each) for each in options)


def _bounded(part: Mapping[str, Any]) -> str:
    names = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    name = names.get(part["type"], part["type"])
    if "maximum" in part:
        return f"{name}, {part['minimum']:,} to {part['maximum']:,}"
    return f"{name}, up to {part['maxLength']:,} characters" if "maxLength" in part else name


def _default(value: object) -> str:
    return "" if value is None else f"`{str(value).lower()}`"


def _rest() -> Iterator[str]:
    yield "## Resources\n"
    yield "| address | what |\n|---|---|"
    for each in resources.templates().resource_templates:
        yield f"| `{each.uri_template}` | {each.title}, as Markdown. {each.description} |"
    yield "\n## Prompts\n"
    yield "| prompt | arguments | what |\n|---|---|---|"
    for prompt in prompts.listed().prompts:
        names = ", ".join(f"`{each.name}`" for each in prompt.arguments or ())
        yield f"| `{prompt.name}` | {names} | {prompt.description} |"
    yield "\n## Limits\n"
    yield (
        f"Rows of one answer: {bounds.MAX_BYTES:,} bytes as JSON; each value: {bounds.MAX_VALUE:,} "
        f"characters; a data dictionary: {resources.MAX_CHARACTERS:,} characters. What is left "
        "out is said.\n"
    )
    yield "## Codes of errors\n"
    yield "| code | for |\n|---|---|"
    for code, reasons in _codes().items():
        yield f"| `{code}` | {', '.join(reasons)} |"


def _codes() -> dict[str, list[str]]:
    """Return the reasons by code; the classes of ``CODES`` come before those that they change."""
    changed = [kind for kind, _ in envelope.CODES]
    usual = [(kind, name) for kind, name in statuses.CODES if kind not in changed]
    found: dict[str, list[str]] = {}
    for kind, code in (*envelope.CODES, *usual):
        reasons = found.setdefault(code, [])
        if kind.reason not in reasons:
            reasons.append(kind.reason)
    return dict(sorted(found.items()))
