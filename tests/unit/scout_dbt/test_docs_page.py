"""The documentation page: no text of the data becomes a part of the document."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest
from scout_dbt.dataset.documentation import (
    GENERATED,
    LOADED,
    OWN,
    STAGING,
    ColumnDocs,
    Documentation,
    Item,
    Subject,
    TableDocs,
)
from scout_dbt.planning.joins import Join
from scout_dbt.planning.tables import Reference
from scout_dbt.runner import docs_page

NOW = datetime(2026, 11, 29, 1, 2, tzinfo=UTC)
PAYLOADS = (
    "</script><script>window.ran = 1</script>",
    "</style><script>window.ran = 1</script>",
    "<!--<script>",
    "<img src=x onerror=window.ran=1>",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{{ cycler.__init__.__globals__ }}",
    "\u2028window.ran = 1\u2029",
    "'\" onfocus=window.ran=1 autofocus x='\"",
    "javascript:window.ran=1",
    "results",
    "a/b c#d?e%f&amp;",
)


def table(name, kind=OWN, text="", rows=None):
    column = ColumnDocs(name=text or "id", type="text", comment=text, is_key=True)
    return TableDocs(
        name=name,
        kind=kind,
        is_view=False,
        comment=text,
        rows=rows,
        updated_at=NOW if rows else None,
        columns=(column,),
    )


class Found(HTMLParser):
    """What a browser makes of a page: its elements, and the texts of some."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.ids, self.links = [], {}, [], []
        self.page = page
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.texts.setdefault(self.tags[-1][0] if self.tags else "", []).append(data)


def page_of(docs, nodes=None):
    return Found(docs_page.render(docs, nodes or {}, NOW))


@pytest.fixture(scope="module")
def hostile():
    named = [table(name, kind, name, 1) for name in PAYLOADS for kind in (GENERATED,)]
    subjects = tuple(
        Subject(
            title=name,
            group=name,
            tables=(name,),
            items=(Item(text=name, table=name, column=name),),
        )
        for name in PAYLOADS
    )
    joins = tuple(
        Join(reference=Reference(table=a, columns=(a,), to_table=b, to_columns=(b,)))
        for a, b in pairwise(PAYLOADS)
    )
    docs = Documentation(
        schema=PAYLOADS[0], tables=tuple(named), forms=subjects, case_types=subjects, joins=joins
    )
    nodes = {
        name: {
            "resource_type": "model",
            "alias": name,
            "raw_code": name,
            "depends_on": {"nodes": list(PAYLOADS)},
        }
        for name in PAYLOADS
    }
    return page_of(docs, nodes)


def test_names_and_comments_are_text_and_add_no_element(hostile):
    plain = page_of(Documentation(schema="s", tables=(table("a"),)))

    for tag in ("script", "style", "meta", "input", "header", "main", "html", "body"):
        assert [each for each, _ in hostile.tags].count(tag) == [t for t, _ in plain.tags].count(
            tag
        )
    names = {name for _, attrs in hostile.tags for name in attrs}
    assert not {"onerror", "onfocus", "autofocus", "src", "style"} & names
    assert "49" not in hostile.page
    assert set(PAYLOADS) <= {text.strip("\n") for text in hostile.texts["h2"]}


def test_links_lead_to_elements_of_the_page_only(hostile):
    ids = set(hostile.ids)

    assert len(hostile.ids) == len(ids)
    assert len(hostile.links) > len(PAYLOADS)
    for link in hostile.links:
        assert link.startswith("#")
        assert unquote(link[1:]) in ids, link


def test_the_policy_allows_one_script_and_one_style_by_their_hashes(hostile):
    [policy] = [attrs["content"] for _, attrs in hostile.tags if "http-equiv" in attrs]
    found = dict(each.split(" ", 1) for each in policy.split("; "))

    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", hostile.page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert found.pop(directive) == f"'sha256-{digest}'"
        assert "\r" not in text
    assert set(found.values()) == {"'none'"}
    assert "default-src" in found


def test_the_contents_list_forms_case_types_and_tables_with_rows_and_times():
    question = Item(text="When is it due?", table="form_a", column="edd")
    form = Subject(title="Visit", group="CHW App", tables=("form_a",), items=(question,))
    old = Subject(title="Old", group="", tables=("form_a",), items=())
    docs = Documentation(
        schema="river",
        tables=(
            table("form_a", GENERATED, "Visit. From: x", 1234),
            table("stg_a", STAGING),
            table("b", LOADED, "Rows", 1),
        ),
        forms=(old, form),
    )
    text = " ".join(html.unescape(re.sub("<[^>]+>", " ", page_of(docs).page)).split())

    assert "Visit 1 question, 1,234 rows, as of 2026-11-29 01:02 UTC" in text
    assert text.index("CHW App") < text.index("In no application")
    assert "When is it due? edd" in text
    assert "rows not counted" in text
    assert "b 1 row, as of 2026-11-29 01:02 UTC Rows" in text


def test_a_table_shows_its_joins_what_it_is_built_from_and_its_sql():
    reference = Reference(
        table="a", columns=("domain", "user_id"), to_table="b", to_columns=("domain", "user_id")
    )
    docs = Documentation(
        schema="s", tables=(table("a"), table("b")), joins=(Join(reference=reference),)
    )
    nodes = {
        "model.a": {
            "resource_type": "model",
            "name": "a",
            "raw_code": "select 1",
            "depends_on": {"nodes": ["source.b", "gone"]},
        },
        "source.b": {"resource_type": "source", "identifier": "b"},
        "test.a": {"resource_type": "test", "name": "b", "depends_on": {"nodes": ["model.a"]}},
    }
    page = page_of(docs, nodes).page

    assert page.count("a.user_id = b.user_id") == 2
    assert 'Built from: <a href="#t/b">b</a>' in page
    assert page.count("Used by: ") == 1
    assert "<pre>select 1</pre>" in page
    assert "on other.domain = this.domain and other.user_id = this.user_id" in page


def test_the_page_is_made_from_what_dbt_wrote(tmp_path):
    (tmp_path / docs_page.MANIFEST).write_text('{"nodes": {"m": {}}, "sources": {"s": {}}}')
    assert set(docs_page.nodes(tmp_path)) == {"m", "s"}

    page = tmp_path / "page.html"
    docs_page.write(page, Documentation(schema="s"), {}, NOW)

    assert page.read_text().startswith("<!doctype html>")
