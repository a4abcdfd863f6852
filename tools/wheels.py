"""Build the wheels and source archives of all members into dist/: ``make wheels``.

They have the version of the checkout, whose label after ``+`` no public index accepts, so that the
distributions can only come from this folder. ``--release`` removes the label, for publishing.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")
LABEL = "+checkout"
GENERATED = (".*", "dist", "_build", "target", "logs", "__pycache__", "tests", "benchmarks")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
REMOTE = re.compile(r"^(?:https://(?:[^@/]*@)?|git@|ssh://git@)([^:/]+)[:/](.+?)(?:\.git)?/?$")


def main(arguments: list[str] | None = None) -> None:
    """Build what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--release", action="store_true", help="versions that an index accepts")
    parser.add_argument("--wheels-only", action="store_true", help="no source archives")
    parser.add_argument(
        "--repository", default=repository_of(_origin()), help="https address, for URLs and links"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "workspace")
        shutil.copytree(ROOT, copy, ignore=_ignored)
        for project in sorted(copy.glob("*/pyproject.toml")):
            prepare(project, is_release=options.release, repository=options.repository)
        command = [str(UV), "build", "--quiet", "--all-packages", "--out-dir", str(options.out)]
        command += ["--wheel"] if options.wheels_only else []
        subprocess.run(command, cwd=copy, check=True)  # noqa: S603 - uv itself
    sys.stdout.write(f"The distributions are in {options.out}.\n")


def prepare(project: Path, *, is_release: bool, repository: str | None) -> None:
    """Write version, URLs and links of one member as they are to be in its distribution."""
    text = project.read_text(encoding="utf-8")
    text = text.replace(LABEL, "") if is_release else text
    project.write_text(with_repository(text, repository), encoding="utf-8")
    readme = project.with_name("README.md")
    folder = project.parent.name
    page = readme.read_text(encoding="utf-8")
    readme.write_text(with_absolute_links(page, folder, repository), encoding="utf-8")


def with_repository(text: str, repository: str | None) -> str:
    """Return a pyproject.toml whose URLs name the repository, if it is known."""
    if not repository:
        return text
    urls = (
        f'Repository = "{repository}"\nIssues = "{repository}/issues"\n'
        f'Changelog = "{repository}/blob/HEAD/CHANGELOG.md"\n'
    )
    return text.replace("[project.urls]\n", f"[project.urls]\n{urls}")


def with_absolute_links(page: str, folder: str, repository: str | None) -> str:
    """Return a README whose links work on the page of an index, where no other file is.

    Without a repository to link to, only the words of a link remain.
    """

    def absolute(link: re.Match[str]) -> str:
        words, path = link.groups()
        if not repository:
            return words
        return f"[{words}]({repository}/blob/HEAD/{posixpath.normpath(f'{folder}/{path}')})"

    return LINK.sub(absolute, page)


def repository_of(remote: str) -> str | None:
    """Return the https address of a repository from the URL of a remote, without a login."""
    found = REMOTE.match(remote)
    return f"https://{found[1]}/{found[2]}" if found else None


def _origin() -> str:
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:  # no git: an archive of the sources
        return ""
    return done.stdout.strip()


def _ignored(folder: str, names: Iterable[str]) -> set[str]:
    """Return what is not copied; ``tests`` and the like only where they are the workspace's."""
    is_root = os.fspath(ROOT) == os.path.normpath(folder)
    patterns = GENERATED if is_root else GENERATED[:-2]
    return set(shutil.ignore_patterns(*patterns)(folder, list(names)))


if __name__ == "__main__":
    main()
