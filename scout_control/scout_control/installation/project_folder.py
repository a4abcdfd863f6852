"""The folder that is the user's: made by ``scout init``, upgraded by ``scout project upgrade``.

What was written is recorded beside it. So an upgrade can tell what the user has changed since, and
keeps that; a file that the user has removed is not made again.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from scout_control.errors import ConflictError, SettingsError
from scout_control.installation import project_location
from scout_control.installation.project_location import is_project
from scout_control.meltano import project_file, trusted_files
from scout_control.meltano.project import LOADER
from scout_control.rules.three_way_merge import merge

TEMPLATE = Path(__file__).with_name("project_template")
NAMES = {"gitignore": ".gitignore"}  # no file of a template may hide others from version control
RECORD = ".scout-project.json"
ADDED, CHANGED, CONFLICT = "added", "changed", "conflict"


@dataclass(frozen=True, kw_only=True)
class Created:
    """What was written to a folder, and which files of the same names were there before."""

    written: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an upgrade does to one file."""

    path: str
    kind: str
    former: str
    text: str
    conflicts: tuple[str, ...] = ()
    """Lines of the new version at places that the user has changed, too; they are left out."""

    @property
    def diff(self) -> str:
        """Return the change as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.former, self.text))
        names = (self.path if self.former else "/dev/null", self.path)
        lines = difflib.unified_diff(before, after, *names)
        text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
        return text.encode(errors="replace").decode()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an upgrade of a folder does."""

    folder: Path
    former_version: str | None
    version: str
    changes: tuple[Change, ...] = ()
    is_checkout: bool = False
    """Whether the project declares the plugins itself, so that there is nothing to upgrade."""


def template() -> dict[str, str]:
    """Return the files of a new folder, by their path in it."""
    files = sorted(each for each in TEMPLATE.rglob("*") if each.is_file())
    paths = {str(each.relative_to(TEMPLATE)): each for each in files}
    return {NAMES.get(path, path): each.read_text("utf-8") for path, each in paths.items()}


def create(folder: Path) -> Created:
    """Write what a folder lacks, and nothing that exists. A complete project is left as it is.

    Raises:
        SettingsError: It cannot be written, or its meltano.yml is one of another kind.
    """
    if is_project(folder) and not _extends(folder):
        if not _is_complete(folder):
            require_extending(folder)
        return Created()
    files = template()
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        written = {path: text for path, text in files.items() if _write_new(folder / path, text)}
        if written:
            _, former = _read_record(folder)
            _write_record(folder, {**former, **written})
    except OSError as error:
        raise SettingsError(
            f"{error.filename or folder} cannot be written: {error.strerror}.",
            "Choose another folder: scout init --project FOLDER",
        ) from None
    return Created(
        written=tuple(written), kept=tuple(path for path in files if path not in written)
    )


def create_default() -> tuple[Path, Created]:
    """Write the folder of this user if no other project is found; return it and what was done."""
    folder = project_location.find()
    if folder is not None:
        return folder, Created()
    return project_location.default(), create(project_location.default())


def require_extending(folder: Path) -> None:
    """Require that a folder is one of those that ``create`` makes.

    Raises:
        SettingsError: Its meltano.yml does not say that it extends the product.
    """
    if not _extends(folder):
        file = folder / trusted_files.PROJECT_FILE
        raise SettingsError(
            f"{file} does not extend Scout Sync, so its taps and models are missing there.",
            f"Add this line to it: annotations: {{scout: {{extends: {project_file.PRODUCT}}}}}",
        )


def plan(folder: Path) -> Plan:
    """Return what an upgrade changes.

    Raises:
        SettingsError: The folder is not one that ``create`` makes.
        ConflictError: Its record cannot be read.
    """
    if not _extends(folder) and _is_complete(folder):
        return Plan(folder=folder, former_version=None, version=current_version(), is_checkout=True)
    require_extending(folder)
    former_version, written = _read_record(folder)
    changes = (
        _change(folder / path, path, written.get(path), text) for path, text in template().items()
    )
    return Plan(
        folder=folder,
        former_version=former_version,
        version=current_version(),
        changes=tuple(each for each in changes if each is not None),
    )


def upgrade(plan: Plan) -> None:
    """Do what a plan says, and record it."""
    if plan.is_checkout:
        return
    for each in plan.changes:
        if each.text != each.former:
            _replace(plan.folder / each.path, each.text)
    _, written = _read_record(plan.folder)
    known = {path: text for path, text in template().items() if path in written}
    added = {each.path: each.text for each in plan.changes if each.kind == ADDED}
    _write_record(plan.folder, {**written, **known, **added})


def describe(folder: Path) -> dict[str, str | None]:
    """Return what a folder is: its path, and the versions that it and this program are of."""
    former_version, _ = _read_record(folder)
    extends = project_file.PRODUCT if _extends(folder) else None
    return {
        "project": str(folder),
        "extends": extends,
        "version": former_version,
        "scout_version": current_version(),
    }


def current_version() -> str:
    """Return the version of this program."""
    return version("scout-control")


def _extends(folder: Path) -> bool:
    document = project_file.read_own(folder / trusted_files.PROJECT_FILE)
    return project_file.extends_product(document)


def _is_complete(folder: Path) -> bool:
    """Return whether a project declares the loader itself, as a checkout does."""
    document = project_file.read_project(folder / trusted_files.PROJECT_FILE)
    loaders = (document.get("plugins") or {}).get("loaders") or ()
    return any(each.get("name") == LOADER for each in loaders)


def _change(file: Path, path: str, written: str | None, new: str) -> Change | None:
    """Return what happens to a file, given what was written there before, if anything."""
    own = _read(file) if file.is_file() else None
    if own is None:
        is_new = written is None and not file.is_symlink()
        return Change(path=path, kind=ADDED, former="", text=new) if is_new else None
    if written in {None, new}:
        return None  # the user's own file, or nothing new
    merged = merge(written or "", own, new)
    if merged.text == own and not merged.conflicts:
        return None
    kind = CONFLICT if merged.conflicts else CHANGED
    return Change(path=path, kind=kind, former=own, text=merged.text, conflicts=merged.conflicts)


def _write_new(file: Path, text: str) -> bool:
    """Write a file unless there is one; return whether it was written."""
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # O_EXCL: neither a file nor a link, broken or not, is written over or through.
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(text.encode(errors="surrogateescape"))
    return True


def _read(file: Path) -> str:
    """Return a text that can be written again as it was, whatever its encoding and line ends."""
    return file.read_bytes().decode(errors="surrogateescape")


def _replace(file: Path, text: str) -> None:
    """Replace a file as a whole: an interruption leaves the former one."""
    real = file.resolve()
    real.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = real.with_name(f".{real.name}.new")
    draft.unlink(missing_ok=True)
    _write_new(draft, text)
    if real.exists():
        draft.chmod(real.stat().st_mode & 0o777)
    draft.replace(real)


def _read_record(folder: Path) -> tuple[str | None, dict[str, str]]:
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        files = {str(path): str(text) for path, text in record["files"].items()}
        return str(record["version"]), files
    except FileNotFoundError:
        return None, {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise ConflictError(
            f"{folder / RECORD} is not as scout writes it.",
            "Restore it from version control, or remove it: then every file counts as yours.",
        ) from None


def _write_record(folder: Path, files: dict[str, str]) -> None:
    record = {"version": current_version(), "files": files}
    _replace(folder / RECORD, json.dumps(record, indent=2) + "\n")
