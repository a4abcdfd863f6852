"""The reference pages of what people may do, and through which requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from scout_control.rules.permissions import TABLE, Relation, Role
from scout_control.serve.routers import ROUTERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def permissions_page() -> str:
    """Return who may do what, by operation."""
    lines = [
        "# Permissions",
        "",
        "What people may do, and programs with their tokens, through anything but a shell. The "
        "names are those of the [Python interface](python.md); who the roles are: "
        "[people](../guides/people.md). The role is that in the project of the object; people "
        "without one there do not learn that the object exists. Of the installation are sources "
        "that no project of the person uses, connections, and what is yet to be made.",
        "",
        "A token with the scope `read` may do what needs `read`, one with `write` also what needs "
        "`write`. What needs `sign-in` is for people who signed in themselves.",
        "",
    ]
    titles = [str(each) for each in Relation]
    lines += [f"| operation | {' | '.join(titles)} | needs |", f"|{'---|' * (len(titles) + 2)}"]
    offered = {name: rule for name, rule in TABLE.items() if rule.is_offered}
    for name, rule in sorted(offered.items()):
        cells = [_roles(rule.audience.get(each, frozenset())) for each in Relation]
        scope = "sign-in" if rule.scope.name == "FULL" else f"`{rule.scope.name.lower()}`"
        lines.append(f"| `{name}` | {' | '.join(cells)} | {scope} |")
    local = ", ".join(f"`{each}`" for each in sorted(TABLE.keys() - offered.keys()))
    lines += ["", "## Only at the shell and in Python", ""]
    lines += [f"These use files or keys of a machine, or run for long: {local}."]
    return "\n".join(lines)


def _roles(roles: Collection[Role]) -> str:
    """Return roles as a phrase; one that all who sign in have says so."""
    return ", ".join(_named(roles)) or "-"


def _named(roles: Collection[Role]) -> Iterator[str]:
    if Role.PERSON in roles:
        yield "anyone who signed in"
        return
    yield from (str(each) for each in Role if each in roles)


def rest_page() -> str:
    """Return every endpoint of the REST interface with its permission."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    lines = [
        "# REST interface",
        "",
        "How to call it: [call the REST interface](../guides/rest.md). Fields of requests and "
        "responses: `/api/docs` of a running server. Who has a permission: "
        "[permissions](permissions.md).",
    ]
    tag = ""
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if operation["tags"][0] != tag:
                [tag] = operation["tags"]
                head = "| request | does | permission | needs |"
                lines += ["", f"## {tag}", "", head, "|---|---|---|---|"]
            lines.append(_endpoint(method, path, operation))
    return "\n".join(lines)


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> str:
    permission = operation.get("x-permission")
    does, *_ = operation["description"].split("\n\n")
    needs = f"`{permission['operation']}` | {permission['scope']}" if permission else "- | -"
    return f"| `{method.upper()} {path}` | {' '.join(does.split())} | {needs} |"
