"""dbt's documentation as one page in which nothing that data says is executed.

Case types, questions, columns and comments come from whoever may edit an application. dbt writes
its page by putting its artifacts between the tags of a script, and shows descriptions and found
names as HTML. Here the data is text that a script parses, dbt's two sinks escape, and the page's
policy allows its own script and no other, and no request.
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
PLACE = re.compile(f'"({"|".join(DATA)})"')
# What dbt 1.11 says, and what this says instead. Each is there once, or there is no page.
CHARSET = '<meta charset="utf-8">'
CHANGES = (
    # Descriptions: HTML in Markdown is text, and a link leads to no script.
    ("e.defaults=e.defaults||{}", "e.defaults=e.defaults||{sanitize:!0}"),
    # An image is its text: to show it would be a request to who named it.
    ("i.prototype.image=function(e,t,n){", "i.prototype.image=function(e,t,n){return n;"),
    # Names and code that a search has found.
    (
        "n.highlight=function(t){",
        "n.highlight=function(t){t=t&&String(t).replace(/[&<>\"']/g,"
        '(function(e){return"&#"+e.charCodeAt(0)+";"}));',
    ),
    # AngularJS asks whether it may evaluate text, which the policy would report.
    ('ng-app="dbt"', 'ng-app="dbt" ng-csp="no-unsafe-eval"'),
    # A path of dbt's own build, which a browser asks for in vain.
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
# What Markdown is made of.
DESCRIBING = frozenset({"description", "block_contents", "comment"})
END_OF_SCRIPTS = re.compile("[<>&]")


class PageError(Exception):
    """dbt's page is another one than this knows how to make safe."""


def write(target: Path) -> Path:
    """Write the page anew from what dbt left in a folder; there is none when that fails.

    Raises:
        PageError: dbt's page is of another version.
    """
    page = target / STATIC
    page.unlink(missing_ok=True)
    artifacts = {
        name: json.loads((target / file).read_text(encoding="utf-8")) for name, file in DATA.items()
    }
    text = made((target / TEMPLATE).read_text(encoding="utf-8"), artifacts)
    page.write_text(text, encoding="utf-8")
    return page


def made(template: str, artifacts: dict[str, Any]) -> str:
    """Return dbt's page with its artifacts in it.

    Raises:
        PageError: The template is of another version.
    """
    for before, after in CHANGES:
        template = _replaced(template, before, after)
    if sorted(PLACE.findall(template)) != sorted(DATA):
        raise PageError
    page = PLACE.sub(lambda found: parsed(artifacts[found[1]]), template)
    scripts = _scripts(page)
    if len(scripts) != len(_scripts(template)) or "\r" in page:
        raise PageError
    policy = POLICY.format(hashes=" ".join(map(_hash, scripts)))
    head = (
        f'{CHARSET}<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="referrer" content="no-referrer">'
    )
    return _replaced(page, CHARSET, head)


def parsed(artifact: Any) -> str:
    """Return an expression for a script: text that it parses, so that no name is special to it."""
    text = json.dumps(json.dumps(inert(artifact)))
    return f"JSON.parse({END_OF_SCRIPTS.sub(_escaped, text)})"


def inert(value: Any, name: str = "") -> Any:
    """Return an artifact whose descriptions hold no expression of a template."""
    if isinstance(value, dict):
        return {key: inert(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [inert(each) for each in value]
    if isinstance(value, str) and name in DESCRIBING:
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

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the name it has
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
