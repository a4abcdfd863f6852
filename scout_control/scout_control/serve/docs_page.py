"""``/api/docs/``: the OpenAPI document as a page, which needs neither scripts nor other hosts."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse

from scout_control.serve.operations import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi import FastAPI

    Document = Mapping[str, Any]

ADDRESS = "/api/docs"
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
summary { padding: .3rem 0; cursor: pointer; }
code { font: .9em ui-monospace, monospace; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
details > div { padding-left: 1rem; }
"""
POLICY = "default-src 'none'; style-src 'sha256-{}'; frame-ancestors 'none'; base-uri 'none'"


def add(app: FastAPI) -> None:
    """Add the page to an application, whose endpoints are all there."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    headers = {"Content-Security-Policy": POLICY.format(digest)}
    text = cache(lambda: page(app.openapi()))

    def show() -> HTMLResponse:
        return HTMLResponse(text(), headers=headers)

    app.add_api_route(ADDRESS, show, include_in_schema=False)
    app.add_api_route(f"{ADDRESS}/", show, include_in_schema=False)


def page(document: Document) -> str:
    """Return the page of an OpenAPI document."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<main><h1>{title}</h1><p>{_text(document['info']['description'])}</p>"
        '<p>The document itself: <a href="/api/openapi.json">/api/openapi.json</a></p>'
        f"{''.join(_sections(document))}<h2>Forms</h2>{''.join(_forms(document))}</main></html>"
    )


def _sections(document: Document) -> Iterator[str]:
    sections: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append(
                _operation(path, method, operation)
            )
    for tag, operations in sections.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"


def _operation(path: str, method: str, operation: Document) -> str:
    permission = operation.get(EXTENSION)
    needs = (
        ""
        if permission is None
        else (
            f"<p>Permission <code>{escape(permission['operation'])}</code>, "
            f"scope {escape(permission['scope'])}.</p>"
        )
    )
    rows = [
        _row(each["name"], each["in"], each["schema"], each)
        for each in operation.get("parameters", ())
    ]
    if body := operation.get("requestBody"):
        rows.append(_row("", "body", body["content"]["application/json"]["schema"], body))
    table = f"<table><tbody>{''.join(rows)}</tbody></table>" if rows else ""
    answers = "".join(_answer(status, each) for status, each in operation["responses"].items())
    return (
        f'<details id="{escape(operation["operationId"])}"><summary>'
        f'<span class="method">{escape(method.upper())}</span> '
        f"<code>{escape(path)}</code></summary>"
        f"<div><p>{_text(operation.get('description', ''))}</p>{needs}{table}"
        f"<p>Answers:</p><ul>{answers}</ul></div></details>"
    )


def _row(name: str, place: str, schema: Document, described: Document) -> str:
    must = "required" if described.get("required") else ""
    return (
        f"<tr><th><code>{escape(name)}</code></th><td>{escape(place)} {must}</td>"
        f"<td>{_type(schema)}</td><td>{_text(described.get('description', ''))}</td></tr>"
    )


def _answer(status: str, answer: Document) -> str:
    schemas = [each.get("schema", {}) for each in answer.get("content", {}).values()]
    return (
        f"<li>{escape(status)}: {_text(answer['description'])} {' '.join(map(_type, schemas))}</li>"
    )


def _forms(document: Document) -> Iterator[str]:
    for name, schema in sorted(document["components"]["schemas"].items()):
        required = schema.get("required", ())
        rows = [
            _row(field, "", each, {**each, "required": field in required})
            for field, each in schema.get("properties", {}).items()
        ]
        yield (
            f'<details id="form-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<div><p>{_text(schema.get('description', ''))}</p>"
            f"<table><tbody>{''.join(rows)}</tbody></table></div></details>"
        )


def _type(schema: Document) -> str:
    """Return the type of a value, with links to forms."""
    if (reference := schema.get("$ref")) is not None:
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#form-{name}">{name}</a>'
    if options := schema.get("anyOf"):
        return " or ".join(map(_type, options))
    kind = escape(str(schema.get("type", "any")))
    if "items" in schema:
        return f"{kind} of {_type(schema['items'])}"
    values = schema.get("enum")
    return f"{kind}: {escape(', '.join(map(str, values)))}" if values else kind


def _text(text: str) -> str:
    """Return a text with its `code` as such."""
    parts = escape(text).split("`")
    return "".join(f"<code>{e}</code>" if n % 2 else e for n, e in enumerate(parts))
