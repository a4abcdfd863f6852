"""The models of users: selects those of a dataset, and rejects unsafe files.

Files directly in ``models/custom`` are the operator's and apply to all datasets; those in a folder
below it apply to the datasets of the project with that id. dbt is given copies of what was checked,
so that no file can be exchanged between the check and dbt's reading.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scout_dbt import bounded_yaml
from scout_dbt.bounded_yaml import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

FOLDER = "models/custom"
SQL, YAML, MARKDOWN = ".sql", frozenset({".yml", ".yaml"}), ".md"
READ = YAML | {SQL, MARKDOWN}
PYTHON = ".py"
DISABLED = b"{{ config(enabled=false) }}\nselect 1 as skipped\n"
DECLARABLE = frozenset({"version", "models", "sources", "unit_tests", "exposures", "groups"})


class RefusedError(Exception):
    """The reason why a file is refused."""


@dataclass(frozen=True, kw_only=True)
class CustomModels:
    """The models of users for one dataset."""

    files: dict[str, bytes] = field(default_factory=dict)
    """The content of each file, by its path below ``models/custom``."""
    refused: dict[str, str] = field(default_factory=dict)
    """The reason for each file that is left out, by its path."""

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the models."""
        return frozenset(Path(path).stem for path in self.files if path.endswith(SQL))

    @property
    def digest(self) -> bytes:
        """Return a digest of all files, the refused ones included."""
        digest = hashlib.sha256()
        refused = {path: reason.encode() for path, reason in self.refused.items()}
        for path, content in sorted({**self.files, **refused}.items()):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        return digest.digest()


def collect(project: Path, owner: str | None) -> CustomModels:
    """Return the models of users for a dataset.

    Args:
        project: The folder that holds ``models/custom``.
        owner: The id of the project that the dataset belongs to; without one the dataset gets the
            operator's models only.
    """
    home = (project / FOLDER).resolve()
    files: dict[str, bytes] = {}
    refused: dict[str, str] = {}
    for path, boundary in _find(home, owner):
        name = str(path.relative_to(home))
        try:
            _check_name(name, files)
            content = _content(path, boundary)
            if content is not None:
                files[name] = content
        except RefusedError as error:
            refused[name if name.isprintable() else ascii(name)[1:-1]] = str(error)
    for name, reason in _describing_others(files):
        refused[name] = reason
        del files[name]
    return CustomModels(files=files, refused=refused)


def elsewhere(folder: Path) -> list[str]:
    """Return the models in a folder of users that are not where models of users are read.

    Args:
        folder: One without a dbt_project.yml.
    """
    home = folder / FOLDER
    found = (file for file in (folder / "models").rglob(f"*{SQL}"))
    return sorted(str(file.relative_to(folder)) for file in found if not file.is_relative_to(home))


