"""The documentation in a real browser: tables and lineage are shown, no data is executed."""

from __future__ import annotations

import json
import os
import subprocess
from html.parser import HTMLParser

import pytest
from scout_dbt.runner import docs_page
from support.browser import PROGRAM, browser

from .conftest import PROGRAMS
from .test_odd_names import messages, record

RUN = "window.ran=1"
OUTSIDE = "http://127.0.0.1:9/"
PAYLOADS = (
    f"</script><script>{RUN}</script>",
    f"<!--<script>{RUN}",
    f"<img src=x onerror={RUN}>",
    f"<svg/onload={RUN}>",
    "<iframe srcdoc='<script>parent.ran=1</script>'></iframe>",
    f"<details open ontoggle={RUN}>",
    f"[click](javascript:{RUN})",
    f"[click](java&#115;cript&colon;{RUN})",
    f"[click](JaVa\tScRiPt:{RUN})",
    f"[click][ref]\n\n[ref]: javascript:{RUN}",
    f"<javascript:{RUN}>",
    f"[click](data:text/html,<script>{RUN}</script>)",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"<div ng-app ng-csp>{{{{$on.constructor('{RUN}')()}}}}</div>",
    f"\u2028{RUN}\u2029",
    f"![]({OUTSIDE}pixel) <link rel=stylesheet href={OUTSIDE}style>",
    f"<meta http-equiv=refresh content='0;url={OUTSIDE}'><base href={OUTSIDE}>",
    f"<form action={OUTSIDE}><input id=getElementById name=body></form>",
    '"onmouseover="window.ran=1',
    "__proto__",
)
PLACES = "'.model-markdown *, [ng-bind-html] *, .column-row *'"
PLANTED = "script, iframe, form, meta, base, link, svg:not(.icn), details, img[src=x], [ng-app]"
PLANTED = f"[...document.querySelectorAll({PLACES})].filter(each => each.matches('{PLANTED}'))"
ANCHORS = "[...document.querySelectorAll('.model-markdown a[href], [ng-bind-html] a[href]')]"
LINKS = f"{ANCHORS}.map(each => each.protocol)"
TEXT = "document.body.innerText"
SEARCH = """
    (() => {{
        const field = document.querySelector('[ng-model="search.query"]');
        field.value = {query};
        for (const name of ['input', 'change']) field.dispatchEvent(new Event(name));
        return true;
    }})()
"""
in_a_browser = pytest.mark.skipif(
    PROGRAM is None and "SCOUT_TEST_NO_SKIPS" not in os.environ, reason="Chromium is not installed"
)


def hostile():
    """Forms, questions and cases, all of which editors of an application name."""
    form = {"domain": "d", "app_id": "app", "xmlns": "http://x/form"}
    named = {"app_name": PAYLOADS[0], "name": PAYLOADS[2], "case_type": PAYLOADS[0]}
    yield record("form_definitions", **form, **named)
    for number, payload in enumerate(PAYLOADS):
        asked = {"path": f"/data/q{number}", "position": number, "type": "Text", "tag": "input"}
        yield record("form_questions", **form, **asked, label=payload)
        properties = {payload: payload, "age": "1"}
        case = {"domain": "d", "case_id": str(number), "case_type": payload}
        yield record("cases", **case, properties=properties, indices={})
    answers = {f"q{number}": payload for number, payload in enumerate(PAYLOADS)}
    yield record("forms", domain="d", form_id="f", xmlns="http://x/form", form_data=answers)


@pytest.fixture(scope="module")
def target(world):
    """What dbt left of the hostile data; names and comments are in the artifacts as they came."""
    world.pipe("\n".join(map(json.dumps, messages(hostile()))).encode())
    built = world.build("--select", "package:scout_generated")
    assert built.returncode == 0, built.stdout
    done = subprocess.run(
        [PROGRAMS / "scout-dbt", "docs", "generate", "--static"],
        env=world.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for name in docs_page.DATA.values():
        spread(world.folder / "target" / name)
    return world.folder / "target"


def spread(file):
    """Put the payloads wherever names occur, including those from databases of other programs."""
    artifact = json.loads(file.read_text())
    for node in artifact["nodes"].values():
        columns = node["columns"]
        for payload in PAYLOADS if columns else ():
            like = next(iter(columns.values()))
            columns[payload] = like | {"name": payload, "description": payload, "comment": payload}
        if "tags" in node:
            node["tags"] = list(PAYLOADS)
    file.write_text(json.dumps(artifact))


@pytest.fixture(scope="module")
def models(target):
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    return {node["name"]: name for name, node in nodes.items() if node["package_name"] != "scout"}


@pytest.fixture(scope="module")
def shown(target):
    """The page of the artifacts, in a browser."""
    address = docs_page.write(target).as_uri()
    with browser() as opened:
        opened.show(f"{address}#!/overview")
        opened.wait_for(f"{TEXT}.includes('Projects')")
        yield opened, address


TAGS: list = []


class Found(HTMLParser):
    def handle_starttag(self, tag, attrs):
        TAGS.append((tag, dict(attrs)))


def test_the_page_runs_one_script_by_its_hash_and_sends_no_request(target):
    text = docs_page.write(target).read_text(encoding="utf-8")

    Found().feed(text)
    policies = [attrs["content"] for _, attrs in TAGS if "http-equiv" in attrs]
    assert [tag for tag, _ in TAGS].count("script") == 1
    assert [tag for tag, _ in TAGS if tag in {"iframe", "form", "base", "object"}] == []
    assert not [attrs for _, attrs in TAGS if attrs.keys() & {"onload", "onerror", "src"}]
    [policy] = policies
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert (
        directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"
    )
    assert directives["object-src"] == "'none'"
    assert directives["script-src"].startswith("'sha256-")
    assert "unsafe" not in directives["script-src"]
    assert not [each for each in directives.values() if "http" in each or "*" in each]
    assert text.count("<script") == (target / "index.html").read_text().count("<script")
    for payload in PAYLOADS[:6]:
        assert payload not in text


@in_a_browser
def test_tables_columns_and_lineage_are_shown_and_nothing_runs(shown, models):
    opened, address = shown
    for name, column in (("form_img_src_x_onerror_window_ran_1", "q1"), ("case_proto", "age")):
        opened.show(f"{address}#!/model/{models[name]}")
        opened.wait_for(f"{TEXT}.includes({json.dumps(name)}) && {TEXT}.includes('{column}')")
        opened.evaluate(f"{ANCHORS}.forEach(each => /^http/.test(each.protocol) || each.click())")
        opened.show(f"{address}#!/model/{models[name]}?g_v=1")
        opened.wait_for("document.querySelectorAll('canvas').length > 2")
    assert_nothing_ran(opened)


@in_a_browser
@pytest.mark.parametrize("query", ["window.ran", "click", "onerror", "age"])
def test_search_results_are_text(shown, query):
    opened, address = shown
    opened.show(f"{address}#!/overview")
    opened.wait_for(SEARCH.format(query=json.dumps(query)))
    opened.wait_for("document.querySelectorAll('.search-result-match').length")

    assert_nothing_ran(opened)


def assert_nothing_ran(opened):
    asked = [each["request"]["url"] for each in opened.of("Network.requestWillBeSent")]
    assert opened.evaluate("window.ran") is None
    assert opened.evaluate(f"{PLANTED}.map(each => each.outerHTML)") == []
    assert set(opened.evaluate(LINKS)) <= {"file:", "https:", "http:"}
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
    assert opened.of("Runtime.exceptionThrown") == []
