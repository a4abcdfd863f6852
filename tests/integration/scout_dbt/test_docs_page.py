"""The documentation in a real browser: what it shows, how it is used, and what does not run."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser

import pytest
from psycopg2 import sql
from scout_dbt.run import PAGE
from support import preloaded
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
PLANTED = "iframe, form, base, link, svg, details[ontoggle], img, object, [ng-app], [onmouseover]"
PLANTED = f"[...document.querySelectorAll({json.dumps(PLANTED)})]"
LINKS = "[...document.querySelectorAll('a[href]')]"
TEXT = "document.body.innerText"
FIELD, RESULTS = "document.querySelector('header input')", "document.querySelector('#results')"
ROWS = """
    [...document.querySelectorAll('section')].flatMap(section =>
        [...section.querySelectorAll('tbody tr')].map(row => [
            section.querySelector('h2').textContent,
            row.cells[0].firstChild.data.replace(/ $/, ''),
            row.cells[2].textContent.replace(/\\n$/, ''),
        ]))
"""
WIDE = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
NARROW = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
KEYS = {
    "Tab": {"windowsVirtualKeyCode": 9},
    "Enter": {"windowsVirtualKeyCode": 13},
}
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
def page(world):
    """The page of hostile data; a table of another program has hostile names, too."""
    world.pipe("\n".join(map(json.dumps, messages(hostile()))).encode())
    columns = sql.SQL(", ").join(sql.SQL("{} int").format(sql.Identifier(p)) for p in PAYLOADS)
    world.ask(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(PAYLOADS[2]), columns))
    world.ask(sql.SQL("COMMENT ON TABLE {} IS %s").format(sql.Identifier(PAYLOADS[2])), PAYLOADS[0])
    built = world.build("--select", "package:scout_generated")
    assert built.returncode == 0, built.stdout
    done = preloaded.run_dbt(
        [PROGRAMS / "scout-dbt", "docs", "generate", "--static"], world.environment
    )
    assert done.returncode == 0, done.stdout
    return world.folder / "target" / PAGE


@pytest.fixture(scope="module")
def opened(page):
    """The page in a browser."""
    with browser() as found:
        found.call("Emulation.setDeviceMetricsOverride", **WIDE)
        found.show(page.as_uri())
        found.wait_for("document.readyState == 'complete'")
        yield found


def assert_nothing_ran(opened):
    asked = [each["request"]["url"] for each in opened.of("Network.requestWillBeSent")]
    assert opened.evaluate("window.ran") is None
    assert opened.evaluate(f"{PLANTED}.map(each => each.outerHTML)") == []
    assert opened.evaluate(f"{LINKS}.filter(each => each.getAttribute('href')[0] != '#')") == []
    assert [url for url in asked if not url.startswith(("file:", "about:"))] == []
    assert opened.of("Runtime.exceptionThrown") == []
    assert opened.of("Log.entryAdded") == []


def press(opened, key, text=None):
    down = {"type": "keyDown", "key": key, "code": key, **KEYS.get(key, {})}
    opened.call("Input.dispatchKeyEvent", **down, **({"text": text} if text else {}))
    opened.call("Input.dispatchKeyEvent", **(down | {"type": "keyUp"}))


@in_a_browser
def test_every_column_is_described_as_in_psql(opened, world):
    shown = opened.evaluate(ROWS)
    comments = world.ask(
        "SELECT relname::text, attname::text, coalesce(col_description(c.oid, attnum), '')"
        " FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"
        " AND relname !~ '^_scout_' AND NOT attisdropped"
    )

    assert len(comments) > 100
    shown = {tuple(each) for each in shown}
    assert sorted(shown - set(comments)) == []
    assert sorted(set(comments) - shown) == []


@in_a_browser
def test_forms_questions_and_joins_are_shown_and_nothing_runs(opened):
    opened.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    text = opened.evaluate(TEXT)
    assert "Case types and their properties" in text
    assert PAYLOADS[0] in text
    opened.evaluate("document.querySelectorAll('.home details a').forEach(each => each.click())")
    opened.wait_for("document.querySelectorAll('section:target, section :target').length == 1")
    assert not opened.evaluate("document.querySelector('.home').checkVisibility()")
    assert_nothing_ran(opened)


@in_a_browser
@pytest.mark.parametrize("query", ["window.ran", "javascript", "onerror", "q1 text"])
def test_a_table_is_found_and_opened_with_the_keyboard_alone(opened, query):
    opened.evaluate("document.activeElement.blur(); location.hash = 'contents'")
    opened.wait_for(f"{FIELD}.value == '' && location.hash == '#contents'")
    press(opened, "/", "/")
    for sign in query:
        press(opened, sign, sign)
    assert opened.evaluate(f"{FIELD}.value") == query
    opened.wait_for(f"{RESULTS}.querySelectorAll('a').length > 0")

    press(opened, "Tab")
    wanted = opened.wait_for(
        "document.activeElement.closest('#results') && document.activeElement.hash"
    )
    press(opened, "Enter", "\r")

    opened.wait_for(f"location.hash == {json.dumps(wanted)} && {RESULTS}.hidden")
    opened.wait_for("!!document.activeElement.closest('section')")
    assert_nothing_ran(opened)


@in_a_browser
def test_nothing_is_wider_than_a_narrow_screen(opened):
    opened.call("Emulation.setDeviceMetricsOverride", **NARROW)
    for anchor in opened.evaluate("[...document.querySelectorAll('section')].map(e => e.id)"):
        opened.evaluate(f"location.hash = {json.dumps(anchor)}")
        assert opened.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], anchor
    opened.call("Emulation.setDeviceMetricsOverride", **WIDE)


class Elements(HTMLParser):
    """All elements of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_has_one_script_and_no_element_that_loads_or_sends(page):
    text = page.read_text(encoding="utf-8")
    elements = Elements(text).found
    tags = [tag for tag, _ in elements]

    assert tags.count("script") == text.count("<script") == 1
    assert not {"iframe", "form", "base", "object", "link", "img", "embed"} & set(tags)
    attributes = {name for _, found in elements for name in found}
    assert not [name for name in attributes if name in {"src", "style"} or name.startswith("on")]
    [policy] = [found["content"] for _, found in elements if "http-equiv" in found]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for payload in PAYLOADS[:6]:
        assert payload not in text
