"""The documentation of a dataset as one static page in which no text of the data is executed.

Case types, questions, columns and comments come from the editors of applications. They enter the
page through Jinja with automatic escaping, as values and never as a template; a content security
policy allows the page's own script and style, by their hashes, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scout_dbt.dataset import documentation
from scout_dbt.planning import comments
from scout_dbt.planning.joins import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scout_dbt.dataset.documentation import Documentation, Subject
    from scout_dbt.planning.joins import Join

MANIFEST = "manifest.json"
TEMPLATES = Path(__file__).with_name("page")
TABLE_ID = "t"
"""Before the name of a table in its element's id: no element of the page itself is called so."""
KINDS = (
    (documentation.GENERATED, "Tables of cases, forms and visits"),
    (documentation.STAGING, "Lists, links and views of streams"),
    (documentation.OWN, "Your own models and other tables"),
    (documentation.LOADED, "Raw tables, as loaded"),
)
BUILT = frozenset({"model", "seed", "snapshot"})
CODE_SHOWN = frozenset({documentation.OWN, documentation.STAGING})
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src {script}",
        "style-src {style}",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


def write(page: Path, docs: Documentation, nodes: Mapping[str, Any], written_at: datetime) -> None:
    """Write the page to a file.

    Args:
        page: The file.
        docs: What the page shows.
        nodes: The models in dbt's manifest.
        written_at: The present time.
    """
    page.write_text(render(docs, nodes, written_at), encoding="utf-8")


def nodes(target: Path) -> dict[str, Any]:
    """Return the models and sources in the manifest that dbt left in its target folder."""
    manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    return {**manifest["nodes"], **manifest["sources"]}


def render(docs: Documentation, nodes: Mapping[str, Any], written_at: datetime) -> str:
    """Return the page."""
    # Not indented, and with line feeds only: a browser normalises others before it hashes.
    style, script = ((TEMPLATES / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    kinds = {table.name: table.kind for table in docs.tables}
    lineage = _lineage(nodes, kinds)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "anchor": _anchor,
        "id": _id,
        "moment": _moment,
        "sql_name": identifier,
        "what": _what,
    }
    return environment.get_template("page.html").render(
        docs=docs,
        forms=_by_application(docs.forms),
        tables={table.name: table for table in docs.tables},
        kinds=KINDS,
        by_kind={kind: [table for table in docs.tables if table.kind == kind] for kind, _ in KINDS},
        joins=_by_table(docs.joins),
        lineage=lineage,
        built=_reversed(lineage),
        code=_code(nodes, kinds),
        written_at=written_at,
        policy=POLICY.format(script=_hash(script), style=_hash(style)),
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
    )


def _by_application(forms: Sequence[Subject]) -> list[tuple[str, list[Subject]]]:
    """Return the forms by the name of their application; those of none come last."""
    found: dict[str, list[Subject]] = defaultdict(list)
    for form in forms:
        found[form.group].append(form)
    return sorted(found.items(), key=lambda each: (not each[0], each[0].casefold()))


def _by_table(joins: Sequence[Join]) -> Mapping[str, list[Join]]:
    found: dict[str, list[Join]] = defaultdict(list)
    for join in joins:
        for table in dict.fromkeys(join.tables):
            found[table].append(join)
    return found


def _lineage(nodes: Mapping[str, Any], present: Mapping[str, str]) -> Mapping[str, list[str]]:
    """Return the tables that each model is built from, by its table."""
    relations = {key: _relation(node) for key, node in nodes.items()}
    found: dict[str, list[str]] = defaultdict(list)
    for key, node in nodes.items():
        keys = node.get("depends_on", {}).get("nodes", ())
        needed = (relations[each] for each in keys if each in relations)
        if node.get("resource_type") in BUILT and relations[key] in present:
            found[relations[key]] = sorted({each for each in needed if each in present})
    return found


def _relation(node: Mapping[str, Any]) -> str:
    return str(node.get("alias") or node.get("identifier") or node.get("name"))


def _reversed(lineage: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for table, needed in lineage.items():
        for each in needed:
            found[each].append(table)
    return found


def _code(nodes: Mapping[str, Any], kinds: Mapping[str, str]) -> Mapping[str, str]:
    """Return the SQL of the models that people wrote, by their table."""
    found: dict[str, str] = defaultdict(str)
    for node in nodes.values():
        name = _relation(node)
        if node.get("resource_type") in BUILT and kinds.get(name) in CODE_SHOWN:
            found[name] = str(node.get("raw_code") or "").strip()
    return found


def _id(table: str, *column: str) -> str:
    """Return the id of the element of a table or column."""
    return "/".join((TABLE_ID, table, *column))


def _anchor(table: str, *column: str) -> str:
    """Return a link to a table or column, after its number sign."""
    return "/".join((TABLE_ID, *(quote(each, safe="") for each in (table, *column))))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _what(comment: str) -> str:
    """Return a comment without where the table comes from."""
    return comment.rpartition(f" {comments.ORIGIN}")[0] or comment


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
