"""The models of users: which of them a dataset gets, and which cannot be read.

Files directly in ``models/custom`` are the operator's, for all datasets; those in a folder of it
are built for the datasets of the project that it is called like. dbt is given copies of what was
checked, so that nothing is another file when it reads it.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = "models/custom"
SQL, YAML, WORDS = ".sql", frozenset({".yml", ".yaml"}), ".md"
READ = YAML | {SQL, WORDS}
NOT_BUILT = ".py"  # of dbt, but of no use in Postgres
DESCRIBED = frozenset({"version", "models", "sources", "unit_tests", "exposures", "groups"})
MOST_BYTES = 1_000_000
MOST_LEVELS = 200  # of YAML
TOO_DEEP = f"it is nested more than {MOST_LEVELS} levels deep"


class UnusableError(Exception):
    """Why a file is left out."""


@dataclass(frozen=True, kw_only=True)
class CustomModels:
    """The models of users for one dataset, by their path below the folder."""

    files: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Why each of the others is left out."""

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the models."""
        return frozenset(Path(path).stem for path in self.files if path.endswith(SQL))

    @property
    def digest(self) -> bytes:
        """Return what changes when anything of them does."""
        known = hashlib.sha256()
        refused = {path: why.encode() for path, why in self.refused.items()}
        for path, content in sorted({**self.files, **refused}.items()):
            known.update(f"{path}\0{len(content)}\0".encode() + content)
        return known.digest()


def collect(project: Path, owner: str | None) -> CustomModels:
    """Return what a dataset gets.

    Args:
        project: The folder of the dbt project.
        owner: The id of the project that the dataset belongs to; without one there are only the
            operator's models.
    """
    home = (project / FOLDER).resolve()
    files: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    for path, boundary in _found(home, owner):
        told = str(path.relative_to(home))
        try:
            _check_name(told, files)
            content = _content(path, boundary)
            if content is not None:
                files[told] = content
        except UnusableError as error:
            refused[told if told.isprintable() else ascii(told)[1:-1]] = str(error)
    for told, why in _meddling(files):
        refused[told] = why
        del files[told]
    return CustomModels(files=files, refused=refused)


def _meddling(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return the files of a project that say something of a model that is not the project's."""
    own = {Path(path).stem for path in files if "/" in path and path.endswith(SQL)}
    found = []
    for path, content in files.items():
        others = _described(content) - own if "/" in path and Path(path).suffix in YAML else set()
        if others:
            named = ", ".join(sorted(others))
            found.append((path, f"it describes {named}, which the project has no model of"))
    return found


def assemble(files: Iterable[str], custom: CustomModels, project: Path, made: Path) -> None:
    """Make a project for dbt: the one that there is, with these files as models of users.

    What is right already is left alone, so that dbt need not read it again.
    """
    _link(project, made, but={"models", "target", "logs"})
    _link(project / "models", made / "models", but={Path(FOLDER).name})
    home = made / FOLDER
    wanted = {home / path: custom.files[path] for path in files}
    for file in [path for path in home.rglob("*") if path.is_symlink() or not path.is_dir()]:
        if file not in wanted:
            file.unlink()
    for file, content in wanted.items():
        if file.is_dir():
            shutil.rmtree(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_bytes() != content:
            file.write_bytes(content)
    home.mkdir(parents=True, exist_ok=True)


def _link(real: Path, made: Path, but: set[str]) -> None:
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = {each.name: each for each in real.iterdir() if each.name not in but and each != made}
    for found in made.iterdir():
        if found.is_symlink() and found.name not in wanted:
            found.unlink()
    for name, each in wanted.items():
        link = made / name
        if not link.is_symlink() or link.readlink() != each:
            link.unlink(missing_ok=True)
            link.symlink_to(each)


def _found(home: Path, owner: str | None) -> Iterator[tuple[Path, Path]]:
    """Yield each file, and the folder that it may not lead out of; the operator's first.

    A project's folder is found among the names that are there, so that no id leads elsewhere.
    """
    with suppress(FileNotFoundError):
        entries = sorted(os.scandir(home), key=lambda each: each.name)
        for each in entries:
            if not each.is_dir():
                yield Path(each.path), home
        for each in entries:
            if each.name == owner and each.is_dir():
                yield from _below(Path(each.path))


def _below(folder: Path) -> Iterator[tuple[Path, Path]]:
    if folder.is_symlink():
        yield folder, folder.parent
        return
    for place, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*names, *linked]):
            yield Path(place, name), folder


