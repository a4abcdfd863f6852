"""Writes what there is as a document that can be applied; secrets as references to variables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from scout_control.api.desired_state import scalars, schema
from scout_control.api.desired_state.items import Key, Kind
from scout_control.rules import alias_names
from scout_control.rules.credential_kinds import ANY_SETTINGS, FIELDS_BY_KIND, NO_CREDENTIAL, OAUTH
from scout_control.rules.terminal import CONTROL_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scout_control.api.desired_state.items import Actual, Item

NOT_IN_VARIABLE = re.compile(r"[^A-Z0-9]+")
HEADER = "# Exported by scout export. Apply it with: scout apply FILE\n"


@dataclass(kw_only=True)
class Export:
    """A document, and the variables that its secrets are read from."""

    document: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, tuple[Key, str]] = field(default_factory=dict)
    """The item and the field that each variable stands for."""
    omitted: str = ""

    def as_yaml(self) -> str:
        """Return the document as YAML, with the variables in a comment."""
        lines = [HEADER]
        if self.variables:
            lines.append("# Set these environment variables to the secrets:\n")
            lines += [f"#   {name}\n" for name in self.variables]
        if self.omitted:
            lines.append(f"# Left out: {self.omitted}, who connect and consent themselves.\n")
        body = yaml.dump(
            self.document,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=120,
            default_flow_style=None,  # lists and mappings without others in them on one line
        )
        return "".join(lines) + "\n" + body

    def add_variable(self, name: str, key: Key, secret: str) -> dict[str, str]:
        """Return the reference to a variable for a secret; its name is made unique."""
        base = NOT_IN_VARIABLE.sub("_", name.upper()).strip("_") or "SECRET"
        base = f"_{base}" if base[0].isdigit() else base
        unique, number = base, 1
        while unique in self.variables:
            number += 1
            unique = f"{base}_{number}"
        self.variables[unique] = (key, secret)
        return {"env": unique}


def export(actual: Actual) -> Export:
    """Return what there is as a document.

    Accounts that many projects share at a source become one entry.
    """
    made = Export(omitted=actual.omitted)
    of_kind: dict[Kind, dict[Key, Item]] = {kind: {} for kind in Kind}
    for key, item in actual.items.items():
        if item.is_active and not item.is_kept:
            of_kind[key.kind][key] = item
    sections: dict[str, Any] = {
        "connections": {
            key.name: _connection(made, key, item) for key, item in of_kind[Kind.CONNECTION].items()
        },
        "sources": {
            key.name: _source(made, key, item) for key, item in of_kind[Kind.SOURCE].items()
        },
        "projects": {
            key.name: _project(key, item, actual) for key, item in of_kind[Kind.PROJECT].items()
        },
        "credentials": list(_credentials(made, of_kind[Kind.CREDENTIAL])),
    }
    made.document = {name: section for name, section in sections.items() if section}
    return made


def _connection(made: Export, key: Key, item: Item) -> dict[str, Any]:
    secrets = item.secrets or {}
    user = secrets.get("user") or "USER"  # where no key decrypts it
    return {
        **_stated(item.fields, schema.Connection),
        "user": user,
        "password": made.add_variable(f"{key.name}_password", key, "password"),
    }


def _source(made: Export, key: Key, item: Item) -> dict[str, Any]:
    fields = _stated(item.fields, schema.Source)
    if item.secrets is None or item.secrets:
        name = f"{key.name}_client_secret"
        fields["client_secret"] = made.add_variable(name, key, "client_secret")
    return fields


def _project(key: Key, item: Item, actual: Actual) -> dict[str, Any]:
    fields = {n: v for n, v in item.fields.items() if (n, v) != ("name", key.name)}
    links = {
        each.source: _link(each, found, actual)
        for each, found in actual.items.items()
        if each.kind == Kind.LINK and each.project == key.name and found.is_active
    }
    return {**_stated(fields, schema.Project), **({"sources": links} if links else {})}


def _link(key: Key, item: Item, actual: Actual) -> dict[str, Any]:
    hours = item.fields["interval"]
    fields = {**item.fields, "interval": interval(hours)}
    dataset = actual.items.get(Key(Kind.DATASET, key.name))
    if dataset is not None and item.fields["mode"] == "project":
        fields |= {**dataset.fields, "paused": dataset.fields["paused"] or None}
        fields["alias"] = _chosen_alias(key, dataset.fields["alias"])
    return _stated(fields, schema.Link)


def _chosen_alias(key: Key, alias: str | None) -> str | None:
    """Return the alias of a dataset, unless it is the one that it has by itself."""
    default = next(alias_names.candidates([key.project, key.source]))
    return None if alias == default else alias


def interval(hours: int) -> str:
    """Return an interval as files write it."""
    return f"{hours // 24}d" if hours % 24 == 0 and hours > 24 else f"{hours}h"


def _stated(fields: Mapping[str, Any], model: type[schema.Section]) -> dict[str, Any]:
    """Return the fields that differ from the defaults of a section."""
    return {
        name: fields[name]
        for name, known in model.model_fields.items()
        if name in fields and fields[name] != known.get_default(call_default_factory=True)
    }


def _credentials(made: Export, items: Mapping[Key, Item]) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[Key]] = {}
    for key, item in items.items():
        if item.fields["kind"] == NO_CREDENTIAL:
            continue
        known = tuple(sorted(item.secrets.items())) if item.secrets is not None else (key,)
        secrets = () if item.fields["kind"] == OAUTH else known
        groups.setdefault((key.source, item.fields["kind"], secrets), []).append(key)
    for (source, kind, _), keys in groups.items():
        entry = {"source": source, "projects": [key.project for key in keys], "kind": kind}
        yield {**entry, **_fields(made, keys[0], items[keys[0]])}


def _fields(made: Export, key: Key, item: Item) -> dict[str, Any]:
    """Return the fields of a credential: public ones as they are, the others as references."""
    kind = item.fields["kind"]
    if kind == OAUTH:
        return {}
    public, secret = FIELDS_BY_KIND[kind]
    secrets = item.secrets or {}
    if kind == ANY_SETTINGS:
        names = secrets or {"SETTING": ""}
        references = {n: made.add_variable(f"{key.source}_{n}", key, n) for n in names}
        return {"settings": references}
    return {
        **{name: secrets.get(name) or "USER" for name in public},
        **{name: made.add_variable(f"{key.source}_{name}", key, name) for name in secret},
    }


class _Dumper(yaml.SafeDumper):
    """Quotes what readers of YAML could take for something else than text; writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the interface of yaml
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # In double quotes control characters are escaped, by YAML or by what prints the document.
    is_odd = scalars.is_ambiguous(text) or CONTROL_CHARACTERS.search(text)
    style = '"' if is_odd else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)
