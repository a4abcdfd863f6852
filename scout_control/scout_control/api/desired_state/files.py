"""Merges several documents into one desired state; what is described twice is a mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scout_control.api.desired_state.items import Key, Kind
from scout_control.api.desired_state.problems import InvalidStateError, dotted
from scout_control.api.desired_state.schema import ALL
from scout_control.api.desired_state.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scout_control.api.desired_state import schema
    from scout_control.api.desired_state.problems import Path
    from scout_control.api.desired_state.yaml_documents import Document

NOUNS = {
    "connections": Kind.CONNECTION,
    "sources": Kind.SOURCE,
    "projects": Kind.PROJECT,
    "credentials": Kind.CREDENTIAL,
}


@dataclass(frozen=True)
class Described:
    """An object of a document, and where it is."""

    value: Any
    document: Document
    path: Path

    def add_problem(self, text: str, *below: str | int) -> None:
        """Note that something is wrong with it, or with a part of it."""
        self.document.add_problem((*self.path, *below), text)


@dataclass
class Files:
    """What all documents describe together."""

    documents: list[Document]
    connections: dict[str, Described] = field(default_factory=dict)
    sources: dict[str, Described] = field(default_factory=dict)
    projects: dict[str, Described] = field(default_factory=dict)
    credentials: list[Described] = field(default_factory=list)
    mentioned: set[Kind] = field(default_factory=set)
    """The kinds that have a section in any document."""

    def check(self) -> None:
        """Stop if there are problems.

        Raises:
            InvalidStateError: There are.
        """
        problems = [each for document in self.documents for each in document.problems]
        if problems:
            raise InvalidStateError(problems)

    def links(self) -> dict[Key, Described]:
        """Return the links of all projects."""
        return {
            Key.of(Kind.LINK, project, source): Described(
                link, each.document, (*each.path, "sources", source)
            )
            for project, each in self.projects.items()
            for source, link in each.value.sources.items()
        }

    def credentials_of_projects(self) -> dict[Key, Described]:
        """Return the credential of each project at each source; notes those that are given twice.

        One that names its projects has precedence over one for all.
        """
        found: dict[Key, Described] = {}
        pairs = [(source, each) for each in self.credentials for source in each.value.sources]
        for source, each in pairs:
            if each.value.projects != ALL:
                self._add_all(found, each, source, each.value.projects)
        named = set(found)
        for source, each in pairs:
            if each.value.projects == ALL:
                keys = {name: Key.of(Kind.CREDENTIAL, name, source) for name in self._users(source)}
                others = [name for name, key in keys.items() if key not in named]
                self._add_all(found, each, source, others)
        return found

    def is_prunable(self, key: Key) -> bool:
        """Return whether these files would describe an item if it was to stay."""
        if key.kind == Kind.LINK:
            project = self.projects.get(key.project)
            return project is not None and "sources" in project.value.model_fields_set
        return key.kind in self.mentioned

    def _users(self, source: str) -> list[str]:
        return [
            name
            for name, each in self.projects.items()
            if (link := each.value.sources.get(source)) is not None and link.mode == "project"
        ]

    def _add_all(
        self, found: dict[Key, Described], each: Described, source: str, projects: list[str]
    ) -> None:
        for project in projects:
            key = Key.of(Kind.CREDENTIAL, project, source)
            if key in found:
                text = f"is for {project} at {source}, and so is"
                each.add_problem(_twice(text, found[key]))
            else:
                found[key] = each


def merge(documents: Iterable[Document]) -> Files:
    """Return what documents describe together.

    Raises:
        InvalidStateError: A document has mistakes, or two describe the same object.
    """
    files = Files(list(documents))
    states = [(document, validate(document)) for document in files.documents]
    files.check()
    for document, state in states:
        if state is not None:
            _add(files, document, state)
    files.check()
    return files


def _add(files: Files, document: Document, state: schema.DesiredState) -> None:
    files.mentioned |= {kind for name, kind in NOUNS.items() if name in state.model_fields_set}
    _add_section(files.connections, document, "connections", state.connections)
    _add_section(files.sources, document, "sources", state.sources)
    _add_section(files.projects, document, "projects", state.projects)
    for at, credential in enumerate(state.credentials):
        files.credentials.append(Described(credential, document, ("credentials", at)))


def _add_section(
    known: dict[str, Described], document: Document, section: str, objects: Mapping[str, Any]
) -> None:
    for name, value in objects.items():
        described = Described(value, document, (section, name))
        if name in known:
            described.add_problem(_twice("is already described:", known[name]))
        else:
            known[name] = described


def _twice(text: str, first: Described) -> str:
    return f"{text} {dotted(first.path)} in {first.document.place(first.path)}. Keep one of them."
