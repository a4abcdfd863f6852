"""Reads a project's meltano.yml, merged with the files that it includes and with the product's.

A checkout declares everything itself. The folder of a user holds only what the user added, and says
``annotations: {scout: {extends: scout-sync}}``: then the plugins, jobs and environments of the
product, which are installed with this program, come in addition. An entry of the user with the name
of one of the product changes only the fields that it has.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scout_control.errors import SettingsError
from scout_control.meltano import trusted_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Document = Mapping[str, Any]
    Entry = Mapping[str, Any]

INCLUDES = "include_paths"
PRODUCT = "scout-sync"
NAMED_LISTS = ("jobs", "schedules", "environments")
PROGRAM_KEYS = frozenset({"executable", "pip_url"})
INSTALLED = Path(__file__).parent / "product" / trusted_files.PROJECT_FILE
"""In a wheel; see hatch_build.py."""
CHECKOUT = Path(__file__).parents[3]
MODELS_OF_CHECKOUT, MODELS = "$MELTANO_PROJECT_ROOT/transform", "$MELTANO_PROJECT_ROOT"
"""The folder of users' models: in a checkout it is that of the product's models, too."""


def read_project(file: Path) -> Document:
    """Return the content of a meltano.yml, with what it includes and extends.

    Raises:
        SettingsError: A file cannot be read.
    """
    document = read_own(file)
    included = [read_own(path) for path in included_files(file, document) if path != file]
    document = _joined(document, included) if included else document
    return extended(_product(), document) if extends_product(document) else document


def included_files(file: Path, document: Document | None = None) -> list[Path]:
    """Return the files that a meltano.yml includes.

    Raises:
        SettingsError: One of them is outside of the project.
    """
    if document is None:
        # Every command comes here, and importing YAML takes longer than a short one.
        if INCLUDES not in _text(file):
            return []
        document = read_own(file)
    patterns = document.get(INCLUDES) or ()
    found = sorted({path for each in patterns for path in file.parent.glob(str(each))})
    root = file.parent.resolve()
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise SettingsError(
                f"{file} includes {path}, which is outside of the project.", "Move it inside."
            )
    return found


def extends_product(document: Document) -> bool:
    """Return whether a project gets the product's plugins in addition to its own.

    Raises:
        SettingsError: It extends something else.
    """
    annotations = document.get("annotations")
    scout = annotations.get("scout") if isinstance(annotations, dict) else None
    extends = scout.get("extends") if isinstance(scout, dict) else None
    if extends not in {None, PRODUCT}:
        raise SettingsError(
            f"meltano.yml extends {extends!r}, which is unknown.",
            f"Write: annotations: {{scout: {{extends: {PRODUCT}}}}}",
        )
    return extends == PRODUCT


def extended(product: Document, own: Document) -> Document:
    """Return a project with the product's entries; its own ones come first and take precedence."""
    plugins, own_plugins = product.get("plugins") or {}, own.get("plugins") or {}
    kinds = dict.fromkeys((*own_plugins, *plugins))
    lists = {name: _merged(own.get(name), product.get(name)) for name in NAMED_LISTS}
    return {
        **product,
        **own,
        **{name: entries for name, entries in lists.items() if entries},
        "plugins": {kind: _merged(own_plugins.get(kind), plugins.get(kind)) for kind in kinds},
    }


def is_checkout() -> bool:
    """Return whether this program runs from a checkout of the product."""
    return not INSTALLED.is_file() and (CHECKOUT / trusted_files.PROJECT_FILE).is_file()


def _product() -> Document:
    file = INSTALLED if INSTALLED.is_file() else CHECKOUT / trusted_files.PROJECT_FILE
    document: Document = _with_models_here(read_own(file))
    return document


def _with_models_here(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(MODELS_OF_CHECKOUT, MODELS)
    if isinstance(value, dict):
        return {name: _with_models_here(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_models_here(each) for each in value]
    return value


def _merged(own: Iterable[Entry] | None, product: Iterable[Entry] | None) -> list[Entry]:
    by_name = {str(each.get("name")): each for each in product or ()}
    mine = [_changed(by_name.pop(str(each.get("name")), {}), each) for each in own or ()]
    return [*mine, *by_name.values()]


def _changed(product: Entry, own: Entry) -> Entry:
    """Return an entry of the product with the fields that the user has set."""
    if PROGRAM_KEYS.isdisjoint(own):
        return {**product, **own}
    # With another program, it is no longer the product's distribution that has to be installed.
    annotations = product.get("annotations") or {}
    scout = {**(annotations.get("scout") or {}), "distribution": None}
    return {**product, "annotations": {**annotations, "scout": scout}, **own}


def _joined(document: Document, included: Iterable[Document]) -> Document:
    """Return a document with the entries of included files after its own, as Meltano reads it."""
    plugins: dict[str, list[Any]] = {}
    lists: dict[str, list[Any]] = {}
    for each in (document, *included):
        for kind, entries in (each.get("plugins") or {}).items():
            plugins.setdefault(kind, []).extend(entries or ())
        for name in NAMED_LISTS:
            if each.get(name):
                lists.setdefault(name, []).extend(each[name])
    return {**document, **lists, "plugins": plugins}


def _text(file: Path) -> str:
    try:
        return trusted_files.read_text(file)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror}.", "Set SCOUT_PROJECT_ROOT to its folder."
        ) from None


def read_own(file: Path) -> Document:
    """Return the content of one file, without anything else.

    Raises:
        SettingsError: It cannot be read.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(_text(file), Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        position = f" (line {mark.line + 1})" if mark else ""
        raise SettingsError(f"{file} is not valid YAML{position}.", "Correct it.") from None
    if not isinstance(document, dict):
        raise SettingsError(
            f"{file} is not a mapping.", "See Meltano's documentation of this file."
        )
    return document
