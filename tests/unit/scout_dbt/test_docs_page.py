"""The documentation page: dbt's own template with data that no browser executes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dbt.task.docs import DOCS_INDEX_FILE_PATH
from scout_dbt.runner import docs_page

TEMPLATE = Path(DOCS_INDEX_FILE_PATH).read_text(encoding="utf-8")
PAYLOADS = (
    "</script><script>window.ran = 1</script>",
    "<!--<script>",
    "<img src=x onerror=window.ran=1>",
    "{{constructor.constructor('window.ran = 1')()}}",
    "\u2028window.ran = 1\u2029",
    "__proto__",
    "$&`'",
    '"manifest.json"',
)


def artifacts():
    nodes = {payload: {"description": payload, "name": payload} for payload in PAYLOADS}
    return {name: {"nodes": nodes} for name in docs_page.DATA}


def test_data_is_parsed_as_json_and_not_evaluated():
    expression = docs_page.json_expression(artifacts()["MANIFEST.JSON INLINE DATA"])
    inner = json.loads(expression.removeprefix("JSON.parse(").removesuffix(")"))

    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(expression)
    assert expression.isascii()
    found = json.loads(inner)["nodes"]
    assert list(found) == [each["name"] for each in found.values()] == list(PAYLOADS)
    assert not [each for each in found.values() if "{{" in each["description"]]


def test_the_page_of_the_installed_dbt_has_its_own_scripts_and_a_policy_for_them():
    page = docs_page.render(TEMPLATE, artifacts())

    scripts = docs_page._scripts(page)
    assert len(scripts) == len(docs_page._scripts(TEMPLATE))
    assert page.count("<script") == TEMPLATE.count("<script")
    assert all(docs_page._hash(script) in page for script in scripts)
    assert "<img src=x" not in page


@pytest.mark.parametrize("missing", [before for before, _ in docs_page.REPLACEMENTS])
def test_a_page_of_an_unknown_version_is_not_written(tmp_path, missing):
    (tmp_path / docs_page.TEMPLATE).write_text(TEMPLATE.replace(missing, "changed"))
    for name in docs_page.DATA.values():
        (tmp_path / name).write_text("{}")
    (tmp_path / docs_page.STATIC).write_text("unsafe")

    with pytest.raises(docs_page.PageError):
        docs_page.write(tmp_path)

    assert not (tmp_path / docs_page.STATIC).exists()
