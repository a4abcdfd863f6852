"""Keeps where files are on the server from those who have no shell there. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scout_control.errors import ControlError

FOLDER = "a folder of the server"


def without_folders(text: str, folders: Iterable[PurePath]) -> str:
    """Return a text in which files have their path below a folder only: ``meltano.yml``."""
    known = sorted({str(each) for each in folders if len(each.parts) > 1}, key=len, reverse=True)
    if not known:
        return text
    anywhere = rf"(?<![\w/.:-])(?:{'|'.join(map(re.escape, known))})"
    named = re.sub(rf"{anywhere}/?(?![\w/-]|\.\w)", FOLDER, text)
    return re.sub(rf"{anywhere}/(?=\w|\.\w)", "", named)


def hide_folders(error: ControlError, folders: Iterable[PurePath]) -> None:
    """Remove folders of the server from what an error says."""
    known = list(folders)
    error.cause = without_folders(error.cause, known)
    error.remedy = without_folders(error.remedy, known)
    error.details = tuple(without_folders(each, known) for each in error.details)
    error.args = (f"{error.cause} {error.remedy}",)
