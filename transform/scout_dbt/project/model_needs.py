"""Which models of users read tables that a dataset does not have: decided from their text.

Nothing is executed here. Only what a model reads in any case counts; what depends on a condition,
or on a name that is put together, is left to dbt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, TemplateError, nodes

from scout_dbt.project.custom_models import FOLDER, SQL, parsed_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_dbt.project.custom_models import CustomModels

JINJA = Environment(extensions=["jinja2.ext.do"], autoescape=True)  # parses, renders nothing
ENABLED = re.compile(r"config\(enabled=stream_is_loaded\('(\w+)', '(\w+)'\)\)")
LONGEST_LIST = 20
SEED, SNAPSHOTS = ".csv", "snapshots"
READABLE_FOLDERS = ("models", "seeds", SNAPSHOTS)
SNAPSHOT = re.compile(r"\{%-?\s*snapshot\s+(\w+)")
NAME = re.compile(r"^\s*-\s+name:\s*[\"']?(\w+)", re.MULTILINE)
JINJA_SIGN = "{{"


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What the text of a model says."""

    refs: frozenset[str] = frozenset()
    sources: frozenset[tuple[str, str]] = frozenset()
    alias: str | None = None
    """The name of its table, if it is not that of the model."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What models can read in a dataset."""

    schema: str
    source_type: str
    streams: frozenset[str]
    generated: frozenset[str]
    relations: frozenset[str]
    """All tables and views that exist."""
    project: Mapping[str, str] = field(default_factory=dict)
    """The text of the files of the dbt project that are no models of users, by name."""

    def has_model(self, name: str) -> bool:
        """Return whether there is a model, seed or snapshot that no user wrote."""
        if name in self.generated:
            return True
        if (text := self.project.get(name)) is None:
            return False
        stream = ENABLED.search(text)
        return stream is None or self.has_stream(*stream.groups())

    def has_stream(self, source: str, stream: str) -> bool:
        """Return whether a stream of a source was loaded."""
        return source == self.source_type and stream in self.streams


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A model that is skipped."""

    name: str
    relation: str
    """Its table or view, which an earlier build may have left behind."""
    missing: tuple[str, ...]
    """What the dataset does not have; empty if only other skipped models are missing."""
    skipped: tuple[str, ...] = ()
    """Skipped models that it reads."""

    @property
    def reason(self) -> str:
        """Return why it is skipped."""
        parts = []
        if self.missing:
            parts.append(f"{_listed(self.missing)}, which this dataset does not have")
        if self.skipped:
            verb = "is" if len(self.skipped) == 1 else "are"
            parts.append(f"{_listed(self.skipped)}, which {verb} skipped")
        return f"{self.name} needs {', and '.join(parts)}"


def skipped(custom: CustomModels, tables: Tables) -> dict[str, Skipped]:
    """Return the models that cannot be built in a dataset, by the path of their file."""
    needs = {
        path: read(content.decode()) for path, content in custom.files.items() if _is_model(path)
    }
    left_to_dbt, sources = _declared(custom)
    names = {Path(path).stem: path for path in needs}
    missing: dict[str, tuple[str, ...]] = {}
    for path, each in needs.items():
        if Path(path).stem in left_to_dbt:
            continue
        lacking = {n for n in each.refs if n not in names and not tables.has_model(n)}
        lacking |= {".".join(s) for s in each.sources if not _has_source(s, sources, tables)}
        if lacking:
            missing[path] = tuple(sorted(lacking))
    return _with_dependents(needs, missing, names, left_to_dbt)


def _with_dependents(
    needs: Mapping[str, Needs],
    missing: Mapping[str, tuple[str, ...]],
    names: Mapping[str, str],
    left_to_dbt: frozenset[str],
) -> dict[str, Skipped]:
    """Return the skipped models, and those that read a skipped one."""
    paths = set(missing)
    while True:
        more = {
            path
            for path, each in needs.items()
            if any(names.get(name) in paths for name in each.refs)
            and Path(path).stem not in left_to_dbt
        }
        if more <= paths:
            break
        paths |= more
    return {
        path: Skipped(
            name=Path(path).stem,
            relation=needs[path].alias or Path(path).stem,
            missing=missing.get(path, ()),
            skipped=tuple(sorted(n for n in needs[path].refs if names.get(n) in paths)),
        )
        for path in sorted(paths)
    }


def project_files(project: Path) -> dict[str, str]:
    """Return the text of the files of a dbt project from which models can read, by name."""
    found: dict[str, str] = {}
    for folder in READABLE_FOLDERS:
        for file in (project / folder).rglob("*"):
            if file.suffix == SEED:
                found[file.stem] = ""
            elif file.suffix == SQL and not file.is_relative_to(project / FOLDER):
                text = file.read_text(encoding="utf-8", errors="replace")
                found[file.stem] = text
                found |= dict.fromkeys(SNAPSHOT.findall(text), "")
            elif folder == SNAPSHOTS and file.is_file():
                found |= dict.fromkeys(NAME.findall(file.read_text(errors="replace")), "")
    return found


def message(models: list[Skipped]) -> str:
    """Return the line that says which models are skipped, and why."""
    reasons = [each.reason for each in models[:LONGEST_LIST]]
    if more := len(models) - len(reasons):
        reasons.append(f"and {more} more")
    noun = "model" if len(models) == 1 else "models"
    return f"Skipped {len(models)} {noun}: {'; '.join(reasons)}."


def read(text: str) -> Needs:
    """Return what a model reads in any case, as far as its text says it in constants.

    A model that configures whether it is enabled is left to dbt, and one that cannot be parsed too.
    """
    try:
        calls = list(_calls(JINJA.parse(text)))
    except (TemplateError, RecursionError):
        return Needs()
    refs, sources, alias = set(), set(), None
    for name, call in calls:
        options = {each.key: each.value for each in call.kwargs}
        arguments = [each.value for each in call.args if isinstance(each, nodes.Const)]
        is_constant = len(arguments) == len(call.args) and all(
            isinstance(each, str) for each in arguments
        )
        if name == "config" and "enabled" in options:
            return Needs()
        if name == "config" and isinstance(given := options.get("alias"), nodes.Const):
            alias = str(given.value)
        elif name == "ref" and is_constant and arguments and not options:
            refs.add(arguments[-1])
        elif name == "source" and is_constant and len(arguments) == 2:
            sources.add((arguments[0], arguments[1]))
    return Needs(refs=frozenset(refs), sources=frozenset(sources), alias=alias)


def _calls(node: nodes.Node) -> Iterator[tuple[str, nodes.Call]]:
    """Yield the calls of functions that are executed whatever the data is."""
    if isinstance(node, nodes.Call):
        called = node.node
        if isinstance(called, nodes.Name):
            yield called.name, node
        elif isinstance(called, nodes.Getattr) and isinstance(called.node, nodes.Name):
            # builtins.ref, as in a macro that replaces ref
            yield (called.attr if called.node.name == "builtins" else ""), node
    match node:
        case nodes.If() | nodes.CondExpr():
            children: Iterator[nodes.Node] = iter([node.test])
        case nodes.For():
            children = iter([node.iter])
        case nodes.And() | nodes.Or():
            children = iter([node.left])
        case nodes.Macro() | nodes.CallBlock():
            return
        case _:
            children = node.iter_child_nodes()
    for child in children:
        yield from _calls(child)


def _is_model(path: str) -> bool:
    return path.endswith(SQL)


def _declared(
    custom: CustomModels,
) -> tuple[frozenset[str], dict[tuple[str, str], tuple[str, str]]]:
    """Return the models whose YAML says whether they are enabled, and the sources of users.

    Each source is given by its name and table, with its schema and the name of the table there.
    """
    left_to_dbt: set[str] = set()
    sources: dict[tuple[str, str], tuple[str, str]] = {}
    for path, content in custom.files.items():
        if _is_model(path):
            continue
        document = parsed_yaml(path, content)
        for model in _dicts(document.get("models")):
            config = model.get("config")
            if isinstance(config, dict) and "enabled" in config:
                left_to_dbt.add(str(model.get("name")))
        for source in _dicts(document.get("sources")):
            for table in _dicts(source.get("tables")):
                named = (str(source.get("name")), str(table.get("name")))
                schema = str(source.get("schema") or source.get("name"))
                sources[named] = (schema, str(table.get("identifier") or table.get("name")))
    return frozenset(left_to_dbt), sources


def _has_source(
    named: tuple[str, str],
    declared: Mapping[tuple[str, str], tuple[str, str]],
    tables: Tables,
) -> bool:
    if named in declared:
        schema, relation = declared[named]
        # Of another schema nothing is known here.
        is_here = schema == tables.schema or JINJA_SIGN in schema
        return not is_here or relation in tables.relations
    # A source that nothing declares is a mistake, which dbt reports.
    return named[0] not in {"commcare", "connect"} or tables.has_stream(*named)


def _dicts(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
