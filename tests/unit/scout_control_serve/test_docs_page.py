"""The page of the OpenAPI document: all operations, no script, nothing of other hosts."""

from __future__ import annotations

import re

from fastapi import FastAPI
from scout_control.serve.docs_page import _text, _type, page
from scout_control.serve.routers import ROUTERS


def document():
    app = FastAPI(description="What `it` does.")
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()


def test_every_operation_and_form_is_there_and_every_link_leads_somewhere():
    described = document()
    text = page(described)
    names = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    links = set(re.findall(r'href="#([^"]+)"', text))

    assert all(f'<details id="{each}">' in text for each in names)
    assert links <= set(re.findall(r'id="([^"]+)"', text))
    assert links


def test_it_has_no_script_and_nothing_of_other_hosts():
    text = page(document())

    assert not re.search(r"<script|<img|<link|@import|url\(|\bon\w+=", text)
    assert not re.search(r'(src|href)="(?!#|/api/openapi\.json)', text)


def test_texts_are_escaped():
    assert _text("<b> `a<b`") == "&lt;b&gt; <code>a&lt;b</code>"
    assert _type({"enum": ["<x>"], "type": "string"}) == "string: &lt;x&gt;"
    assert _type({"type": "array", "items": {"$ref": "#/x/Run"}}) == (
        'array of <a href="#form-Run">Run</a>'
    )
