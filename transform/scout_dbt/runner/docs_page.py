"""dbt's documentation as one static page in which no text of the data is executed.

Case types, questions, columns and comments come from the editors of applications. dbt's own static
page puts its artifacts into a script element, and renders descriptions and search results as HTML.
In this page the artifacts are strings that the script parses, both renderers escape HTML, and a
content security policy allows the page's own scripts only, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

STATIC = "static_index.html"
TEMPLATE = "index.html"
DATA = {"MANIFEST.JSON INLINE DATA": "manifest.json", "CATALOG.JSON INLINE DATA": "catalog.json"}
PLACEHOLDER = re.compile(f'"({"|".join(DATA)})"')
# Replacements in the page of dbt 1.11. Each text must occur exactly once, or no page is written.
CHARSET = '<meta charset="utf-8">'
REPLACEMENTS = (
    # Descriptions: HTML in Markdown is shown as text, and links to scripts are dropped.
    ("e.defaults=e.defaults||{}", "e.defaults=e.defaults||{sanitize:!0}"),
    # An image is replaced by its text: loading it would tell its server who reads the page.
    ("i.prototype.image=function(e,t,n){", "i.prototype.image=function(e,t,n){return n;"),
    # Names and code in search results.
    (
        "n.highlight=function(t){",
        "n.highlight=function(t){t=t&&String(t).replace(/[&<>\"']/g,"
        '(function(e){return"&#"+e.charCodeAt(0)+";"}));',
    ),
    # AngularJS tries whether it may evaluate text, which browsers would report as a violation.
    ('ng-app="dbt"', 'ng-app="dbt" ng-csp="no-unsafe-eval"'),
    # A path of dbt's own build, which does not exist.
    ('<link rel="shortcut icon" href="${require(\'./assets/favicons/favicon.ico\')}"/>', ""),
)
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src {hashes}",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "font-src data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
# Keys of artifacts that are rendered as Markdown, and so as templates of AngularJS.
MARKDOWN_KEYS = frozenset({"description", "block_contents", "comment"})
SCRIPT_DELIMITERS = re.compile("[<>&]")


class PageError(Exception):
    """dbt's page is of a version that this module cannot make safe."""


def write(target: Path) -> Path:
    """Write the page from the artifacts in dbt's target folder; an old page is removed first.

    Raises:
        PageError: dbt's page is of an unknown version.
    """
    page = target / STATIC
    page.unlink(missing_ok=True)
    artifacts = {
        name: json.loads((target / file).read_text(encoding="utf-8")) for name, file in DATA.items()
    }
    text = render((target / TEMPLATE).read_text(encoding="utf-8"), artifacts)
    page.write_text(text, encoding="utf-8")
    return page


def render(template: str, artifacts: dict[str, Any]) -> str:
    """Return dbt's page with its artifacts, by placeholder.

    Raises:
        PageError: The template is of an unknown version.
    """
    for before, after in REPLACEMENTS:
        template = _replaced(template, before, after)
    if sorted(PLACEHOLDER.findall(template)) != sorted(DATA):
        raise PageError
    page = PLACEHOLDER.sub(lambda found: json_expression(artifacts[found[1]]), template)
    scripts = _scripts(page)
    if len(scripts) != len(_scripts(template)) or "\r" in page:
        raise PageError
    policy = POLICY.format(hashes=" ".join(map(_hash, scripts)))
    head = (
        f'{CHARSET}<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="referrer" content="no-referrer">'
    )
    return _replaced(page, CHARSET, head)


def json_expression(artifact: Any) -> str:
    """Return an artifact as JavaScript: ``JSON.parse`` of a string, so that no key is special."""
    text = json.dumps(json.dumps(inert(artifact)))
    return f"JSON.parse({SCRIPT_DELIMITERS.sub(_escaped, text)})"


def inert(value: Any, name: str = "") -> Any:
    """Return an artifact in whose descriptions AngularJS finds no expression."""
    if isinstance(value, dict):
        return {key: inert(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [inert(each) for each in value]
    if isinstance(value, str) and name in MARKDOWN_KEYS:
        return value.replace("{{", "{\u2060{").replace("}}", "}\u2060}")
    return value


def _replaced(text: str, before: str, after: str) -> str:
    if text.count(before) != 1:
        raise PageError
    return text.replace(before, after)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - of the base class
        self._is_inside = tag == "script"
        if self._is_inside:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.found[-1] += data


def _scripts(page: str) -> list[str]:
    """Return the scripts of a page as a browser reads them."""
    parser = _Scripts()
    parser.feed(page)
    parser.close()
    return parser.found