def _content(path: Path, boundary: Path) -> bytes | None:
    """Return what a file says; nothing of one that dbt would not read.

    Raises:
        UnusableError: It cannot be read, or dbt could not.
    """
    try:
        real = path.resolve(strict=True) if path.is_symlink() else path
        if not real.is_relative_to(boundary) or (path.is_symlink() and real.is_dir()):
            raise UnusableError("it is a link that leads out of its folder")
        if path.suffix == NOT_BUILT:
            raise UnusableError("models in Python do not run in Postgres")
        if path.suffix not in READ:
            return None
        content = _read(real)
    except OSError as error:
        raise UnusableError(f"it cannot be read ({error.strerror})") from None
    _check_text(content)
    if path.suffix in YAML:
        _check_yaml(content)
    return content


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - no path: it must be the one checked
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableError("it is not a file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UnusableError(f"it is longer than {MOST_BYTES:,} bytes")
    return content


def _check_text(content: bytes) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise UnusableError("it is not UTF-8 text") from None
    if "\0" in text:
        raise UnusableError("it holds a NUL character")


def _described(content: bytes) -> set[str]:
    """Return the models that a file describes, as far as it can be understood."""
    models = _parsed(content).get("models")
    entries = models if isinstance(models, list) else []
    return {str(each.get("name")) for each in entries if isinstance(each, dict)}


def _parsed(content: bytes) -> dict[Any, Any]:
    try:
        _check_levels(content)
        told = yaml.load(content, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}  # dbt says better why
    return told if isinstance(told, dict) else {}


def _check_levels(content: bytes) -> None:
    """Refuse what is nested so deeply that the loader, which calls itself, would crash."""
    levels = 0
    for event in yaml.parse(content, yaml.CSafeLoader):
        levels += isinstance(event, yaml.CollectionStartEvent)
        levels -= isinstance(event, yaml.CollectionEndEvent)
        if levels > MOST_LEVELS:
            raise UnusableError(TOO_DEEP)


def _weight(value: Any, known: dict[int, float], levels: int = MOST_LEVELS) -> float:
    """Return how long a value is in which each alias is written out; one in itself never ends."""
    if not isinstance(value, dict | list):
        return 1 + len(value) if isinstance(value, str) else 1
    if not levels:
        raise RecursionError
    if id(value) not in known:
        known[id(value)] = math.inf
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_weight(each, known, levels - 1) for each in parts)
    return known[id(value)]


def _check_yaml(content: bytes) -> None:
    try:
        weight = _weight(_parsed(content), {})
    except RecursionError:
        raise UnusableError(TOO_DEEP) from None
    if weight > MOST_BYTES:
        raise UnusableError(f"its aliases make more than {MOST_BYTES:,} bytes of it")
    if others := {str(each) for each in _parsed(content)} - DESCRIBED:
        raise UnusableError(
            f"it declares {', '.join(sorted(others))}; here are "
            f"{', '.join(sorted(DESCRIBED - {'version'}))}"
        )


def _check_name(told: str, files: dict[str, bytes]) -> None:
    """Refuse a project's model that is called like one of the operator's."""
    name = Path(told).name
    if not told.isprintable():
        raise UnusableError("its name holds characters that are no text")
    if "/" in told and told.endswith(SQL) and name in files:
        raise UnusableError("a model of that name is there for all datasets")