def _describing_others(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return the files of a project that describe models of others, with the reason.

    A description can also configure a model: disable it, or give it hooks.
    """
    own = {Path(path).stem for path in files if "/" in path and path.endswith(SQL)}
    found = []
    for path, content in files.items():
        others = _described(content) - own if "/" in path and Path(path).suffix in YAML else set()
        if others:
            named = ", ".join(sorted(others))
            found.append((path, f"it describes {named}, which are not models of the project"))
    return found


def assemble(
    files: Iterable[str],
    custom: CustomModels,
    project: Path,
    assembled: Path,
    skipped: Collection[str] = (),
) -> None:
    """Assemble the project that dbt reads: links to the dbt project, and copies of these files.

    Files that are unchanged are not written again, so that dbt's partial parsing skips them.

    Args:
        files: Paths below ``models/custom``.
        custom: Their contents.
        project: The dbt project.
        assembled: Where it is assembled.
        skipped: Those of the files whose models are not built.
    """
    _link(project, assembled, but={"models", "target", "logs", "scout_dbt"})
    _link(project / "models", assembled / "models", but={Path(FOLDER).name})
    home = assembled / FOLDER
    wanted = {home / path: _given(path, custom.files[path], skipped) for path in files}
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


def _given(path: str, content: bytes, skipped: Collection[str]) -> bytes:
    """Return what dbt gets of a file: of a skipped model its name, so that its tests are known."""
    if path in skipped:
        return DISABLED
    if not skipped or Path(path).suffix not in YAML or b"exposures" not in content:
        return content
    # An exposure of a disabled model would stop dbt.
    document = _parsed(content)
    names = "|".join(re.escape(Path(each).stem) for each in skipped)
    reads = re.compile(rf"['\"]({names})['\"]")
    listed = document.get("exposures")
    kept = [each for each in listed if not reads.search(str(each))] if listed else []
    return yaml.safe_dump(document | {"exposures": kept}, sort_keys=False).encode()


def _link(source: Path, target: Path, but: set[str]) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The target folder may be inside of the project.
    entries = (each for each in source.iterdir() if each.name not in but and each != target)
    wanted = {each.name: each for each in entries}
    for found in target.iterdir():
        if found.is_symlink() and found.name not in wanted:
            found.unlink()
    for name, each in wanted.items():
        link = target / name
        if not link.is_symlink() or link.readlink() != each:
            link.unlink(missing_ok=True)
            link.symlink_to(each)


def _find(home: Path, owner: str | None) -> Iterator[tuple[Path, Path]]:
    """Yield each file with the folder that it may not lead out of; the operator's first.

    The id of a project is compared with the names that exist, never made part of a path: so no id
    leads elsewhere.
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
    """Return the content of a file; None if dbt would not read it.

    Raises:
        RefusedError: It cannot be read, or dbt could not read it.
    """
    try:
        real = path.resolve(strict=True) if path.is_symlink() else path
        if not real.is_relative_to(boundary) or (path.is_symlink() and real.is_dir()):
            raise RefusedError("it is a link that leads out of its folder")
        if path.suffix == PYTHON:
            raise RefusedError("models in Python do not run in Postgres")
        if path.suffix not in READ:
            return None
        content = _read(real)
    except OSError as error:
        raise RefusedError(f"it cannot be read ({error.strerror})") from None
    _check_text(content)
    if path.suffix in YAML:
        _check_yaml(content)
    return content


def _read(path: Path) -> bytes:
    # O_NONBLOCK: opening a pipe would wait for its writer. The open file is checked, not the path,
    # which may lead elsewhere a moment later.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RefusedError("it is not a regular file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RefusedError(f"it is longer than {MAX_BYTES:,} bytes")
    return content


def _check_text(content: bytes) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8 text") from None
    if "\0" in text:
        raise RefusedError("it contains a NUL character")


def _described(content: bytes) -> set[str]:
    """Return the models that a YAML file describes; none if it cannot be parsed."""
    models = _parsed(content).get("models")
    entries = models if isinstance(models, list) else []
    return {str(each.get("name")) for each in entries if isinstance(each, dict)}


def parsed_yaml(path: str, content: bytes) -> dict[Any, Any]:
    """Return the document of a file that was collected; an empty one if it is not YAML."""
    return _parsed(content) if Path(path).suffix in YAML else {}


def _parsed(content: bytes) -> dict[Any, Any]:
    """Return the document of a YAML file; an empty one if it is not valid YAML.

    Raises:
        RefusedError: It exceeds a limit.
    """
    try:
        root = bounded_yaml.compose(content)
        parsed = yaml.load(content, yaml.CSafeLoader) if root is not None else None
    except bounded_yaml.LimitError as error:
        raise RefusedError(str(error)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}  # dbt reports the error with its line
    return parsed if isinstance(parsed, dict) else {}


def _check_yaml(content: bytes) -> None:
    if others := {str(each) for each in _parsed(content)} - DECLARABLE:
        raise RefusedError(
            f"it declares {', '.join(sorted(others))}; allowed are "
            f"{', '.join(sorted(DECLARABLE - {'version'}))}"
        )


def _check_name(path: str, files: dict[str, bytes]) -> None:
    """Refuse unprintable names, and models of a project that have the name of an operator's."""
    if not path.isprintable():
        raise RefusedError("its name contains unprintable characters")
    if "/" in path and path.endswith(SQL) and Path(path).name in files:
        raise RefusedError("a model for all datasets has the same name")
